"""Clips come in and go out without a single sample changing."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from tests.upscalers.core.clips import (
    decoded_by_pyav,
    draw,
    ffmpeg,
    hlg_clip,
    noise,
    real_clip,
    sha256_of,
    small_format,
    write,
)
from upscalers.core import video
from upscalers.core.clip import PIXEL_FORMATS, ClipFormat, Cut, RawParameters
from upscalers.core.errors import Cancelled, ClipError
from upscalers.core.join import MadePart, join
from upscalers.core.process import input_file
from upscalers.core.video import (
    ClipWriter,
    frames_sha256,
    make_master,
    make_thumbnail,
    probe,
    read_frames,
)


@pytest.mark.parametrize("range_", ["tv", "pc"])
@pytest.mark.parametrize("pix_fmt", PIXEL_FORMATS)
def test_written_samples_are_read_back(tmp_path: Path, pix_fmt: str, range_: str) -> None:
    fmt = small_format(pix_fmt, range=range_)
    frames = noise(fmt)
    digest = write(tmp_path / "a.mkv", fmt, frames)
    assert digest == sha256_of(frames) == frames_sha256(tmp_path / "a.mkv", fmt)
    assert sha256_of(decoded_by_pyav(tmp_path / "a.mkv")) == digest
    assert probe(tmp_path / "a.mkv") == fmt


def test_odd_sizes_have_chroma_for_the_last_column() -> None:
    fmt = small_format(width=5, height=3)
    assert fmt.plane_shapes == ((3, 5), (2, 3), (2, 3)) and fmt.frame_bytes == 27


@pytest.mark.parametrize("rate", ["24000/1001", "30000/1001", "50"])
@pytest.mark.parametrize("matrix", ["bt709", "smpte170m", "bt470bg", "bt2020nc"])
def test_tags_and_rate_survive(tmp_path: Path, matrix: str, rate: str) -> None:
    fmt = small_format(matrix=matrix, primaries="bt2020", transfer="smpte2084", rate=Fraction(rate))
    write(tmp_path / "a.mkv", fmt, noise(fmt))
    assert probe(tmp_path / "a.mkv") == fmt


def test_a_window_in_time_and_space_is_cut_exactly(tmp_path: Path) -> None:
    clip = real_clip("bikes.mp4")
    fmt, digest = make_master(clip, tmp_path / "a.mkv", Cut(7, 5, (100, 60, 20, 10)))
    wanted = [
        (y[10:70, 20:120], u[5:35, 10:60], v[5:35, 10:60])
        for y, u, v in decoded_by_pyav(clip)[7:12]
    ]
    assert digest == sha256_of(wanted)
    assert (fmt.width, fmt.height, fmt.frames) == (100, 60, 5)


def test_a_10_bit_hdr_clip_becomes_the_same_master(tmp_path: Path) -> None:
    fmt, digest = make_master(hlg_clip(), tmp_path / "a.mkv")
    assert digest == sha256_of(decoded_by_pyav(hlg_clip()))
    assert probe(tmp_path / "a.mkv") == fmt


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le", "yuv444p"])
def test_a_full_range_h264_file_is_not_converted(tmp_path: Path, pix_fmt: str) -> None:
    clip = draw(
        tmp_path / "a.mp4", "-vf", f"format={pix_fmt},setparams=range=pc", "-c:v", "libx264",
        "-qp", 0,
    )  # fmt: skip
    fmt, digest = make_master(clip, tmp_path / "a.mkv")
    assert fmt.range == "pc" and digest == sha256_of(decoded_by_pyav(clip))


def test_b_frames_and_late_starts_do_not_shift_frames(tmp_path: Path) -> None:
    clip = draw(tmp_path / "a.mp4", "-c:v", "libx264", "-bf", 3, frames=30)
    frames = decoded_by_pyav(clip)
    cut = list(read_frames(clip, probe(clip), start=11, count=4))
    assert sha256_of(cut) == sha256_of(frames[11:15])


NOISY = ("-vf", "noise=alls=40:allf=t")  # so that no two frames are the same


@pytest.fixture
def seeks(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each reading, whether it began further on than at the first frame."""
    made: list[bool] = []

    def watched(path: Path, **options: object) -> object:
        made.append("ss" in options)
        return input_file(path, **options)

    monkeypatch.setattr(video, "input_file", watched)
    return made


