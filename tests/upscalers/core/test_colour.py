"""YUV to RGB and back, against the equations of the recommendations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.upscalers.core.clips import small_format
from upscalers.core.clip import MATRICES, PIXEL_FORMATS, ClipFormat
from upscalers.core.colour import from_rgb, to_frames, to_rgb, to_tensors

CPU = torch.device("cpu")
# ITU-R BT.709, BT.601 and BT.2020, inverse matrices as printed: Cr to R, Cb and Cr to G, Cb to B
PRINTED = {
    "bt709": (1.5748, 0.1873, 0.4681, 1.8556),
    "smpte170m": (1.402, 0.344136, 0.714136, 1.772),
    "bt470bg": (1.402, 0.344136, 0.714136, 1.772),
    "bt2020nc": (1.4746, 0.164553, 0.571353, 1.8814),
}


def random_rgb(fmt: ClipFormat) -> torch.Tensor:
    shape = (1, 3, fmt.height, fmt.width)
    return torch.rand(shape, generator=torch.Generator().manual_seed(7))


def every_format() -> list[ClipFormat]:
    return [
        small_format("yuv444p" + suffix, matrix=matrix, range=range_, frames=1)
        for suffix in ("", "10le")
        for matrix in MATRICES
        for range_ in ("tv", "pc")
    ]


@pytest.mark.parametrize("fmt", every_format(), ids=str)
def test_the_matrix_is_the_printed_one(fmt: ClipFormat) -> None:
    codes = from_rgb(random_rgb(fmt), fmt)
    unit = 2 ** (fmt.bit_depth - 8)
    black, span, chroma = (16 * unit, 219 * unit, 224 * unit)
    if fmt.range == "pc":
        black, span, chroma = 0, 2**fmt.bit_depth - 1, 2**fmt.bit_depth - 1
    y = (codes[0].double() - black) / span
    cb, cr = ((c.double() - 128 * unit) / chroma for c in codes[1:])
    cr_r, cb_g, cr_g, cb_b = PRINTED[fmt.matrix]
    wanted = torch.stack((y + cr_r * cr, y - cb_g * cb - cr_g * cr, y + cb_b * cb), 1)
    assert (to_rgb(codes, fmt) - wanted).abs().max() < 1e-4  # the matrices are printed rounded
    assert (wanted - random_rgb(fmt)).abs().max() < 1e-4


@pytest.mark.parametrize("fmt", every_format(), ids=str)
def test_a_round_trip_is_within_one_code(fmt: ClipFormat) -> None:
    frame = to_frames(from_rgb(random_rgb(fmt), fmt), fmt)[0]
    again = to_frames(from_rgb(to_rgb(to_tensors([frame], CPU), fmt), fmt), fmt)[0]
    for before, after in zip(frame, again, strict=True):
        assert np.abs(before.astype(int) - after.astype(int)).max() <= 1


def test_pure_colours_have_the_codes_of_bt709() -> None:
    """ITU-R BT.709 at 8 bits: red 63, 102, 240; green 173, 42, 26; blue 32, 240, 118."""
    fmt = small_format("yuv444p", width=3, height=1, frames=1)
    frame = to_frames(from_rgb(torch.eye(3)[None, :, None, :], fmt), fmt)[0]
    assert [plane[0].tolist() for plane in frame] == [[63, 173, 32], [102, 42, 240], [240, 26, 118]]


@pytest.mark.parametrize("pix_fmt", PIXEL_FORMATS)
def test_grey_stays_grey_whatever_the_chroma(pix_fmt: str) -> None:
    fmt = small_format(pix_fmt, frames=1)
    grey = random_rgb(fmt)[:, :1].expand(-1, 3, -1, -1)
    _, u, v = from_rgb(grey, fmt)
    middle = 2.0 ** (fmt.bit_depth - 1)
    assert (u - middle).abs().max() < 1e-2 and (v - middle).abs().max() < 1e-2


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p"])
def test_chroma_keeps_its_column_on_the_way_through_rgb(pix_fmt: str) -> None:
    """A step moved by half a column would show as a step of many codes."""
    fmt = replace(small_format(pix_fmt, width=64, frames=1), height=16)
    columns = torch.arange(32, dtype=torch.float32) * 4 + 60
    chroma = columns.expand(*fmt.plane_shapes[1])[None]
    planes = (torch.full((1, 16, 64), 126.0), chroma, 256 - chroma)
    again = from_rgb(to_rgb(planes, fmt), fmt)
    assert (again[1] - chroma)[:, :, 3:-3].abs().max() < 0.05
    assert (again[0] - 126).abs().max() < 0.05


def test_every_colour_of_8_bits_comes_back_exactly() -> None:
    """All 16.7 million codes of 4:4:4, through RGB in float32 and back."""
    codes = torch.arange(256, dtype=torch.float32)
    for range_ in ("tv", "pc"):
        for matrix in MATRICES:
            fmt = small_format(
                "yuv444p", width=256, height=256, frames=1, matrix=matrix, range=range_
            )
            for luma in range(0, 256, 17 if matrix != "bt709" else 3):
                planes = (
                    torch.full((1, 256, 256), float(luma)),
                    codes.expand(1, 256, 256).contiguous(),
                    codes[:, None].expand(1, 256, 256).contiguous(),
                )
                again = from_rgb(to_rgb(planes, fmt), fmt)
                for before, after in zip(planes, again, strict=True):
                    assert (before - after).abs().max() < 0.01


@pytest.mark.parametrize("range_", ["tv", "pc"])
@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("pix_fmt", PIXEL_FORMATS)
@pytest.mark.parametrize("size", [(63, 47), (64, 48)])
def test_smooth_chroma_of_every_format_comes_back_within_one_code(
    pix_fmt: str, matrix: str, range_: str, size: tuple[int, int]
) -> None:
    """Subsampled chroma returns where it varies no faster than filters pass: slopes and waves
    of 16 chroma samples. Luma is any. The last chroma row of an odd height lies half outside of
    the picture, where nothing is known of it: there 10-bit codes may be off by two."""
    width, height = size
    fmt = small_format(pix_fmt, width=width, height=height, frames=1, matrix=matrix, range=range_)
    unit = 1 << (fmt.bit_depth - 8)
    planes = [random_rgb(fmt)[:, 0] * 219 * unit + 16 * unit]
    for phase in (0.0, 2.0):
        rows, columns = fmt.plane_shapes[1]
        y, x = torch.arange(rows)[:, None], torch.arange(columns)[None]
        wave = torch.cos(2 * torch.pi * (x + y) / 16 + phase) * 4 + 0.5 * x - 0.25 * y
        planes.append(((128 + wave) * unit)[None])
    frame = to_frames(tuple(planes), fmt)[0]
    again = to_frames(from_rgb(to_rgb(to_tensors([frame], CPU), fmt), fmt), fmt)[0]
    for before, after in zip(frame, again, strict=True):
        apart = np.abs(before.astype(int) - after.astype(int))
        assert apart[:-1].max() <= 1 and apart[-1].max() <= (2 if height % 2 else 1)
