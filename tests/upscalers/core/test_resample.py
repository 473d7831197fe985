"""The kernels against a plain float64 calculation that shares no code with them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import torch
from PIL import Image

from tests.upscalers.core.clips import noise, small_format
from upscalers.core.clip import PIXEL_FORMATS
from upscalers.core.colour import to_frames, to_tensors
from upscalers.core.resample import resample_axis, resample_picture

CPU = torch.device("cpu")


def cubic(x: float) -> float:
    """Keys 1981, equation 15 (a = -1/2)."""
    x = abs(x)
    if x < 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def lanczos(x: float) -> float:
    if x == 0:
        return 1.0
    return 3 * np.sin(np.pi * x) * np.sin(np.pi * x / 3) / (np.pi * x) ** 2 if abs(x) < 3 else 0.0


def nearest(x: float) -> float:
    return 1.0 if -0.5 <= x < 0.5 else 0.0


REFERENCE: dict[str, tuple[Callable[[float], float], int]] = {
    "nearest": (nearest, 1), "bicubic": (cubic, 2), "lanczos3": (lanczos, 3),
}  # fmt: skip


def slow_line(line: np.ndarray, size: int, kernel: str, position: Callable[[int], float],
              stretch: float) -> np.ndarray:  # fmt: skip
    weight, support = REFERENCE[kernel]
    result = np.zeros(size)
    for i in range(size):
        centre, total = position(i), 0.0
        reach = int(np.ceil(support * stretch)) + 1
        for k in range(int(np.floor(centre)) - reach, int(np.floor(centre)) + reach + 2):
            w = weight((centre - k) / stretch)
            total += w
            result[i] += w * line[min(max(k, 0), len(line) - 1)]
        result[i] /= total
    return result


def slow_plane(plane: np.ndarray, shape: tuple[int, int], kernel: str, scale: Fraction,
               left_sited: bool, depth: int) -> np.ndarray:  # fmt: skip
    s, stretch = float(scale), max(1.0, 1 / float(scale))

    def centred(i: int) -> float:
        return (i + 0.5) / s - 0.5

    def sited(i: int) -> float:
        """Chroma i of the result lies on its luma column 2i; find that place in the source."""
        luma = (2 * i + 0.5) / s - 0.5
        return luma / 2

    across = sited if left_sited else centred
    rows = np.stack([slow_line(c, shape[0], kernel, centred, stretch) for c in plane.T], 1)
    both = np.stack([slow_line(r, shape[1], kernel, across, stretch) for r in rows])
    return np.clip(np.floor(both + 0.5), 0, 2**depth - 1)


@pytest.mark.parametrize("pix_fmt", PIXEL_FORMATS)
@pytest.mark.parametrize(
    ("kernel", "scale"),
    [
        ("nearest", Fraction(2)), ("nearest", Fraction(4)), ("nearest", Fraction(3)),
        ("bicubic", Fraction(2)), ("bicubic", Fraction(3)), ("lanczos3", Fraction(2)),
        ("lanczos3", Fraction(4)), ("bicubic", Fraction(1, 2)), ("bicubic", Fraction(1, 4)),
        ("lanczos3", Fraction(1, 2)),
    ],
)  # fmt: skip
def test_planes_are_within_one_code_of_the_reference(
    kernel: str, scale: Fraction, pix_fmt: str
) -> None:
    fmt = small_format(pix_fmt, width=16, height=24, frames=1)
    large = small_format(pix_fmt, width=int(16 * scale), height=int(24 * scale), frames=1)
    frame = noise(fmt)[0]
    made = resample_picture(to_tensors([frame], CPU), fmt.chroma, kernel, scale, large.plane_shapes)
    for index, (plane, ours) in enumerate(zip(frame, to_frames(made, large)[0], strict=True)):
        sited = index > 0 and fmt.chroma != "444"
        wanted = slow_plane(
            plane.astype(float), large.plane_shapes[index], kernel, scale, sited, fmt.bit_depth
        )
        difference = np.abs(ours.astype(float) - wanted)
        assert difference.max() <= 1 and difference.mean() < 0.01


def test_bicubic_agrees_with_pillow_inside_the_picture() -> None:
    """Pillow's bicubic is antialiased with a = -0.5; only its edges differ."""
    plane = np.random.default_rng(3).random((96, 64), np.float32) * 255
    wanted = np.asarray(Image.fromarray(plane).resize((16, 24), Image.Resampling.BICUBIC))
    shrunk = resample_axis(torch.from_numpy(plane)[None], 1, "bicubic", Fraction(1, 4), 24,
                           Fraction(0))  # fmt: skip
    shrunk = resample_axis(shrunk, 2, "bicubic", Fraction(1, 4), 16, Fraction(0))
    assert np.abs(shrunk[0].numpy() - wanted)[3:-3, 3:-3].max() < 1e-3


@pytest.mark.parametrize("kernel", REFERENCE)
def test_a_flat_picture_stays_flat(kernel: str) -> None:
    plane = torch.full((1, 9, 9), 235.0)
    made = resample_axis(plane, 1, kernel, Fraction(4), 36, Fraction(3, 16))
    assert torch.allclose(made, torch.tensor(235.0), atol=1e-3)


def test_chroma_stays_on_its_luma_column() -> None:
    """A ramp drawn in luma and in left-sited chroma is the same ramp after scaling."""
    columns = np.arange(64, dtype=np.float32)
    luma = torch.from_numpy(np.tile(2 * columns + 40, (4, 1)))[None]
    chroma = luma[:, ::2, ::2]
    y, u, _ = resample_picture(
        (luma, chroma, chroma), "420", "bicubic", Fraction(2), ((8, 128), (4, 64), (4, 64))
    )
    inside = slice(8, -8)
    assert torch.allclose(u[0, 0, inside], y[0, 0, ::2][inside], atol=1e-3)
