"""`manage.py display` for real: the browser that it starts, and what it does to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from django.conf import settings

from qa_portal.management.commands import display
from tests.waiting import wait_for

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(sys.platform != "linux", reason="threads have a niceness on Linux only"),
]

PAGE = b"""<script>
    const worker = new Worker(URL.createObjectURL(new Blob(["setInterval(() => {}, 9)"])));
</script>"""


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def command(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        profile = f"--profile={tmp_path}"
        arguments = ["display", url, profile, "--windowed", "--flag=--headless"]
        process = subprocess.Popen(
            [sys.executable, "manage.py", *arguments], cwd=settings.BASE_DIR, stdout=subprocess.PIPE
        )
        yield process
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        server.shutdown()


def niceness(browser: psutil.Process) -> dict[str, set[int]]:
    """Of the threads of the browser's pages, by their names; the first one is "main"."""
    found: dict[str, set[int]] = {}
    for page in browser.children(recursive=True):
        with suppress(psutil.Error, OSError):  # some end meanwhile
            if "--type=renderer" not in page.cmdline():
                continue
            for thread in page.threads():
                name = Path(f"/proc/{page.pid}/task/{thread.id}/comm").read_text().strip()
                nice = os.getpriority(os.PRIO_PROCESS, thread.id)
                found.setdefault("main" if thread.id == page.pid else name, set()).add(nice)
    return found


def test_a_browser_is_opened_in_which_painting_comes_before_decoding(
    command: subprocess.Popen[bytes],
) -> None:
    process = psutil.Process(command.pid)
    behind = {display.BEHIND}
    wait_for(lambda: niceness(process).get("DedicatedWorker") == behind, what="the page's worker")
    found = niceness(process)
    assert found["ThreadPoolForeg"] == behind
    assert all(nice < display.BEHIND for name in ("main", "Compositor") for nice in found[name])
    command.send_signal(signal.SIGINT)  # as Ctrl-C
    assert b"reached, on this machine" in command.communicate(timeout=30)[0]
    wait_for(lambda: not process.is_running(), what="the end of the browser")


def test_a_browser_that_was_closed_meanwhile_is_no_error() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    display.put_decoding_behind(process.pid)
