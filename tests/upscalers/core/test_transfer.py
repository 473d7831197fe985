"""Frames on their way to the device and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.upscalers.core.clips import noise, sha256_of, small_format, write
from upscalers.core import engine
from upscalers.core.transfer import transfer_for
from upscalers.core.video import read_frames
from upscalers.methods import get_method

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU can be used here")
DEVICES = ["cpu", pytest.param("cuda", marks=CUDA)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p10le"])
def test_frames_come_back_as_they_went(device: str, pix_fmt: str) -> None:
    fmt = small_format(pix_fmt)
    frames = noise(fmt)
    transfer = transfer_for(torch.device(device))
    codes = transfer.taken(transfer.up(frames))
    assert all(plane.device.type == device for plane in codes)
    assert sha256_of(transfer.down(codes, fmt)()) == sha256_of(frames)


@pytest.mark.parametrize("device", DEVICES)
def test_marks_tell_time(device: str) -> None:
    transfer = transfer_for(torch.device(device))
    began, ended = transfer.mark(), transfer.mark()
    if device == "cuda":
        torch.cuda.synchronize()
    assert transfer.seconds(began, ended) >= 0


@CUDA
@pytest.mark.parametrize("slug", ["lanczos3", "span-x2", "realesr-animevideov3-x2"])
def test_a_gpu_makes_the_picture_that_a_cpu_makes(tmp_path: Path, slug: str) -> None:
    fmt = small_format(width=96, height=64, frames=9)  # no multiple of a batch
    write(tmp_path / "in.mkv", fmt, noise(fmt))
    made = []
    for device in ("cpu", "cuda"):
        out = tmp_path / f"{device}.mkv"
        engine.upscale(tmp_path / "in.mkv", fmt, out, get_method(slug), 2, device)
        made.append([planes[0].astype(int) for planes in read_frames(out, fmt.scaled(2))])
    differences = np.abs(np.array(made[0]) - np.array(made[1]))
    assert differences.max() <= 2 and (differences > 0).mean() < 0.1  # half precision
