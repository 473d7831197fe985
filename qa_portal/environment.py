"""Typed reading of environment variables, which refuses a bad value by the variable's name.

Each reader notes what it read in KNOWN, so that the documentation can be checked against it.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

KNOWN: dict[str, str] = {}  # variable -> default as written in docs/settings.md


def _read(name: str, default: str) -> str | None:
    """The value given, or None; an empty variable counts as not set."""
    KNOWN[name] = default
    return os.environ.get(name, "").strip() or None


def text(name: str, default: str = "", choices: tuple[str, ...] = ()) -> str:
    value = _read(name, default)
    if value is None:
        return default
    if choices and value not in choices:
        raise ImproperlyConfigured(f"{name}={value!r} must be one of {', '.join(choices)}.")
    return value


def boolean(name: str, default: bool) -> bool:
    value = _read(name, str(default).lower())
    if value is None:
        return default
    if value.lower() not in ("true", "false"):
        raise ImproperlyConfigured(f"{name}={value!r} must be 'true' or 'false'.")
    return value.lower() == "true"


def integer(name: str, default: int, least: int = 0) -> int:
    value = _read(name, str(default))
    if value is None:
        return default
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name}={value!r} must be a whole number.") from None
    if number < least:
        raise ImproperlyConfigured(f"{name}={value!r} must be at least {least}.")
    return number


def words(name: str, default: str = "") -> list[str]:
    """A list separated by commas."""
    value = _read(name, default)
    return [word.strip() for word in (value or default).split(",") if word.strip()]


def folder(name: str, default: Path, shown: str) -> Path:
    value = _read(name, shown)
    if value is None:
        return default
    path = Path(value).expanduser()
    if not path.is_absolute():
        raise ImproperlyConfigured(f"{name}={value!r} must be an absolute path.")
    return path


def kept_secret(path: Path) -> str:
    """A secret generated once and kept in a file that only its owner may read."""
    try:
        return path.read_text()
    except FileNotFoundError:
        pass
    except PermissionError as error:
        raise ImproperlyConfigured(
            f"{path} cannot be read. Run Midgrey as the user who made it, or set"
            " MIDGREY_DATA_DIR to a folder of your own."
        ) from error
    private_folder(path.parent)
    try:
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
        try:
            os.link(draft, path)  # two first starts at once agree on one secret
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    except OSError as error:
        raise _not_writable(path, error) from error
    return path.read_text()


def private_folder(path: Path) -> Path:
    """Made for its owner alone when missing: clips and logs may be confidential."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise _not_writable(path, error) from error
    return path


def _not_writable(path: Path, error: OSError) -> ImproperlyConfigured:
    return ImproperlyConfigured(
        f"{path} cannot be written ({error.strerror}). Make the folder writable, or set"
        " MIDGREY_DATA_DIR to one that is."
    )
