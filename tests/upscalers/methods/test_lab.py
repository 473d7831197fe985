"""Methods that a lab adds: there for every process, whole or not at all, checked when they run."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import IO, Any

import pytest
import torch
from django.core.management import CommandError, call_command

from tests.upscalers.core.clips import noise, small_format, write
from tests.upscalers.core.networks import drawn, espcn, saved, srresnet
from tests.upscalers.methods.packaged import CPU, chelsea
from upscalers.core import checkpoints
from upscalers.core.basicvsr import BasicVSR
from upscalers.core.engine import upscale
from upscalers.core.errors import MethodError
from upscalers.core.sequence import SequenceUpscaler
from upscalers.core.upscaling import NetworkUpscaler
from upscalers.methods import all_methods, get_method, lab

ROOT = Path(__file__).resolve().parents[3]
SAYS = {"name": "Our net", "licence": "CC-BY-4.0", "citation": "Lab, 2026"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIDGREY_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data" / "media" / "methods"


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks files in this process, which saves the seconds in which another loads torch."""

    def ask(path: Path, out: IO[bytes]) -> dict[str, Any]:
        try:
            found, data = checkpoints.inspect(path)
        except MethodError as error:
            return {"error": str(error)}
        out.write(data)
        return dict(vars(found))

    monkeypatch.setattr(checkpoints, "_ask", ask)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return saved(tmp_path / "net.pth", srresnet().state_dict())


def names(folder: Path) -> set[str]:
    return {path.suffix for path in folder.iterdir()} if folder.exists() else set()


def test_an_added_network_upscales_a_clip(weights: Path, tmp_path: Path) -> None:
    method = lab.add(weights, slug="our-net", **SAYS)
    assert get_method("our-net") == method
    assert (method.family, method.scales, method.halo) == ("network", (2,), 16)
    assert method.weights_sha256 == checkpoints.sha256_of(weights)
    fmt = small_format()
    write(tmp_path / "in.mkv", fmt, noise(fmt))
    done = upscale(tmp_path / "in.mkv", fmt, tmp_path / "out.mkv", method, 2, "cpu")
    assert (done.format.width, done.format.frames) == (fmt.width * 2, fmt.frames)
    upscaler = method.build(CPU)
    assert isinstance(upscaler, NetworkUpscaler)
    with torch.inference_mode():
        assert torch.allclose(upscaler.run(chelsea(20, 24)), srresnet()(chelsea(20, 24)), atol=1e-6)


@pytest.mark.usefixtures("at_once")
def test_a_video_network_becomes_a_method_that_sees_the_whole_clip(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pth", drawn(BasicVSR(8, 1)).state_dict())
    method = lab.add(path, slug="our-vsr", **SAYS)
    assert method.family == "video" and method.temporal and method.scales == (4,)
    assert isinstance(method.build(CPU), SequenceUpscaler)


@pytest.mark.usefixtures("at_once")
def test_what_another_process_adds_or_removes_is_noticed(weights: Path, folder: Path) -> None:
    assert "our-net" not in all_methods()
    code = f"from upscalers.methods import lab\nlab.add_external(slug='our-net', **{SAYS!r})"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    assert "our-net" in all_methods()
    lab.remove("our-net")
    assert "our-net" not in all_methods()
    lab.add(weights, slug="our-net", **SAYS)
    assert get_method("our-net").runs_here
    subprocess.run(
        [sys.executable, "-c", "from upscalers.methods import lab; lab.remove('our-net')"],
        cwd=ROOT, check=True,
    )  # fmt: skip
    assert "our-net" not in all_methods() and not list(folder.iterdir())


def test_external_methods_run_nowhere_and_say_so() -> None:
    method = lab.add_external(slug="elsewhere", **SAYS)
    assert method.family == "external" and list(all_methods())[-1] == "elsewhere"
    with pytest.raises(MethodError, match="does not run here"):
        method.own_scale(2)  # type: ignore[arg-type]
    with pytest.raises(MethodError, match="upload clips made elsewhere"):
        method.build(CPU)


@pytest.mark.parametrize("damage", ["flipped", "cut", "missing"])
@pytest.mark.usefixtures("at_once")
def test_weights_damaged_on_disk_are_not_run(weights: Path, folder: Path, damage: str) -> None:
    method = lab.add(weights, slug="our-net", **SAYS)
    (kept,) = folder.glob("*.safetensors")
    data = bytearray(kept.read_bytes())
    data[-5] ^= 1
    kept.unlink()
    if damage != "missing":
        kept.write_bytes(data if damage == "flipped" else data[:-100])
    with pytest.raises(MethodError, match=r"Our net are (damaged|missing): remove the method our-"):
        method.build(CPU)


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        ({"slug": "Our Net"}, "cannot be a method's short name"),
        ({"slug": "../../etc"}, "cannot be a method's short name"),
        ({"slug": "a" * 41}, "cannot be a method's short name"),
        ({"slug": ""}, "cannot be a method's short name"),
        ({"slug": "lanczos3"}, "there is a method lanczos3 already"),
        ({"licence": "  "}, "say the licence of the method"),
        ({"citation": ""}, "say the citation of the method"),
        ({"name": "n" * 1001}, "goes on for 1001 characters"),
    ],
)
def test_a_method_must_be_named_and_described(
    weights: Path, folder: Path, says: dict[str, str], reason: str
) -> None:
    with pytest.raises(MethodError, match=reason):
        lab.add(weights, **{"slug": "our-net", **SAYS, **says})
    assert not names(folder)


