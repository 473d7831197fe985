"""manage.py upscale and manage.py methods, as a person runs them: without a database."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.upscalers.core.clips import decoded_by_pyav, draw, sha256_of
from upscalers.core.video import frames_sha256, probe
from upscalers.management.commands import upscale
from upscalers.methods import all_methods, built_in

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return draw(tmp_path / "in [1].mp4", "-c:v", "libx264", "-pix_fmt", "yuv420p")


@pytest.mark.parametrize("name", ["out.mkv", "out.mp4", "out.h264"])
def test_a_file_is_upscaled_losslessly_into_each_container(
    clip: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = clip.with_name(name)
    call_command("upscale", clip, out, method="lanczos3", scale=2, json=True)
    said = capsys.readouterr()
    result = json.loads(said.out)
    assert (result["width"], result["height"], result["frames"]) == (128, 96, 8)
    assert "8/8 frames" in said.err
    if name != "out.h264":
        assert probe(out).rate == 25
        assert frames_sha256(out, probe(out)) == result["frames_sha256"]
    assert sha256_of(decoded_by_pyav(out)) == result["frames_sha256"]
    assert {path.name for path in clip.parent.iterdir()} == {clip.name, name}


def test_a_network_uses_its_own_scale(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("upscale", clip, clip.with_name("out.mkv"), method="span-x4")
    assert "256x192, 8 frames" in capsys.readouterr().out


def test_an_existing_file_is_replaced_only_by_force(clip: Path) -> None:
    out = clip.with_name("out.mkv")
    out.write_text("precious")
    with pytest.raises(CommandError, match="already there; add --force"):
        call_command("upscale", clip, out, method="nearest")
    assert out.read_text() == "precious"
    call_command("upscale", clip, out, method="nearest", force=True)
    assert probe(out).width == 128


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("out.mkv", {"method": "magic"}, "there is no method 'magic'; there are nearest, bilinear"),
        ("out.avi", {"method": "nearest"}, r"must end in \.mkv, \.mp4, \.h264"),
        ("nowhere/out.mkv", {"method": "nearest"}, "nowhere does not exist"),
    ],
)
def test_a_wrong_wish_says_what_is_right(
    clip: Path, name: str, options: dict[str, object], words: str
) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("upscale", clip, clip.parent / name, **options)


def test_the_input_is_never_overwritten(clip: Path) -> None:
    before = clip.read_bytes()
    with pytest.raises(CommandError, match="it is the input"):
        call_command("upscale", clip, clip, method="nearest", force=True)
    assert clip.read_bytes() == before


def run(*arguments: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}
    return subprocess.Popen(
        [sys.executable, "manage.py", *map(str, arguments)], cwd=ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_an_error_is_one_line_and_exit_status_1_without_any_database(tmp_path: Path) -> None:
    process = run("upscale", tmp_path / "none.mp4", tmp_path / "o.mkv", "--method", "nearest")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1 and out == ""
    assert err.strip() == f"CommandError: {tmp_path / 'none.mp4'} does not exist"


def test_a_signal_ends_the_work_and_leaves_nothing(tmp_path: Path) -> None:
    clip = draw(tmp_path / "in.mkv", "-pix_fmt", "yuv420p", size="160x90", frames=2000)
    process = run("upscale", clip, tmp_path / "o.mkv", "--method", "span-x4", "--device", "cpu")
    assert process.stderr is not None
    assert "frames" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "stopped after" in err
    assert [path.name for path in tmp_path.iterdir()] == ["in.mkv"]


def test_methods_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("methods")
    text = capsys.readouterr().out
    call_command("methods", json=True)
    rows = json.loads(capsys.readouterr().out)
    assert [row["slug"] for row in rows] == list(all_methods())
    assert all(slug in text for slug in all_methods())


@pytest.mark.slow
@pytest.mark.parametrize("slug", built_in())
def test_every_method_upscales_a_file_on_a_processor(
    clip: Path, slug: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = clip.with_name("out.mkv")
    call_command("upscale", clip, out, method=slug, device="cpu", json=True)
    result = json.loads(capsys.readouterr().out)
    scale = (all_methods()[slug].scales or (2,))[0]
    assert (probe(out).width, probe(out).height) == (64 * scale, 48 * scale)
    assert result["frames_sha256"] == frames_sha256(out, probe(out))
    assert result["parameters"] == all_methods()[slug].parameters
    assert result["fps"] > 0 and result["peak_memory_bytes"] > 0


def test_a_size_is_reached_by_a_network_and_a_resampler(
    clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = clip.with_name("out.mkv")
    call_command("upscale", str(clip), str(out), "--method=span-x2", "--size=96x72", "--json")
    result = json.loads(capsys.readouterr().out)
    assert (probe(out).width, probe(out).height) == (96, 72)
    assert (result["scale"], result["resampler"]) == ("3/2", "lanczos3 3/4")


def test_a_rounded_scale_is_the_fraction_that_was_meant(
    clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = clip.with_name("out.mkv")
    call_command("upscale", str(clip), str(out), "--method=bicubic", "--scale=1.3333", "--json")
    assert json.loads(capsys.readouterr().out)["scale"] == "4/3"
    assert (probe(out).width, probe(out).height) == (85, 64)


def test_a_method_that_waits_for_the_whole_clip_shows_no_rate_before_its_first_frame(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show = upscale._Bar()
    show(0, 10)
    show(10, 10)
    first, last = capsys.readouterr().err.strip().splitlines()
    assert first.endswith("] 0/10 frames") and "10/10 frames" in last and "per second" in last


@pytest.mark.parametrize(
    ("option", "words"),
    [("--scale=3/0", "write 2, 1.5 or 3/2"), ("--scale=much", "write 2, 1.5 or 3/2"),
     ("--size=large", "write WIDTHxHEIGHT"), ("--size=96x96", "not 96x96"),
     ("--scale=1/2", "makes pictures larger"), ("--scale=100", "16 is the largest")],
)  # fmt: skip
def test_a_scale_or_size_that_makes_no_sense_is_refused(
    clip: Path, option: str, words: str
) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("upscale", str(clip), str(clip.with_name("o.mkv")), "--method=nearest", option)
    assert [path.name for path in clip.parent.iterdir()] == [clip.name]