def refuse_wrong_frames(path: Path, fmt: ClipFormat, starts: Iterable[int]) -> None:
    """Each reading of two frames must bring the two that decoding from the start brings."""
    wanted = [sha256_of([planes]) for planes in decoded_by_pyav(path)]
    assert len(wanted) == len(set(wanted)) == fmt.frames
    for start in starts:
        read = [sha256_of([planes]) for planes in read_frames(path, fmt, start, 2)]
        assert read == wanted[start : start + 2], start


@pytest.mark.parametrize(
    "rate", ["24000/1001", "25", "30000/1001", "50", "60000/1001", "60", "120", "144"]
)
def test_every_frame_of_a_master_is_found_without_decoding_those_before(
    tmp_path: Path, seeks: list[bool], rate: str
) -> None:
    fmt = small_format(width=16, height=16, rate=Fraction(rate), frames=30)
    write(tmp_path / "a.mkv", fmt, noise(fmt))
    refuse_wrong_frames(tmp_path / "a.mkv", fmt, range(29))
    assert seeks == [False] + 28 * [True]


@pytest.mark.parametrize("rate", ["24000/1001", "60000/1001"])
def test_frames_are_found_late_in_a_clip_of_minutes(
    tmp_path: Path, seeks: list[bool], rate: str
) -> None:
    """Rounded times must not drift away from the frames' numbers."""
    fmt = small_format(width=16, height=16, rate=Fraction(rate), frames=7200)
    write(tmp_path / "a.mkv", fmt, noise(fmt))
    refuse_wrong_frames(tmp_path / "a.mkv", fmt, range(47, 7198, 550))
    assert all(seeks)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le"])
def test_full_range_masters_and_joined_ones_are_sought_in(
    tmp_path: Path, seeks: list[bool], pix_fmt: str
) -> None:
    fmt = small_format(pix_fmt, range="pc", frames=4, rate=Fraction(30000, 1001))
    parts = []
    for number in range(3):
        path = tmp_path / f"{number}.mkv"
        parts.append(MadePart(path, 4, write(path, fmt, noise(fmt, number))))
    whole = replace(fmt, frames=12)
    join(parts, whole, tmp_path / "a.mkv")
    seeks.clear()
    refuse_wrong_frames(tmp_path / "a.mkv", whole, range(1, 11))
    assert all(seeks)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", ["-c:v", "libx264", "-qp", 0, "-bf", 3, "-g", 7]),
        ("a.avi", ["-c:v", "ffv1"]),
        ("late.mkv", ["-c:v", "ffv1", "-output_ts_offset", "0.04"]),
        ("h264.mkv", ["-c:v", "libx264", "-qp", 0, "-bf", 3, "-g", 7]),
    ],
)
def test_files_that_are_no_masters_are_read_from_their_beginning(
    tmp_path: Path, seeks: list[bool], name: str, options: list[object]
) -> None:
    clip = draw(tmp_path / name, *NOISY, *options, "-pix_fmt", "yuv420p", frames=20)
    refuse_wrong_frames(clip, probe(clip), range(19))
    assert not any(seeks)


def test_a_master_beside_sound_is_read_from_its_beginning(
    tmp_path: Path, seeks: list[bool]
) -> None:
    """Its times count from whichever of the two begins first."""
    draw(tmp_path / "a.mkv", *NOISY, "-c:v", "ffv1", "-pix_fmt", "yuv420p", frames=20)
    ffmpeg("-i", tmp_path / "a.mkv", "-f", "lavfi", "-i", "sine=d=1", "-c:v", "copy",
           tmp_path / "b.mkv")  # fmt: skip
    refuse_wrong_frames(tmp_path / "b.mkv", probe(tmp_path / "b.mkv"), range(19))
    assert not any(seeks)


@pytest.mark.parametrize("range_", ["tv", "pc"])
def test_the_same_frames_make_the_same_file(tmp_path: Path, range_: str) -> None:
    fmt = small_format(range=range_)
    for name in ("a.mkv", "b.mkv"):
        write(tmp_path / name, fmt, noise(fmt))
    assert (tmp_path / "a.mkv").read_bytes() == (tmp_path / "b.mkv").read_bytes()


