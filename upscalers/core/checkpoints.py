"""A lab's own weights: an untrusted file becomes a checked safetensors file, and nothing runs.

`check` starts `python -m upscalers.core.checkpoints FILE DESCRIPTOR` as a process of its own under
tight limits, because readers of such files have holes. What may be unpickled are tensors only.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from upscalers.core.errors import MethodError
from upscalers.core.process import bare_environment, thread_count

if TYPE_CHECKING:
    from torch import Tensor

    from upscalers.core.architectures import Network

SUFFIXES = (".pth", ".pt", ".ckpt", ".safetensors")

# The outermost first; a checkpoint of a training may hold one within another.
_WRAPPERS = ("params_ema", "params-ema", "params", "state_dict", "model_state_dict", "model",
             "generator", "net")  # fmt: skip
_PREFIXES = ("module.", "_orig_mod.", "netG.")
_ROOT = Path(__file__).resolve().parents[2]
_MEMORY_BYTES = 8 << 30  # and eight times the size of the file
_SECONDS = 600
_TRIAL = (64, 64)  # where arithmetic is counted
_ODD_TRIAL = (25, 31)
_ALLOWED = ("import", "compile", "exec", "marshal.", "os.listdir", "os.scandir", "builtins.",
            "object.", "code.", "function.", "gc.", "sys.", "cpython.")  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass(frozen=True)
class Checked:
    """What a file of weights turned out to hold."""

    architecture: str
    scale: int
    parameters: int
    flop_per_pixel: float
    halo: int | None
    half_ok: bool
    temporal: bool


def check(path: Path, out: IO[bytes]) -> Checked:
    """Look into `path` and write its weights into the empty file `out`, as safetensors.

    A MethodError says what is wrong with the file and what to do.
    """
    if not path.is_file():
        raise MethodError(f"{path} is not a file" if path.exists() else f"{path} does not exist")
    if path.suffix.lower() not in SUFFIXES:
        raise MethodError(f"{path.name} must end in {', '.join(SUFFIXES)}: save it in that format")
    if not os.access(path, os.R_OK):
        raise MethodError(f"{path} cannot be read by the user that Midgrey runs as")
    if path.stat().st_size == 0:
        raise MethodError(f"{path.name} is empty")
    answer = _ask(path, out)
    if "error" in answer:
        raise MethodError(f"{path.name} {answer['error']}")
    return Checked(**answer)


def _ask(path: Path, out: IO[bytes]) -> dict[str, Any]:
    descriptor = out.fileno()
    command = [sys.executable, "-m", __name__, str(path.absolute()), str(descriptor)]
    environment = {**bare_environment(), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        result = subprocess.run(
            command, cwd=_ROOT, env=environment, pass_fds=[descriptor], capture_output=True,
            timeout=_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"error": f"could not be checked within {_SECONDS} seconds: it may be too large"}
    try:
        answer: dict[str, Any] = json.loads(result.stdout)
    except ValueError:
        ending = f"signal {-result.returncode}" if result.returncode < 0 else "an internal error"
        return {"error": f"made the reader of weights fail ({ending}): save its state_dict again"}
    return answer


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# What follows runs in the limited process.


def limit_resources(size: int) -> None:
    memory = _MEMORY_BYTES + 8 * size
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    written = 8 * size + (1 << 20)  # half precision and compression become single precision
    resource.setrlimit(resource.RLIMIT_FSIZE, (written, written))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def forbid_side_effects() -> None:
    """A second fence: from here on this process starts no other, writes no file, calls nobody.

    Allowed is what importing, reading files and computing need, of all that Python asks about.
    """

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            writes = flags & _WRITING or (mode and set("wax+") & set(mode))
            if writes and not isinstance(path, int):  # a number is a file that is open already
                raise PermissionError(f"weights must not open {path!r} for writing")
        elif not event.startswith(_ALLOWED):
            raise PermissionError(f"weights must not cause {event}")

    sys.addaudithook(hook)


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint, in single precision, without what is wrapped around them."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if path.suffix.lower() == ".safetensors":
        try:
            return _numbers(load_file(path), path)
        except SafetensorError as error:
            raise MethodError(
                f"is damaged or no safetensors file ({error}): copy it again"
            ) from None
    _refuse_archive(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # a damaged pickle can raise anything
        if "alloc" in str(error).lower():
            raise MemoryError(str(error)) from None
        raise MethodError(_why_unreadable(error)) from None
    return _numbers(_unwrapped(content), path)


def _why_unreadable(error: Exception) -> str:
    if re.search("unsupported (global|class|function)", str(error), re.IGNORECASE):
        return (
            "holds more than numbers (code or objects of a program), which is never run here: load "
            "it where it was trained and save its state_dict alone"
        )
    return "is damaged, cut off or no file of PyTorch weights: copy it again"


def _refuse_archive(path: Path) -> None:
    """Checkpoints are archives of files that are not compressed; programs and bombs are not."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError):
        raise MethodError("is a damaged archive: copy it again") from None
    if any(entry.filename.endswith("/constants.pkl") for entry in entries):
        raise MethodError(
            "is a TorchScript program, which is not run here: save the network's state_dict"
        )
    if sum(entry.file_size for entry in entries) > path.stat().st_size or any(
        entry.compress_type != zipfile.ZIP_STORED for entry in entries
    ):
        raise MethodError("is a compressed archive, unlike what PyTorch writes: save it again")


