"""Which files are taken as clips, which are refused, and in what words."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import pytest

from tests.upscalers.core.clips import draw, ffmpeg, hlg_clip, real_clip
from upscalers.core.clip import RawParameters
from upscalers.core.errors import ClipError
from upscalers.core.video import probe


def test_a_real_clip_is_described(tmp_path: Path) -> None:
    fmt = probe(real_clip("bikes.mp4"))
    assert (fmt.width, fmt.height, fmt.rate, fmt.frames) == (640, 272, 25, 250)
    assert fmt.pix_fmt == "yuv420p" and fmt.duration == 10.0


def test_a_real_10_bit_hdr_clip_keeps_its_tags() -> None:
    fmt = probe(hlg_clip())
    assert (fmt.pix_fmt, fmt.bit_depth, fmt.frames) == ("yuv420p10le", 10, 5)
    assert (fmt.matrix, fmt.primaries, fmt.transfer) == ("bt2020nc", "bt2020", "arib-std-b67")


@pytest.mark.parametrize("rate", ["24000/1001", "25", "30000/1001", "50", "60000/1001"])
@pytest.mark.parametrize("container", ["mkv", "mp4", "avi"])
def test_the_rate_is_exact_in_every_container(tmp_path: Path, rate: str, container: str) -> None:
    clip = draw(tmp_path / f"a.{container}", "-c:v", "libx264", "-bf", 0, rate=rate, frames=30)
    assert probe(clip).rate == Fraction(rate)


@pytest.mark.parametrize(("size", "matrix"), [("64x48", "smpte170m"), ("64x720", "bt709")])
def test_untagged_video_is_taken_as_players_take_it(tmp_path: Path, size: str, matrix: str) -> None:
    fmt = probe(draw(tmp_path / "a.mkv", "-pix_fmt", "yuv420p", "-c:v", "ffv1", size=size))
    assert (fmt.matrix, fmt.primaries, fmt.transfer, fmt.range) == (matrix, matrix, matrix, "tv")


def test_a_name_that_looks_like_an_address_is_only_a_name(tmp_path: Path) -> None:
    odd = tmp_path / "concat:a|b, 50%d [x].mkv"
    shutil.copy(draw(tmp_path / "a.mkv"), odd)
    assert probe(odd).frames == 8


def refusal(path: Path) -> str:
    with pytest.raises(ClipError) as caught:
        probe(path)
    return str(caught.value)


def test_a_missing_an_empty_and_a_text_file_are_refused(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "nothing.mp4")
    empty = tmp_path / "empty.mp4"
    empty.touch()
    assert "empty.mp4 is empty" in refusal(empty)
    text = tmp_path / "text.mp4"
    text.write_text("not a video at all\n" * 500)
    assert "not a video file" in refusal(text)


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "sine=d=0.2", tmp_path / "sound.mp4")
    assert "has no video in it" in refusal(tmp_path / "sound.mp4")


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_a_cut_off_file_is_refused(tmp_path: Path, container: str) -> None:
    index_first = ["-movflags", "faststart"] if container == "mp4" else []
    whole = draw(tmp_path / f"a.{container}", "-c:v", "libx264", *index_first, frames=100)
    cut = tmp_path / f"cut.{container}"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert "cut off or damaged" in refusal(cut) or "is damaged" in refusal(cut)


def test_a_file_cut_off_before_its_index_is_refused(tmp_path: Path) -> None:
    whole = draw(tmp_path / "a.mp4", "-c:v", "libx264")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert "not a video file that can be read" in refusal(cut)


def test_a_variable_frame_rate_is_refused_with_the_odd_frame(tmp_path: Path) -> None:
    clip = draw(
        tmp_path / "a.mkv", "-vf", "select=not(eq(n\\,5))", "-fps_mode", "vfr", "-c:v", "libx264",
        frames=20,
    )  # fmt: skip
    assert "frame 5 is shown 80.0 ms after the one before it, usual are 40.0" in refusal(clip)


def test_rotation_is_refused(tmp_path: Path) -> None:
    draw(tmp_path / "a.mp4", "-c:v", "libx264")
    rotated = tmp_path / "rotated.mp4"
    ffmpeg("-display_rotation", 90, "-i", tmp_path / "a.mp4", "-c", "copy", rotated)
    assert "rotated by 90 degrees" in refusal(rotated)


def test_interlaced_video_is_refused(tmp_path: Path) -> None:
    clip = draw(
        tmp_path / "a.mp4", "-vf", "format=yuv420p,setfield=tff", "-flags", "+ilme+ildct",
        "-c:v", "libx264",
    )  # fmt: skip
    assert "is interlaced" in refusal(clip)


@pytest.mark.parametrize("pix_fmt", ["rgb24", "gray", "yuv420p12le", "yuva420p"])
def test_other_sample_formats_are_refused_by_name(tmp_path: Path, pix_fmt: str) -> None:
    clip = draw(tmp_path / "a.mkv", "-pix_fmt", pix_fmt, "-c:v", "ffv1")
    assert "has the pixel format" in refusal(clip)


@pytest.mark.parametrize(
    ("encoder", "pix_fmt", "siting"),
    [
        ("ffv1", "yuv420p", "topleft"),
        ("libx265", "yuv420p10le", "topleft"),
        ("libx264", "yuv420p", "center"),
        ("libx264", "yuv420p", "bottomleft"),
    ],
)
def test_chroma_that_lies_elsewhere_is_refused_with_how_to_move_it(
    tmp_path: Path, encoder: str, pix_fmt: str, siting: str
) -> None:
    marked = f"format={pix_fmt},setparams=chroma_location={siting}"
    clip = draw(tmp_path / "a.mkv", "-vf", marked, "-c:v", encoder)
    assert f"marked with chroma sited {siting}" in refusal(clip)
    assert f"zscale=chromalin={siting}:chromal=left -c:v ffv1" in refusal(clip)
    moved = f"zscale=chromalin={siting}:chromal=left"
    for way in (moved, "setparams=chroma_location=left"):
        ffmpeg("-i", clip, "-vf", way, "-c:v", "ffv1", tmp_path / "b.mkv")
        assert probe(tmp_path / "b.mkv").pix_fmt == pix_fmt


@pytest.mark.parametrize(
    ("name", "pix_fmt", "siting"),
    [
        ("a.mkv", "yuv420p", "left"),
        ("a.mkv", "yuv420p", "unspecified"),
        ("a.mkv", "yuv422p", "topleft"),  # the same, where rows are not halved
        ("a.mkv", "yuv444p", "center"),  # as full as luma
        ("a.y4m", "yuv420p", "unspecified"),  # which this format cannot say: it becomes "420jpeg"
    ],
)
def test_chroma_that_lies_left_or_nowhere_in_particular_is_taken(
    tmp_path: Path, name: str, pix_fmt: str, siting: str
) -> None:
    marked = f"format={pix_fmt},setparams=chroma_location={siting}"
    encoder = ["-c:v", "ffv1"] if name.endswith("mkv") else []
    assert probe(draw(tmp_path / name, "-vf", marked, *encoder)).pix_fmt == pix_fmt


def test_motion_jpeg_has_its_chroma_in_the_middle(tmp_path: Path) -> None:
    clip = draw(tmp_path / "a.avi", "-pix_fmt", "yuvj420p", "-c:v", "mjpeg")
    assert "chroma sited center" in refusal(clip)


def test_a_playlist_does_not_open_what_it_lists(tmp_path: Path) -> None:
    secret = draw(tmp_path / "secret.ts", "-c:v", "libx264")
    for name, text in (
        ("list.mp4", f"ffconcat version 1.0\nfile {secret}\n"),
        ("list.m3u8", f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n"),
    ):
        (tmp_path / name).write_text(text)
        assert "not a video file that can be read" in refusal(tmp_path / name)


def test_raw_video_needs_a_whole_number_of_frames(tmp_path: Path) -> None:
    raw = RawParameters(4, 2, Fraction(25), "yuv420p")
    path = tmp_path / "a.yuv"
    path.write_bytes(bytes(36))
    assert probe(path, raw).frames == 3
    path.write_bytes(bytes(37))
    with pytest.raises(ClipError, match=r"not a whole number of 4x2 yuv420p frames of 12 bytes"):
        probe(path, raw)
