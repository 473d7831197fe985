"""Methods that a lab added: its own weights, or clips that it makes elsewhere.

They lie in files, so that the command line and the workers of every machine see the same ones
without a database: `<media>/methods/<slug>.json`, and the weights under their SHA-256 beside it.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from upscalers.core.errors import MethodError
from upscalers.core.weights import data_folder, digest
from upscalers.methods import Method, built_in

if TYPE_CHECKING:
    import torch

    from upscalers.core.sequence import SequenceUpscaler
    from upscalers.core.upscaling import Upscaler

METHODS: tuple[Method, ...] = ()  # none that Midgrey brings; see `methods`

_FAMILIES = ("network", "video", "external")
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SLUG_LENGTH = 40
_TEXT_LENGTH = 1000
_UNFINISHED = ".adding-"
_DAY = 24 * 3600

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Descriptor:
    """What the file of a method says. Without weights, its clips are made elsewhere."""

    slug: str
    name: str
    description: str
    licence: str
    citation: str
    added_by: str
    added_at: str
    family: str = "external"
    weights_sha256: str = ""  # of the file as it was given
    safetensors_sha256: str = ""  # of what was made of it, and its name here
    architecture: str = ""
    scale: int = 0
    parameters: int = 0
    flop_per_pixel: float = 0.0
    halo: int | None = None
    half_ok: bool = False

    @property
    def method(self) -> Method:
        return Method(
            slug=self.slug, name=self.name, family=self.family, description=self.description,
            licence=self.licence, citation=self.citation, build=_Build(self, folder()),
            scales=(self.scale,) if self.scale else None, weights_sha256=self.weights_sha256,
            parameters=self.parameters, flop_per_pixel=self.flop_per_pixel, halo=self.halo,
            temporal=self.family == "video", runs_here=self.family != "external",
        )  # fmt: skip


def folder() -> Path:
    return data_folder() / "media" / "methods"


def seen() -> object:
    """Differs from what it was whenever a method was added or removed, by whichever process."""
    try:
        with os.scandir(folder()) as entries:
            found = {(e.name, e.inode()) for e in entries if e.name.endswith(".json")}
        return frozenset(found), folder().stat().st_mtime_ns
    except FileNotFoundError:
        return None


def methods() -> Iterator[Method]:
    for descriptor in descriptors():
        yield descriptor.method


def descriptors() -> Iterator[Descriptor]:
    for path in sorted(folder().glob("*.json")):
        try:
            descriptor = Descriptor(**json.loads(path.read_text()))
            if path.stem != descriptor.slug or descriptor.family not in _FAMILIES:
                raise ValueError("not written by this program")
        except FileNotFoundError:
            continue  # just removed
        except (ValueError, TypeError) as error:
            log.warning("The method in %s cannot be read and is left out: %s", path, error)
            continue
        yield descriptor


def described(slug: str) -> dict[str, Any]:
    """All that is kept about a method that was added."""
    for descriptor in descriptors():
        if descriptor.slug == slug:
            return asdict(descriptor)
    raise MethodError(f"no method {slug!r} was added here")


def add(
    file: Path,
    *,
    slug: str,
    name: str,
    licence: str,
    citation: str,
    description: str = "",
    added_by: str = "",
) -> Method:
    """Add a method that runs the network in `file`, after a check of what it holds."""
    from upscalers.core.checkpoints import check, sha256_of

    stated = _stated(slug, name, licence, citation, description, added_by)
    with _unfinished() as converted:
        found = check(file, converted)
        original = sha256_of(file)
        converted.flush()
        safetensors = sha256_of(Path(converted.name))
        descriptor = replace(
            stated, description=stated.description or f"{found.architecture}, own weights.",
            family="video" if found.temporal else "network", weights_sha256=original,
            safetensors_sha256=safetensors, architecture=found.architecture, scale=found.scale,
            parameters=found.parameters, flop_per_pixel=found.flop_per_pixel, halo=found.halo,
            half_ok=found.half_ok,
        )  # fmt: skip
        _publish(descriptor, Path(converted.name))
    return descriptor.method


def add_external(
    *, slug: str, name: str, licence: str, citation: str, description: str = "", added_by: str = ""
) -> Method:
    """Add a method whose clips are made elsewhere and uploaded."""
    stated = _stated(slug, name, licence, citation, description, added_by)
    says = stated.description or "Its clips are made elsewhere and uploaded."
    descriptor = replace(stated, description=says)
    _publish(descriptor, None)
    return descriptor.method


def remove(slug: str) -> None:
    """Remove a method that was added; clips made with it stay."""
    if slug in built_in():
        raise MethodError(f"{slug} comes with Midgrey and cannot be removed")
    path = folder() / f"{slug}.json"
    if not _SLUG.fullmatch(slug) or not path.is_file():
        raise MethodError(f"no method {slug!r} was added here")
    with _locked():
        try:
            path.unlink()
        except FileNotFoundError:
            raise MethodError(f"the method {slug} was removed meanwhile") from None
        _remove_unused_weights()


def _stated(
    slug: str, name: str, licence: str, citation: str, description: str, added_by: str
) -> Descriptor:
    """What people say of a method, checked; as yet an external one."""
    _check_slug(slug)
    stated = Descriptor(
        slug=slug, name=_line(name), description=_line(description), licence=_line(licence),
        citation=_line(citation), added_by=_line(added_by),
        added_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )  # fmt: skip
    for field in ("name", "licence", "citation"):
        if not getattr(stated, field):
            raise MethodError(f"say the {field} of the method: whoever reads a result needs it")
    return stated


def _line(text: str) -> str:
    if len(text) > _TEXT_LENGTH:
        raise MethodError(
            f"{text[:40]!r} goes on for {len(text)} characters, at most {_TEXT_LENGTH} can be kept"
        )
    return " ".join(text.split())


def _check_slug(slug: str) -> None:
    if not _SLUG.fullmatch(slug) or len(slug) > _SLUG_LENGTH:
        raise MethodError(
            f"{slug!r} cannot be a method's short name: use up to {_SLUG_LENGTH} small letters and "
            "digits, with single hyphens between, such as our-net-x2"
        )
    if slug in built_in() or (folder() / f"{slug}.json").exists():
        raise MethodError(f"there is a method {slug} already: choose another short name")


@contextmanager
def _unfinished() -> Iterator[IO[bytes]]:
    """A file that is gone again unless it was given its name."""
    _make_folder()
    try:
        with tempfile.NamedTemporaryFile(dir=folder(), prefix=_UNFINISHED, delete=False) as file:
            try:
                yield file
            finally:
                Path(file.name).unlink(missing_ok=True)
    except OSError as error:
        raise _not_written(error) from None


def _make_folder() -> None:
    """With what killed processes left in it cleared away."""
    try:
        folder().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_written(error) from None
    for path in folder().glob(f"{_UNFINISHED}*"):
        try:
            if time.time() - path.stat().st_mtime > _DAY:
                path.unlink()
        except FileNotFoundError:
            pass  # cleared away by another process


def _not_written(error: OSError) -> MethodError:
    return MethodError(
        f"the method could not be written into {folder()} ({error.strerror}): free space there, or "
        "run Midgrey as the user who owns that folder"
    )


def _publish(descriptor: Descriptor, weights: Path | None) -> None:
    """The weights first, then the descriptor, whole and only if no other took its name."""
    with _unfinished() as file:
        file.write(json.dumps(asdict(descriptor), indent=2).encode())
        file.flush()
        os.fsync(file.fileno())
        os.chmod(file.name, 0o644)
        with _locked():
            try:
                if weights is not None:
                    _keep(weights, descriptor.safetensors_sha256)
                os.link(file.name, folder() / f"{descriptor.slug}.json")
            except FileExistsError:
                raise MethodError(
                    f"a method {descriptor.slug} was added meanwhile: choose another short name"
                ) from None
            finally:
                _remove_unused_weights()


def _keep(weights: Path, sha256: str) -> None:
    with weights.open("rb") as file:
        os.fsync(file.fileno())
    weights.chmod(0o644)
    os.replace(weights, _weights_path(folder(), sha256))


def _remove_unused_weights() -> None:
    used = {descriptor.safetensors_sha256 for descriptor in descriptors()}
    for path in folder().glob("*.safetensors"):
        if path.stem not in used:
            path.unlink()


@contextmanager
def _locked() -> Iterator[None]:
    """One process at a time gives names to files or takes them."""
    handle = os.open(folder(), os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _weights_path(where: Path, sha256: str) -> Path:
    return where / f"{sha256}.safetensors"


@dataclass(frozen=True)
class _Build:
    """Equal for the same method, however often the folder was read."""

    descriptor: Descriptor
    folder: Path

    def __call__(self, device: torch.device) -> Upscaler | SequenceUpscaler:
        if self.descriptor.family == "external":
            name = self.descriptor.name
            raise MethodError(f"{name} does not run here: upload clips made elsewhere")
        from upscalers.core.architectures import load_network
        from upscalers.core.sequence import SequenceUpscaler
        from upscalers.core.upscaling import NetworkUpscaler

        network = load_network(_verified_state(self.descriptor, self.folder))
        if network.temporal:
            return SequenceUpscaler(network.module, device)  # type: ignore[arg-type]
        return NetworkUpscaler(network.module, network.scale, network.halo, device, network.half_ok)


def _verified_state(descriptor: Descriptor, where: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load

    again = f"remove the method {descriptor.slug} and add it again"
    try:
        data = _weights_path(where, descriptor.safetensors_sha256).read_bytes()
    except FileNotFoundError:
        raise MethodError(f"the weights of {descriptor.name} are missing: {again}") from None
    if digest(data) != descriptor.safetensors_sha256:
        raise MethodError(f"the weights of {descriptor.name} are damaged: {again}")
    return load(data)
