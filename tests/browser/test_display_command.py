"""`manage.py display` for real: the browser that it starts, and what it does to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from django.conf import settings

from qa_portal.painting_first import PaintingFirst
from tests.waiting import wait_for

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(sys.platform != "linux", reason="threads have a niceness on Linux only"),
]

PAGE = b"""<script>
    const start = () => new Worker(URL.createObjectURL(new Blob(["setInterval(() => {}, 9)"])));
    const workers = [start(), start()];
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
        arguments = ["display", url, profile, "--windowed", "--keep-awake", "--flag=--headless"]
        process = subprocess.Popen(
            [sys.executable, "manage.py", *arguments], cwd=settings.BASE_DIR, stdout=subprocess.PIPE
        )
        yield process
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        server.shutdown()


def policies(browser: psutil.Process) -> dict[str, list[int]]:
    """By which the threads of the browser's pages are scheduled; the first one is "main"."""
    found: dict[str, list[int]] = defaultdict(list)
    for page in browser.children(recursive=True):
        with suppress(psutil.Error, OSError):  # some end meanwhile
            if "--type=renderer" not in page.cmdline():
                continue
            for thread in page.threads():
                name = Path(f"/proc/{page.pid}/task/{thread.id}/comm").read_text().strip()
                policy = os.sched_getscheduler(thread.id)
                found["main" if thread.id == page.pid else name].append(policy)
    return found


def test_a_browser_is_opened_in_which_painting_comes_before_decoding(
    command: subprocess.Popen[bytes],
) -> None:
    process = psutil.Process(command.pid)
    wait_for(lambda: len(policies(process)["DedicatedWorker"]) == 2, what="the page's workers")
    idle = {os.SCHED_IDLE}
    wait_for(lambda: set(policies(process)["DedicatedWorker"]) == idle, what="their place behind")
    found = policies(process)
    assert set(found["main"] + found["Compositor"]) == {os.SCHED_OTHER}
    idling = [child for child in process.children() if "awake.py" in " ".join(child.cmdline())]
    assert len(idling) == 1
    command.send_signal(signal.SIGINT)  # as Ctrl-C
    assert b"reached, on this machine" in command.communicate(timeout=30)[0]
    wait_for(lambda: not process.is_running(), what="the end of the browser")
    wait_for(lambda: not idling[0].is_running(), what="an end of keeping awake")


def test_a_browser_that_was_closed_meanwhile_is_no_error() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    PaintingFirst(process.pid).look()
