"""The methods reach the quality that was measured of them by other code.

The reference values are means of PSNR-Y over three frames, measured with Pillow's bicubic and
Lanczos filters and with the networks run by the ncnn package and by a prototype in torch: RGB
frames shrunk by Pillow (bicubic, antialiased, 8 bits), BT.601 luma, and as many samples as the
scale left out at each edge.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from tests.upscalers.core.clips import real_clip, small_format
from tests.upscalers.methods.packaged import CPU
from upscalers.core.upscaling import NetworkUpscaler
from upscalers.methods import get_method

Picture = NDArray[np.uint8]

FRAMES = {"bikes.mp4": (20, 120, 220), "bigbuckbunny.mp4": (15, 70, 120)}
REFERENCE = [
    ("bikes.mp4", 2, {"bicubic": 40.27, "lanczos3": 41.06, "span-x2": 45.49, "span52-x2": 45.54,
                      "realesr-animevideov3-x2": 35.48}),
    ("bikes.mp4", 4, {"bicubic": 34.00, "lanczos3": 34.36, "span-x4": 36.97, "span52-x4": 36.98,
                      "realesr-animevideov3-x4": 32.45}),
    ("bigbuckbunny.mp4", 2, {"bicubic": 39.58, "lanczos3": 40.85, "span-x2": 44.16,
                             "span52-x2": 44.22}),
    ("bigbuckbunny.mp4", 4, {"bicubic": 32.10, "lanczos3": 32.46, "span-x4": 34.33,
                             "span52-x4": 34.36}),
]  # fmt: skip
TOLERANCE = 0.05


@cache
def frames(clip: str) -> list[Picture]:
    with av.open(str(real_clip(clip))) as container:
        decoded = (
            frame.to_ndarray(format="rgb24")
            for number, frame in enumerate(container.decode(video=0))
            if number in FRAMES[clip]
        )
        return list(decoded)


def shrunk(picture: Picture, scale: int) -> Picture:
    rows, columns, _ = picture.shape
    small = Image.fromarray(picture).resize(
        (columns // scale, rows // scale), Image.Resampling.BICUBIC
    )
    return np.asarray(small)


def enlarged(slug: str, picture: Picture, scale: int) -> Picture:
    upscaler = get_method(slug).build(CPU)
    codes = torch.from_numpy(picture.copy()).permute(2, 0, 1).float()
    with torch.inference_mode():
        if isinstance(upscaler, NetworkUpscaler):
            made = upscaler.run(codes[None] / 255)[0] * 255
        else:  # a kernel takes any three planes
            rows, columns, _ = picture.shape
            fmt = small_format("yuv444p", width=columns, height=rows)
            planes = tuple(plane[None] for plane in codes)
            made = torch.cat(upscaler(planes, fmt, fmt.scaled(scale), Fraction(scale), None))  # type: ignore[operator]
    return made.round().clamp(0, 255).byte().permute(1, 2, 0).numpy()


def psnr_y(made: Picture, wanted: Picture, border: int) -> float:
    weights = np.array((65.481, 128.553, 24.966)) / 255
    difference = (made.astype(float) - wanted.astype(float)) @ weights
    inner = difference[border:-border, border:-border]
    return float(10 * np.log10(255**2 / np.mean(inner**2)))


@pytest.mark.slow
@pytest.mark.parametrize(("clip", "scale", "reference"), REFERENCE)
def test_psnr_on_real_clips_is_that_of_the_reference(
    clip: str, scale: int, reference: dict[str, float]
) -> None:
    small = [shrunk(picture, scale) for picture in frames(clip)]
    for slug, expected in reference.items():
        found = [
            psnr_y(enlarged(slug, low, scale), whole, scale)
            for low, whole in zip(small, frames(clip), strict=True)
        ]
        assert np.mean(found) == pytest.approx(expected, abs=TOLERANCE), slug
