"""`manage.py serve --lan` for real, with a browser that trusts its key."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Error

from qa_portal import lan
from tests.waiting import wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not lan.addresses(), reason="this machine has no address on a network"),
]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What it printed when it was ready."""
    data = tmp_path_factory.mktemp("lan") / "data"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MIDGREY")}
    kept |= {"MIDGREY_DATA_DIR": str(data), "MIDGREY_DISK_LOW_GB": "0"}
    kept["DJANGO_SETTINGS_MODULE"] = "qa_portal.settings"
    kept.pop("DATABASE_URL", None)
    plain, secure = free_port(), free_port()
    output = data.with_suffix(".log")
    ports = [f"--port={plain}", f"--https-port={secure}"]
    with output.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve", "--lan", "--workers=", *ports],
            cwd=settings.BASE_DIR, env=kept, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def well() -> bool:
        assert process.poll() is None, output.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{plain}/lan/", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    wait_for(well, 60, "the page about the certificate")
    yield output.read_text()
    process.terminate()
    process.wait(30)


def test_pages_on_the_network_may_do_what_only_secure_pages_may(
    served: str, chromium: Browser
) -> None:
    address = re.search(r"on the network at (https://\S+/)", served)
    command = re.search(r"manage.py display \S+ --trust (\S+)", served)
    join = re.search(r"viewers join at +(http://\S+)", served)
    assert address and command and join
    flags = ["--no-sandbox", f"--ignore-certificate-errors-spki-list={command[1]}"]
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with chromium.browser_type.launch(executable_path=path, args=flags) as browser:
        page = browser.new_page()
        page.goto(address[1])
        assert page.title().startswith("Sign in")
        can = page.evaluate("[isSecureContext, crossOriginIsolated, 'VideoDecoder' in window]")
        assert can == [True, True, True]
        page.goto(join[1])
        assert page.title() == "Join" and page.url.startswith("http://")
        page.goto(join[1].replace("/join/", "/login/"))
        assert page.url.startswith(f"{address[1]}login/")
    with chromium.new_context() as stranger, pytest.raises(Error, match="ERR_CERT"):
        stranger.new_page().goto(address[1])
