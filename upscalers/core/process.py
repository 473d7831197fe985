"""Running ffmpeg: one process with its pipes, its messages and its end looked after.

ffmpeg-python builds the arguments; it is not used to run them, because it leaves the pipe of
messages unread, which stops ffmpeg for good once that pipe is full.
"""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import threading
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import ffmpeg
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from upscalers.core.errors import ClipError

FFMPEG: str = imageio_ffmpeg.get_ffmpeg_exe()

# Containers that hold one file's own samples. Playlists (hls, dash, concat) and picture or
# screen grabbers are left out: they would open further files or addresses on the server.
CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mxf,mpegts,nut,yuv4mpegpipe,rawvideo"
PROTOCOLS = "file,pipe"
_PIPE_BYTES = 1 << 20

# What processes that open other people's files are told; passwords and keys are not among it.
_TOLD = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH",
         "OMP_NUM_THREADS", "MIDGREY_THREADS")  # fmt: skip


def thread_count() -> int:
    """Threads that may compute: MIDGREY_THREADS, else as many as there are processors."""
    wanted = os.environ.get("MIDGREY_THREADS", "")
    return int(wanted) if wanted.isdigit() and int(wanted) > 0 else os.cpu_count() or 1


def bare_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in _TOLD if name in os.environ}


def file_url(path: Path) -> str:
    """A name that ffmpeg cannot take for an address, an option or a pattern."""
    return f"file:{path.absolute()}"


def input_file(path: Path, **options: Any) -> Any:
    return ffmpeg.input(
        file_url(path),
        protocol_whitelist=PROTOCOLS,
        err_detect="crccheck+explode",  # a damaged frame is an error, not something to paint over
        format_whitelist=f"{CONTAINERS},h264",  # bare H.264 is what renditions are
        **options,
    )


class Ffmpeg:
    """A running ffmpeg. Leaving the `with` block by an exception ends it at once."""

    def __init__(self, stream: Any, *, stdin: bool = False, stdout: bool = False) -> None:
        stream = stream.global_args("-nostdin", "-hide_banner", "-nostats", "-v", "error")
        arguments = ffmpeg.compile(stream, cmd=FFMPEG, overwrite_output=True)
        if stdin:
            arguments.remove("-nostdin")
        self._process = subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE if stdout else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=bare_environment(),
            bufsize=0,
        )
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                _enlarge(pipe)
        self._messages: deque[str] = deque(maxlen=20)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._messages.append(line.decode(errors="replace").strip())

    @property
    def messages(self) -> str:
        """The last thing ffmpeg complained about, in its own words."""
        self._listener.join(timeout=5)
        lines = [line for line in self._messages if line]
        return re.sub(r" @ 0x[0-9a-f]+", "", lines[0]) if lines else "no message"

    def read_into(self, buffer: NDArray[np.uint8]) -> int:
        """Fill the buffer; fewer bytes than its size mean the end."""
        assert self._process.stdout is not None
        view, filled = buffer.data, 0
        while filled < len(view):
            count = self._process.stdout.readinto(view[filled:])  # type: ignore[attr-defined]
            if not count:
                break
            filled += count
        return filled

    def lines(self) -> Any:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            yield line.decode(errors="replace").strip()

    def write(self, data: memoryview) -> None:
        assert self._process.stdin is not None
        try:
            while data:
                data = data[self._process.stdin.write(data) :]
        except BrokenPipeError:
            self._process.wait()
            raise ClipError(f"the video could not be written: {self.messages}") from None

    def finish(self) -> int:
        """Close the pipes, wait for the end and return ffmpeg's exit status."""
        if self._process.stdin is not None:
            try:
                self._process.stdin.close()
            except BrokenPipeError:
                pass
        status = self._process.wait()
        self._listener.join(timeout=5)
        return status

    def ended_cleanly(self) -> bool:
        """Whether it ended well and without a complaint.

        A frame whose checksum is wrong is decoded and counted as if nothing were the matter,
        exit status 0 included; only the complaint tells.
        """
        return self.finish() == 0 and not any(self._messages)

    def __enter__(self) -> Ffmpeg:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._listener.join(timeout=5)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    pass


def _enlarge(pipe: IO[bytes]) -> None:
    """Frames are large: fewer switches between the two processes. Best effort."""
    try:
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    except OSError:
        pass