@pytest.mark.usefixtures("at_once")
def test_a_name_is_given_once_even_if_two_add_at_the_same_time(
    weights: Path, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = lab.add(weights, slug="our-net", **SAYS)
    other = saved(tmp_path / "other.pth", espcn().state_dict())
    with pytest.raises(MethodError, match="there is a method our-net already"):
        lab.add(other, slug="our-net", **SAYS)
    monkeypatch.setattr(lab, "_check_slug", lambda slug: None)  # as if it had not been there yet
    with pytest.raises(MethodError, match="was added meanwhile"):
        lab.add(other, slug="our-net", **SAYS)
    assert get_method("our-net") == first and len(list(folder.iterdir())) == 2
    first.build(CPU)


@pytest.mark.usefixtures("at_once")
def test_weights_stay_as_long_as_a_method_uses_them(weights: Path, folder: Path) -> None:
    lab.add(weights, slug="one", **SAYS)
    lab.add(weights, slug="two", **SAYS)
    lab.remove("one")
    get_method("two").build(CPU)
    lab.remove("two")
    assert not list(folder.iterdir())


@pytest.mark.usefixtures("at_once")
def test_a_refused_file_leaves_nothing_behind(tmp_path: Path, folder: Path) -> None:
    broken = saved(tmp_path / "net.pth", {"a": torch.zeros(3)})
    with pytest.raises(MethodError, match=r"net\.pth holds a network that is not known here"):
        lab.add(broken, slug="our-net", **SAYS)
    assert not names(folder) and "our-net" not in all_methods()


@pytest.mark.parametrize("call", ["link", "fsync", "replace"])
@pytest.mark.usefixtures("at_once")
def test_a_full_disk_leaves_nothing_behind(
    weights: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(MethodError, match=r"could not be written .*No space left.*: free space"):
        lab.add(weights, slug="our-net", **SAYS)
    assert not names(folder)


def test_what_a_killed_process_left_is_cleared_away_after_a_day(folder: Path) -> None:
    folder.mkdir(parents=True)
    old, new = folder / ".adding-old", folder / ".adding-new"
    for path in (old, new):
        path.write_bytes(b"half a network")
    os.utime(old, (1, 1))
    lab.add_external(slug="elsewhere", **SAYS)
    assert not old.exists() and new.exists() and "elsewhere" in all_methods()


def test_a_descriptor_that_cannot_be_read_hides_no_other(folder: Path) -> None:
    lab.add_external(slug="elsewhere", **SAYS)
    (folder / "broken.json").write_text('{"slug": "bro')
    (folder / "list.json").write_text("[]")
    assert "elsewhere" in all_methods() and "broken" not in all_methods()


def test_only_added_methods_can_be_removed() -> None:
    with pytest.raises(MethodError, match="comes with Midgrey"):
        lab.remove("lanczos3")
    for slug in ("never-added", "../our-net", "x/../y"):
        with pytest.raises(MethodError, match=r"no method .* was added here"):
            lab.remove(slug)


def test_the_command_adds_and_lists_and_refuses(weights: Path, tmp_path: Path) -> None:
    said = ["--slug", "our-net", "--name", "Our net", "--licence", "own", "--citation", "us"]
    out = StringIO()
    call_command("add_method", str(weights), *said, "--json", stdout=out)
    added = json.loads(out.getvalue())
    assert (added["architecture"], added["scale"], added["slug"]) == ("SRResNet", 2, "our-net")
    listed = StringIO()
    call_command("methods", stdout=listed)
    (line,) = [row for row in listed.getvalue().splitlines() if row.startswith("our-net ")]
    assert line.split() == ["our-net", "network", "x2", f"{added['parameters']:,}", "Our", "net", "own"]  # fmt: skip # noqa: E501
    with pytest.raises(CommandError, match="there is a method our-net already"):
        call_command("add_method", str(weights), *said)
    said[1] = "elsewhere"
    call_command("add_method", *said, stdout=out)
    assert not get_method("elsewhere").runs_here
