"""An X server without a screen, at an exact refresh rate, for browsers that are to be watched.

Needs Xorg with its dummy driver, or else Xvfb, which knows 60 Hz only; and a window manager,
without which Chromium's full screen lacks a row and a column.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

WINDOW_MANAGER = "matchbox-window-manager"
INSTALL = (
    "On Debian: apt install xserver-xorg-core xserver-xorg-video-dummy matchbox-window-manager "
    "(with xvfb as X server: 60 Hz only)."
)
CONFIGURATION = """
Section "Device"
  Identifier "card"
  Driver "dummy"
  VideoRam 65536
EndSection
Section "Monitor"
  Identifier "monitor"
  HorizSync 1-500
  VertRefresh 1-500
  Modeline "exact" {clock:.3f} {w} {w1} {w2} {wt} {h} {h1} {h2} {ht}
EndSection
Section "Screen"
  Identifier "screen"
  Device "card"
  Monitor "monitor"
  DefaultDepth 24
  SubSection "Display"
    Depth 24
    Modes "exact"
    Virtual {w} {h}
  EndSubSection
EndSection
"""


MOST_MHZ = 300  # that the dummy driver gives; above it X takes another size


class NoScreen(Exception):
    """No X server can be started; the message says what to install."""


@contextmanager
def screen(width: int, height: int, hz: float = 60, managed: bool = True) -> Iterator[str]:
    """Starts the server, with a window manager if `managed`, and gives its DISPLAY."""
    with tempfile.TemporaryDirectory(prefix="midgrey-screen-") as folder:
        command = _command(Path(folder), width, height, hz)
        read_end, write_end = os.pipe()
        with open(Path(folder) / "output", "wb") as output:
            process = subprocess.Popen(
                [*command, "-displayfd", str(write_end), "-nolisten", "tcp", "-noreset"],
                pass_fds=(write_end,), stdout=output, stderr=output,
            )  # fmt: skip
        os.close(write_end)
        try:
            with os.fdopen(read_end) as pipe:
                number = pipe.readline().strip()
            if not number:
                said = (Path(folder) / "output").read_text(errors="replace")
                raise NoScreen(f"The X server did not start: {said[-500:]}")
            with _window_manager(f":{number}") if managed else nullcontext():
                yield f":{number}"
        finally:
            process.terminate()
            process.wait(20)


def _command(folder: Path, width: int, height: int, hz: float) -> list[str]:
    if shutil.which("Xorg") and Path("/usr/lib/xorg/modules/drivers/dummy_drv.so").exists():
        across, down = width + 370, height + 30  # with blanking
        clock = across * down * hz / 1e6
        if clock > MOST_MHZ:
            raise NoScreen(f"Xorg's dummy driver cannot do {width}x{height} at {hz:g} Hz.")
        (folder / "xorg.conf").write_text(
            CONFIGURATION.format(
                clock=clock,
                w=width,
                w1=width + 110,
                w2=width + 150,
                wt=across,
                h=height,
                h1=height + 5,
                h2=height + 10,
                ht=down,
            )
        )
        return [
            "Xorg", "-config", str(folder / "xorg.conf"), "-logfile", str(folder / "log"),
            "-novtswitch", "-sharevts",
        ]  # fmt: skip
    if shutil.which("Xvfb") and hz == 60:
        return ["Xvfb", "-screen", "0", f"{width}x{height}x24"]
    raise NoScreen(f"An X server is needed. {INSTALL}")


@contextmanager
def _window_manager(display: str) -> Iterator[None]:
    program = shutil.which(WINDOW_MANAGER)
    if program is None:
        raise NoScreen(f"A window manager is needed. {INSTALL}")
    process = subprocess.Popen(
        [program, "-display", display], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)
