"""A rendition is the clip, sample by sample, and its manifest is the truth about its bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import av
import pytest

from tests.upscalers.core.clips import decoded_by_pyav, noise, small_format, write
from upscalers.core.errors import Cancelled, ClipError
from upscalers.core.rendition import encode_h264, make_rendition
from upscalers.core.video import probe


@pytest.mark.parametrize(
    ("pix_fmt", "range_"), [("yuv420p", "tv"), ("yuv420p", "pc"), ("yuv420p10le", "tv")]
)
def test_each_frame_decodes_to_the_clip(tmp_path: Path, pix_fmt: str, range_: str) -> None:
    fmt = small_format(pix_fmt, frames=60, range=range_)
    frames = noise(fmt)
    digest = write(tmp_path / "a.mkv", fmt, frames)
    manifest = make_rendition(tmp_path / "a.mkv", fmt, tmp_path / "a.h264")
    wanted = [hashlib.sha256(b"".join(p.tobytes() for p in f)).hexdigest() for f in frames]
    assert list(manifest.frame_sha256) == wanted and manifest.frames_sha256 == digest
    assert (manifest.matrix, manifest.range) == ("bt709", range_)
    assert manifest.depth == fmt.bit_depth


def test_the_packets_are_the_file_and_decode_one_by_one(tmp_path: Path) -> None:
    """Fed to a decoder by the manifest, as a browser does it."""
    fmt = small_format(frames=60)
    write(tmp_path / "a.mkv", fmt, noise(fmt))
    manifest = make_rendition(tmp_path / "a.mkv", fmt, tmp_path / "a.h264").as_json()
    data = (tmp_path / "a.h264").read_bytes()
    assert manifest["codec"] == "avc1.f4" + data[data.index(b"\x00\x00\x01\x67") + 5 :][:2].hex()
    assert manifest["keys"][0] and manifest["keys"].count(True) == 2
    assert sum(size for _, size in manifest["packets"]) == len(data)
    decoder = av.CodecContext.create("h264", "r")
    shown = 0
    for offset, size in manifest["packets"]:
        decoded = decoder.decode(av.Packet(data[offset : offset + size]))
        shown += len(decoded)
    assert shown + len(decoder.decode(None)) == 60 == manifest["frames"]
    assert manifest["rate"] == [25, 1]


def test_the_stream_has_neither_cabac_nor_b_frames(tmp_path: Path) -> None:
    fmt = small_format(frames=12)
    write(tmp_path / "a.mkv", fmt, noise(fmt))
    make_rendition(tmp_path / "a.mkv", fmt, tmp_path / "a.h264")
    data = (tmp_path / "a.h264").read_bytes()
    assert b"cabac=0" in data and b"bframes=0" in data  # x264 writes its settings down


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"pix_fmt": "yuv444p"}, "this clip is yuv444p"),
        ({"matrix": "bt2020nc"}, "those of bt2020nc"),
        ({"transfer": "smpte2084"}, "this clip is smpte2084"),
    ],
)
def test_what_the_player_cannot_show_is_refused(
    tmp_path: Path, more: dict[str, str], words: str
) -> None:
    fmt = small_format(**more)
    write(tmp_path / "a.mkv", fmt, noise(fmt))
    with pytest.raises(ClipError, match=words):
        make_rendition(tmp_path / "a.mkv", fmt, tmp_path / "a.h264")


def test_a_cancelled_rendition_leaves_nothing(tmp_path: Path) -> None:
    fmt = small_format(frames=20)
    write(tmp_path / "a.mkv", fmt, noise(fmt))
    with pytest.raises(Cancelled):
        make_rendition(tmp_path / "a.mkv", fmt, tmp_path / "a.h264", should_stop=lambda: True)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]


@pytest.mark.parametrize("pix_fmt", ["yuv420p10le", "yuv422p", "yuv444p10le"])
def test_lossless_mp4_keeps_every_sample_format(tmp_path: Path, pix_fmt: str) -> None:
    fmt = small_format(pix_fmt)
    frames = noise(fmt)
    write(tmp_path / "a.mkv", fmt, frames)
    encode_h264(tmp_path / "a.mkv", fmt, tmp_path / "a.mp4", "mp4")
    assert probe(tmp_path / "a.mp4") == fmt
    for ours, theirs in zip(frames, decoded_by_pyav(tmp_path / "a.mp4"), strict=True):
        assert all((a == b).all() for a, b in zip(ours, theirs, strict=True))
