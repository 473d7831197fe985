"""What `manage.py display` does to the browser that it has started."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from qa_portal.management.commands import display
from tests.waiting import wait_for

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(sys.platform != "linux", reason="threads have a niceness on Linux only"),
]

PAGE = """data:text/html,<script>
    const worker = new Worker(URL.createObjectURL(new Blob(["setInterval(() => {}, 9)"])));
</script>"""


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[psutil.Process]:
    command = display.arguments(
        display.find_browser(None), url=PAGE, profile=tmp_path, trust=None, windowed=True,
        flags=["--headless"],
    )  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        yield psutil.Process(process.pid)
        process.terminate()


def niceness(browser: psutil.Process) -> dict[str, set[int]]:
    """Of the threads of the browser's pages, by their names; the first one is "main"."""
    found: dict[str, set[int]] = {}
    for page in browser.children(recursive=True):
        if "--type=renderer" not in page.cmdline():
            continue
        for thread in page.threads():
            with suppress(OSError):  # some end meanwhile
                name = Path(f"/proc/{page.pid}/task/{thread.id}/comm").read_text().strip()
                nice = os.getpriority(os.PRIO_PROCESS, thread.id)
                found.setdefault("main" if thread.id == page.pid else name, set()).add(nice)
    return found


def test_decoding_is_put_behind_painting(browser: psutil.Process) -> None:
    wait_for(lambda: "DedicatedWorker" in niceness(browser), what="the worker of the page")
    assert niceness(browser)["DedicatedWorker"] == {0}
    display.put_decoding_behind(browser.pid)
    after = niceness(browser)
    assert after["DedicatedWorker"] == after["ThreadPoolForeg"] == {display.BEHIND}
    assert all(nice < display.BEHIND for name in ("main", "Compositor") for nice in after[name])


def test_a_browser_that_was_closed_meanwhile_is_no_error() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    display.put_decoding_behind(process.pid)
