"""Files of weights: the networks in them are recognised, hostile ones execute nothing."""

from __future__ import annotations

import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from tests.upscalers.core.networks import drawn, edsr, espcn, saved, srresnet
from upscalers.core.basicvsr import BasicVSR
from upscalers.core.checkpoints import Checked, check, inspect, read_state
from upscalers.core.errors import MethodError

ROOT = Path(__file__).resolve().parents[3]


def test_a_checkpoint_becomes_a_safetensors_file_and_a_description(tmp_path: Path) -> None:
    network = edsr(scale=4)
    path = saved(tmp_path / "edsr.pth", {"params": network.state_dict()})
    with (tmp_path / "out.safetensors").open("wb") as out:
        found = check(path, out)
    parameters = sum(tensor.numel() for tensor in network.parameters())
    # Convolutions at 1, 1, 4 and 16 times the samples; the mean colour multiplies nothing.
    work = 2 * 9 * (3 * 16 + 5 * 16 * 16 + 16 * 64 + 4 * 16 * 64 + 16 * 16 * 3)
    assert found == Checked("EDSR", 4, parameters, work, 8, half_ok=False, temporal=False)
    kept = load_file(tmp_path / "out.safetensors")
    assert all(torch.equal(kept[name], tensor) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"params": {}, "params_ema": state},
        lambda state: {"epoch": 3, "state_dict": {f"module.{n}": t for n, t in state.items()}},
        lambda state: {"model": {"generator": state}, "optimizer": {"lr": 0.1}},
        lambda state: {n: t.half() for n, t in state.items()},
    ],
)
def test_what_training_codes_wrap_around_weights_is_taken_off(tmp_path: Path, wrap: Any) -> None:
    state = srresnet().state_dict()
    read = read_state(saved(tmp_path / "net.pth", wrap(state)))
    assert list(read) == list(state)
    for name, tensor in read.items():
        assert tensor.dtype == torch.float32 and torch.allclose(tensor, state[name], atol=1e-4)


def test_safetensors_are_read_too(tmp_path: Path) -> None:
    save_file(espcn(3).state_dict(), tmp_path / "net.safetensors")
    assert inspect(tmp_path / "net.safetensors")[0].architecture == "ESPCN"