def test_raw_yuv_is_taken_as_described(tmp_path: Path) -> None:
    fmt = small_format("yuv422p10le")
    frames = noise(fmt)
    (tmp_path / "a.yuv").write_bytes(b"".join(p.tobytes() for f in frames for p in f))
    raw = RawParameters(fmt.width, fmt.height, fmt.rate, fmt.pix_fmt)
    made, digest = make_master(tmp_path / "a.yuv", tmp_path / "a.mkv", raw=raw)
    assert made.frames == 3 and digest == sha256_of(frames)


def test_damage_inside_a_file_is_noticed_and_nothing_is_left(tmp_path: Path) -> None:
    whole = draw(tmp_path / "a.mp4", "-c:v", "libx264", "-g", 10, size="320x180", frames=60)
    data = bytearray(whole.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = bytes(2000)
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(data)
    with pytest.raises(ClipError, match=r"damaged\.mp4 is damaged"):
        make_master(damaged, tmp_path / "a.mkv")
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4", "damaged.mp4"}


def test_a_single_changed_byte_in_a_master_is_noticed(tmp_path: Path) -> None:
    fmt = small_format(frames=9)
    write(tmp_path / "a.mkv", fmt, noise(fmt))
    data = bytearray((tmp_path / "a.mkv").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "a.mkv").write_bytes(data)
    with pytest.raises(ClipError, match="is damaged"):
        frames_sha256(tmp_path / "a.mkv", fmt)


def test_a_cancelled_master_leaves_no_file_and_no_process(tmp_path: Path) -> None:
    clip = draw(tmp_path / "a.mkv", frames=50)
    done: list[int] = []
    with pytest.raises(Cancelled, match="stopped after 3 of 50"):
        make_master(
            clip, tmp_path / "out.mkv", on_progress=lambda n, _: done.append(n),
            should_stop=lambda: len(done) == 3,
        )  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]
    assert not [p for p in psutil.Process().children() if "ffmpeg" in p.name()]


def _read_and_vanish(path: str, started: multiprocessing.synchronize.Event) -> None:
    frames = read_frames(Path(path), probe(Path(path)))
    next(frames)
    started.set()
    os.kill(os.getpid(), 9)


def test_ffmpeg_ends_when_its_owner_is_killed(tmp_path: Path) -> None:
    clip = draw(tmp_path / "a.mkv", "-c:v", "ffv1", size="640x360", frames=100)
    context = multiprocessing.get_context("spawn")
    started = context.Event()
    process = context.Process(target=_read_and_vanish, args=(str(clip), started))
    process.start()
    process.join(60)
    assert started.is_set()
    orphans = [p for p in psutil.process_iter(["cmdline"]) if str(clip) in str(p.info["cmdline"])]
    _, alive = psutil.wait_procs(orphans, timeout=10)
    assert not alive


@pytest.mark.parametrize(
    ("cut", "words"),
    [
        (Cut(5, 10), "frames 5 to 14 were asked for, but the clip has frames 0 to 2"),
        (Cut(crop=(30, 20, 4, 0)), "does not fit in 32x24"),
        (Cut(crop=(31, 20, 0, 0)), "must be even in a 4:2:0 clip: crop to 30x20"),
        (Cut(crop=(8, 8, 1, 0)), "horizontal position 1 must be even"),
        (Cut(crop=(0, 8, 0, 0)), "is not a window"),
    ],
)
def test_an_impossible_cut_says_why(cut: Cut, words: str) -> None:
    with pytest.raises(ClipError, match=words):
        cut.of(small_format())


def test_a_clip_of_too_few_frames_is_not_kept(tmp_path: Path) -> None:
    fmt = small_format()
    with (
        pytest.raises(ClipError, match="2 of 3 frames were made"),
        ClipWriter(tmp_path / "a.mkv", fmt) as writer,
    ):
        for planes in noise(fmt)[:2]:
            writer.write(planes)
    assert not list(tmp_path.iterdir())


def test_the_thumbnail_shows_the_middle_frame_in_its_colours(tmp_path: Path) -> None:
    fmt = small_format(width=1280, height=720, frames=5)
    red = [np.full(s, v, np.uint8) for s, v in zip(fmt.plane_shapes, (63, 102, 240), strict=True)]
    grey = [np.full(s, v, np.uint8) for s, v in zip(fmt.plane_shapes, (126, 128, 128), strict=True)]
    frames = [tuple(red if n == 2 else grey) for n in range(5)]
    write(tmp_path / "a.mkv", fmt, frames)
    make_thumbnail(tmp_path / "a.mkv", fmt, tmp_path / "a.jpg")
    picture = Image.open(tmp_path / "a.jpg")
    assert picture.format == "JPEG" and picture.size == (640, 360)
    # BT.709 limited range 63, 102, 240 is pure red
    assert np.abs(np.asarray(picture.convert("RGB"))[180, 320] - [255.0, 0, 0]).max() <= 4