def _unwrapped(content: object) -> Mapping[Any, Any]:
    while isinstance(content, Mapping):
        inner = next((content[n] for n in _WRAPPERS if isinstance(content.get(n), Mapping)), None)
        if inner is None:
            return content
        content = inner
    raise MethodError("holds no dictionary of weights: save the network's state_dict")


def _numbers(content: Mapping[Any, Any], path: Path) -> dict[str, Tensor]:
    import torch

    state = {n: t for n, t in content.items() if isinstance(n, str) and isinstance(t, torch.Tensor)}
    if not state:
        raise MethodError("holds no weights: save the network's state_dict")
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    if any(tensor.layout != torch.strided or tensor.is_quantized for tensor in state.values()):
        raise MethodError("holds sparse or quantised weights: save them as plain tensors")
    if sum(t.numel() * t.element_size() for t in state.values()) > 4 * path.stat().st_size:
        raise MethodError("claims to hold far more weights than its size allows: save it again")
    for name, tensor in state.items():
        if tensor.is_complex() or (tensor.is_floating_point() and not tensor.isfinite().all()):
            raise MethodError(f"has weights that are no finite numbers (in {name}): its training "
                              "failed, or it is damaged")  # fmt: skip
    return {
        name: (tensor.float() if tensor.is_floating_point() else tensor).contiguous().clone()
        for name, tensor in state.items()
    }


def try_out(network: Network) -> float:
    """Run it on small pictures, refuse what cannot be right; floating-point work per sample."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    for size in (_ODD_TRIAL, _TRIAL):
        rows, columns = size
        shape = (1, 2, 3, *size) if network.temporal else (1, 3, *size)
        frames = 2 if network.temporal else 1
        picture = torch.rand(shape, generator=torch.Generator().manual_seed(1))
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            made = network.module(picture)
        wanted = (*shape[:-2], rows * network.scale, columns * network.scale)
        if tuple(made.shape) != wanted:
            raise MethodError(f"makes {tuple(made.shape)} out of {shape}; x{network.scale} is "
                              f"{wanted}: it may be a variant that is not known here")  # fmt: skip
        if not made.isfinite().all():
            raise MethodError("makes pictures that are no finite numbers: its training failed")
    return float(counter.get_total_flops()) / (frames * rows * columns)


def inspect(path: Path) -> tuple[Checked, bytes]:
    """What the file holds, and its weights as safetensors."""
    from safetensors.torch import save

    from upscalers.core.architectures import load_network

    state = read_state(path)
    network = load_network(state)
    checked = Checked(
        architecture=network.architecture, scale=network.scale,
        parameters=sum(tensor.numel() for tensor in network.module.parameters()),
        flop_per_pixel=try_out(network), halo=network.halo, half_ok=network.half_ok,
        temporal=network.temporal,
    )  # fmt: skip
    return checked, save(state)


def _look(path: Path, out: int) -> dict[str, Any]:
    import torch
    import torch._dynamo  # counting arithmetic would import it later, and it opens files

    from upscalers.core.spandrel_import import spandrel

    torch.set_num_threads(thread_count())
    spandrel()  # all that is imported is imported before the fence goes up
    limit_resources(path.stat().st_size)
    forbid_side_effects()
    checked, data = inspect(path)
    with os.fdopen(out, "wb", closefd=False) as file:
        file.write(data)
    return asdict(checked)


def _answer(path: Path, out: int) -> dict[str, Any]:
    try:
        return _look(path, out)
    except MethodError as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": "needs more memory to be checked than a network of its size should"}
    except RuntimeError as error:
        if "alloc" in str(error).lower():
            return {"error": "needs more memory to be checked than a network of its size should"}
        raise
    except PermissionError as error:
        return {"error": f"was not used ({error}): save the network's state_dict alone"}
    except OSError as error:
        return {"error": f"could not be copied ({error.strerror}): free space on the disk"}


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore")
    print(json.dumps(_answer(Path(sys.argv[1]), int(sys.argv[2]))), flush=True)