def test_video_networks_are_recognised(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pth", drawn(BasicVSR(8, 2)).state_dict())
    found, _ = inspect(path)
    assert (found.architecture, found.scale, found.temporal) == ("BasicVSR", 4, True)


class Evil:
    """Would run a command while it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


@pytest.mark.parametrize("archive", [True, False])
def test_a_hostile_pickle_is_refused_and_executes_nothing(tmp_path: Path, archive: bool) -> None:
    marker, path = tmp_path / "executed", tmp_path / "net.pth"
    state = {**espcn().state_dict(), "evil": Evil(f"touch {marker}")}
    torch.save(state, path, _use_new_zipfile_serialization=archive)
    says = r"holds more than numbers .* never run here"
    with (tmp_path / "out").open("wb") as out, pytest.raises(MethodError, match=says):
        check(path, out)
    assert not marker.exists() and (tmp_path / "out").stat().st_size == 0


def test_a_bare_hostile_pickle_is_refused_and_executes_nothing(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    (tmp_path / "net.ckpt").write_bytes(pickle.dumps(Evil(f"touch {marker}")))
    with pytest.raises(MethodError, match=r"holds more than numbers|is damaged"):
        read_state(tmp_path / "net.ckpt")
    assert not marker.exists()


@pytest.mark.parametrize(
    "action",
    [
        "os.system('touch {0}')",
        "subprocess.run(['touch', '{0}'])",
        "open('{0}', 'w')",
        "os.open('{0}', os.O_CREAT | os.O_WRONLY)",
        "socket.create_connection(('127.0.0.1', 9))",
        "os.fork()",
        "open(b'{0}', 'w')",
        "pathlib.Path('{0}').write_text('')",
        "open('{0}', 'r+')",
        "os.open('{1}', os.O_RDONLY | os.O_TRUNC)",
        "os.truncate('{1}', 0)",
        "os.remove('{1}')",
        "os.rmdir('{2}')",
        "os.utime('{1}')",
        "os.kill(os.getppid(), 0)",
        "socket.getaddrinfo('localhost', 80)",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'', ('127.0.0.1', 9))",
        "sqlite3.connect('{0}')",
        "ctypes.CDLL(None)",
    ],
)
def test_the_checking_process_cannot_act_even_if_weights_could(tmp_path: Path, action: str) -> None:
    (tmp_path / "full").write_text("kept")
    (tmp_path / "folder").mkdir()
    places = [tmp_path / name for name in ("executed", "full", "folder")]
    code = (
        "import ctypes, os, pathlib, socket, sqlite3, subprocess\n"
        "from upscalers.core.checkpoints import *\n"
        "forbid_side_effects()\n"
        f"try: {action.format(*places)}\n"
        "except PermissionError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("weights must not")
    assert {path.name for path in tmp_path.iterdir()} == {"full", "folder"}
    assert (tmp_path / "full").read_text() == "kept"


def test_the_checking_process_knows_no_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: dict[str, str] = {}

    def asked(command: list[str], **options: Any) -> Any:
        known.update(options["env"])
        return subprocess.CompletedProcess(command, 0, b'{"error": "is not looked at"}')

    monkeypatch.setattr(subprocess, "run", asked)
    for name in ("DATABASE_URL", "MIDGREY_SECRET_KEY"):
        monkeypatch.setenv(name, "secret")
    path = saved(tmp_path / "net.pth", {})
    with (tmp_path / "out").open("wb") as out, pytest.raises(MethodError, match="not looked at"):
        check(path, out)
    assert "PATH" in known and "secret" not in known.values()


def whole(path: Path) -> bytes:
    return saved(path, espcn().state_dict()).read_bytes()


def cut_off(path: Path) -> None:
    path.write_bytes(whole(path)[:-2000])


def overwritten_in_the_middle(path: Path) -> None:
    data = bytearray(whole(path))
    data[100:600] = b"\xff" * 500
    path.write_bytes(data)


def random_bytes(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 40)


def compressed(path: Path) -> None:
    """Ten megabytes of zeros in ten kilobytes; of gigabytes, memory would run out."""
    whole(path)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, bytes(10_000_000) if name.endswith("data/0") else data)


def one_number_for_a_terabyte(path: Path) -> None:
    saved(path, {"conv_first.weight": torch.ones(1).expand(1 << 20, 1 << 18)})


def not_a_number(path: Path) -> None:
    state = espcn().state_dict()
    state["first_part.0.weight"][0, 0, 0, 0] = float("nan")
    saved(path, state)


def program(path: Path) -> None:
    torch.jit.save(torch.jit.trace(espcn(), torch.zeros(1, 3, 8, 8)), str(path))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (cut_off, "is damaged"),
        (overwritten_in_the_middle, "is damaged"),
        (random_bytes, "is damaged"),
        (compressed, "is a compressed archive"),
        (one_number_for_a_terabyte, "claims to hold far more weights than its size allows"),
        (not_a_number, r"no finite numbers \(in first_part.0.weight\)"),
        (program, "is a TorchScript program, which is not run here"),
        (lambda path: saved(path, espcn()), "holds more than numbers"),
        (lambda path: saved(path, {"epoch": 3}), "holds no weights"),
        (lambda path: saved(path, [1, 2]), "holds no dictionary"),
    ],
)
def test_unusable_checkpoints_are_refused_with_the_reason(
    tmp_path: Path, spoil: Any, says: str
) -> None:
    spoil(tmp_path / "net.pth")
    with pytest.raises(MethodError, match=says):
        read_state(tmp_path / "net.pth")


@pytest.mark.parametrize("length", [100 << 30, 1 << 62])
def test_a_safetensors_file_that_lies_about_its_header_is_refused(
    tmp_path: Path, length: int
) -> None:
    (tmp_path / "net.safetensors").write_bytes(struct.pack("<Q", length) + b"{}")
    with pytest.raises(MethodError, match="is damaged or no safetensors file"):
        read_state(tmp_path / "net.safetensors")


def test_a_safetensors_file_that_lies_about_its_tensors_is_refused(tmp_path: Path) -> None:
    header = json.dumps(
        {"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}
    ).encode()
    data = struct.pack("<Q", len(header)) + header + bytes(64)
    (tmp_path / "net.safetensors").write_bytes(data)
    with pytest.raises(MethodError, match="is damaged or no safetensors file"):
        read_state(tmp_path / "net.safetensors")


def grey(path: Path) -> None:
    network = srresnet()
    network.conv_first = nn.Conv2d(1, 16, 3)
    network.conv_last = nn.Conv2d(16, 1, 3)
    saved(path, network.state_dict())


def incomplete(path: Path) -> None:
    state = srresnet().state_dict()
    del state["body.1.conv2.bias"]
    saved(path, state)


def exploding(path: Path) -> None:
    state = {name: tensor * 1e30 for name, tensor in srresnet().state_dict().items()}
    saved(path, state)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: saved(path, {"a.weight": torch.zeros(3, 3)}), "is not known here; known are"),
        (grey, "takes 1 and gives 1 channels; RGB, three, is needed"),
        (incomplete, "do not fit it .*conv2.bias"),
        (exploding, "makes pictures that are no finite numbers"),
    ],
)
def test_unusable_networks_are_refused_with_the_reason(
    tmp_path: Path, make: Any, says: str
) -> None:
    make(tmp_path / "net.pth")
    with pytest.raises(MethodError, match=says):
        inspect(tmp_path / "net.pth")


def test_files_that_cannot_be_weights_are_not_even_opened(tmp_path: Path) -> None:
    (tmp_path / "net.exe").write_bytes(b"x")
    (tmp_path / "empty.pth").touch()
    for name, says in [
        ("net.exe", r"must end in \.pth"),
        ("empty.pth", "is empty"),
        ("absent.pth", "does not exist"),
        (".", "is not a file"),
    ]:
        with pytest.raises(MethodError, match=says), (tmp_path / "out").open("wb") as out:
            check(tmp_path / name, out)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_named_as_the_reason(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pth", espcn().state_dict())
    with open("/dev/full", "wb") as out, pytest.raises(MethodError, match="free space on the disk"):
        check(path, out)
