"""Interpolation kernels: each plane is filtered on its own, at the clip's bit depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upscalers.methods import Method

if TYPE_CHECKING:
    import torch

    from upscalers.core.upscaling import Upscaler


def _method(kernel: str, name: str, description: str, citation: str) -> Method:
    def build(device: torch.device) -> Upscaler:
        from upscalers.core.upscaling import KernelUpscaler

        return KernelUpscaler(kernel)

    return Method(
        slug=kernel, name=name, family="classical", description=description,
        licence="none needed", citation=citation, build=build, batch=4,
    )  # fmt: skip


KEYS = (
    "R. Keys, Cubic convolution interpolation for digital image processing, "
    "IEEE Trans. ASSP 29(6), 1981"
)
DUCHON = "C. Duchon, Lanczos filtering in one and two dimensions, J. Appl. Meteorol. 18(8), 1979"

METHODS = (
    _method("nearest", "Nearest", "Repeats the nearest sample; the floor of quality.", ""),
    _method("bilinear", "Bilinear", "Straight lines between neighbours, over 2x2 samples.", ""),
    _method("bicubic", "Bicubic", "Cubic convolution over 4x4 samples with a = -0.5.", KEYS),
    _method(
        "bicubic-075",
        "Bicubic (a = -0.75)",
        "The sharper cubic convolution of OpenCV and PyTorch, over 4x4 samples.",
        KEYS,
    ),
    _method("lanczos2", "Lanczos 2", "Windowed sinc with two lobes over 4x4 samples.", DUCHON),
    _method(
        "lanczos3",
        "Lanczos",
        "Windowed sinc with three lobes over 6x6 samples; what expert viewing compares against.",
        DUCHON,
    ),
    _method(
        "lanczos4",
        "Lanczos 4",
        "Windowed sinc with four lobes over 8x8 samples: sharper, with more ringing.",
        DUCHON,
    ),
    _method(
        "spline36",
        "Spline36",
        "Cubic spline over 6x6 samples: close to Lanczos, with less ringing.",
        "H. Dersch, Interpolator comparison of Panorama Tools; the spline36 of AviSynth and zimg",
    ),
)