def save_pictures(folder: Path, make: Callable[[int], np.ndarray], numbers: range) -> None:
    folder.mkdir(exist_ok=True)
    for number in numbers:
        Image.fromarray(make(number)).save(folder / f"shot 100%_{number:04d}.png")


def flat(rgb: tuple[int, int, int]) -> np.ndarray:
    return np.full((18, 34, 3), rgb, np.uint8)


def test_a_folder_of_pictures_becomes_bt709_video(tmp_path: Path) -> None:
    colours = [(0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128)]
    save_pictures(tmp_path / "in", lambda n: flat(colours[n - 9]), range(9, 15))
    fmt, _ = make_master(tmp_path / "in", tmp_path / "a.mkv", rate=Fraction(50))
    assert (fmt.width, fmt.height, fmt.frames, fmt.rate) == (34, 18, 6, 50)
    assert (fmt.pix_fmt, fmt.matrix, fmt.range) == ("yuv420p", "bt709", "tv")
    # the codes of the colour bars in ITU-R BT.709, 8 bits
    wanted = [(16, 128, 128), (235, 128, 128), (63, 102, 240), (173, 42, 26), (32, 240, 118),
              (126, 128, 128)]  # fmt: skip
    for planes, codes in zip(read_frames(tmp_path / "a.mkv", fmt), wanted, strict=True):
        assert [np.unique(plane).tolist() for plane in planes] == [[code] for code in codes]


def test_a_pattern_of_pictures_is_cut_like_a_clip(tmp_path: Path) -> None:
    save_pictures(tmp_path / "in", lambda n: flat((n * 20, n * 20, n * 20)), range(10))
    fmt, _ = make_master(
        tmp_path / "in" / "shot 100%_%04d.png", tmp_path / "a.mkv", Cut(4, 2, (8, 4, 2, 2)),
        rate=Fraction(25),
    )  # fmt: skip
    lumas = [planes[0] for planes in read_frames(tmp_path / "a.mkv", fmt)]
    # 16 + 219 * 80 / 255 = 84.7 and 16 + 219 * 100 / 255 = 101.9
    assert [np.unique(luma).tolist() for luma in lumas] == [[85], [102]]


def test_picture_sequences_that_are_not_whole_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    save_pictures(folder, lambda n: flat((n, n, n)), range(5))
    with pytest.raises(ClipError, match="say its frame rate"):
        make_master(folder, tmp_path / "a.mkv")
    (folder / "shot 100%_0002.png").unlink()
    with pytest.raises(ClipError, match=r"picture 2 is missing before shot 100%_0003\.png"):
        make_master(folder, tmp_path / "a.mkv", rate=Fraction(25))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ClipError, match="no numbered PNG pictures"):
        make_master(tmp_path / "empty", tmp_path / "a.mkv", rate=Fraction(25))
    assert not (tmp_path / "a.mkv").exists()


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    random = np.random.default_rng(1)
    save_pictures(folder, lambda _: random.integers(0, 256, (64, 64, 3)).astype(np.uint8), range(3))
    victim = folder / "shot 100%_0001.png"
    victim.write_bytes(victim.read_bytes()[:200])
    with pytest.raises(ClipError, match=r"0001\.png could not be decoded"):
        make_master(folder, tmp_path / "a.mkv", rate=Fraction(25))


def test_16_bit_pictures_are_rounded_once(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    raw = tmp_path / "a.rgb"
    raw.write_bytes(np.full((2, 16, 32, 3), 32896, ">u2").tobytes())  # 128 * 257
    ffmpeg("-f", "rawvideo", "-pix_fmt", "rgb48be", "-s", "32x16", "-i", raw,
           folder / "p%d.png")  # fmt: skip
    fmt, _ = make_master(folder, tmp_path / "a.mkv", rate=Fraction(25))
    for luma, *_ in read_frames(tmp_path / "a.mkv", fmt):
        assert np.unique(luma).tolist() == [126]
