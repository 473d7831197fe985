"""The browser of the display machine, started so that it shows clips undisturbed."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from argparse import ArgumentParser
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.core.management.base import BaseCommand, CommandError

from qa_portal.awake import awake
from qa_portal.painting_first import EVERY, PaintingFirst

BROWSERS = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
    "microsoft-edge",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)  # fmt: skip
LEAST_VERSION = 94  # the first with WebCodecs
FLAGS = (
    "--force-color-profile=srgb",  # codes reach the screen as they are
    "--force-device-scale-factor=1",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    # A picture is composed with the refresh it was painted for: else a page that was slow once is
    # shown a refresh late from then on, until it is quick once, and then loses a frame.
    "--run-all-compositor-stages-before-draw",
    "--disable-pinch",
    "--overscroll-history-navigation=0",
    # Nothing in the background, also not what browsers see to half a minute after their start,
    # nor hidden pages with processes of their own.
    "--disable-features=Translate,CalculateNativeWinOcclusion,SegmentationPlatform,"
    "WebUIOmniboxPopup,WebUIOmniboxAimPopup",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--password-store=basic",
    "--use-mock-keychain",
)


class Command(BaseCommand):
    help = (
        "Open a session's display page (or any page of Midgrey) in Chromium on this machine: full "
        "screen, sRGB, nothing throttled, with a profile of its own."
    )
    requires_system_checks = []  # needs no database

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("url", help="as the console shows it, or just Midgrey's address")
        parser.add_argument("--browser", help="another Chromium, Chrome or Edge than the one found")
        parser.add_argument("--profile", type=Path, default=Path.home() / ".midgrey-display")
        parser.add_argument(
            "--trust",
            metavar="PIN",
            help="of the server's key, as 'manage.py serve --lan' prints it, on a machine that was "
            "not told to trust its certificate",
        )
        parser.add_argument("--windowed", action="store_true", help="not full screen")
        parser.add_argument(
            "--keep-awake",
            action="store_true",
            help="let no processor sleep meanwhile (Linux only): for a virtual machine, or a "
            "computer that shows frames unevenly although it is fast enough; costs power",
        )
        parser.add_argument(
            "--flag",
            dest="flags",
            action="append",
            default=[],
            help="more for the browser's command line, such as --flag=--window-position=1920,0 for "
            "a second screen; may be repeated",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["keep_awake"] and sys.platform != "linux":
            raise CommandError("--keep-awake works on Linux only.")
        browser = find_browser(options["browser"])
        version = version_of(browser)
        self.stdout.write(f"Browser   {version}\n          {browser}")
        number = re.search(r"(\d+)\.", version)
        if number and int(number[1]) < LEAST_VERSION:
            raise CommandError(f"{version} is too old: version {LEAST_VERSION} or newer is needed.")
        self.stdout.write(f"Server    {server_state(options['url'], options['trust'])}")
        self.stdout.write(f"Profile   {options['profile']}")
        self.stdout.write("What the screen can do is measured by the page itself.")
        self.stdout.flush()
        with awake() if options["keep_awake"] else nullcontext():
            raise SystemExit(run(arguments(**options | {"browser": browser})))


def find_browser(given: str | None) -> str:
    for name in (given,) if given else BROWSERS:
        found = shutil.which(name)
        if found:
            return found
    if given:
        raise CommandError(f"{given} is no program on this machine.")
    raise CommandError(
        "No Chromium, Chrome or Edge was found: install one, or name it with --browser."
    )


def version_of(browser: str) -> str:
    try:
        said = subprocess.run(
            [browser, "--version"], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise CommandError(f"{browser} does not start: {error}") from None
    return said.stdout.strip() or "version unknown"


def server_state(url: str, pin: str | None) -> str:
    """What answers there, or an error that says what to do."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        raise CommandError(f"{url!r} is not an address such as https://192.168.1.20:8443/.")
    local = host in ("localhost", "127.0.0.1", "::1")
    if parts.scheme == "http" and not local:
        raise CommandError(
            "Over http a browser decodes no video exactly: use the https address that "
            "'manage.py serve --lan' prints."
        )
    try:
        with socket.create_connection(
            (host, port or (443 if parts.scheme == "https" else 80)), 10
        ) as link:
            if parts.scheme == "http":
                return "reached, on this machine"
            return _certified(link, host, pin)
    except ssl.SSLCertVerificationError as error:
        raise CommandError(
            f"This machine does not trust the server's certificate ({error.verify_message}). "
            "Install it from the server's page /lan/, or give --trust with what "
            "'manage.py serve --lan' printed."
        ) from None
    except OSError as error:
        raise CommandError(
            f"Nothing answers at {host}: {error}. Is Midgrey running there, with --lan?"
        ) from None


def _certified(link: socket.socket, host: str, pin: str | None) -> str:
    context = ssl.create_default_context()
    if pin:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(link, server_hostname=host) as secured:
        if not pin:
            return "reached, certificate trusted by this machine"
        der = secured.getpeercert(binary_form=True)
    assert der is not None
    key = x509.load_der_x509_certificate(der).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    seen = base64.b64encode(hashlib.sha256(spki).digest()).decode()
    if seen != pin:
        raise CommandError(
            f"The server has another key ({seen}) than --trust says. Compare with what "
            "'manage.py serve --lan' printed; do not go on if it should be the same."
        )
    return "reached, its key is the one that --trust names"


def arguments(
    *, browser: str, url: str, profile: Path, trust: str | None, windowed: bool,
    flags: list[str], **_: Any,
) -> list[str]:  # fmt: skip
    chosen = [browser, *FLAGS, *flags, f"--user-data-dir={profile.expanduser().absolute()}"]
    if trust:
        chosen.append(f"--ignore-certificate-errors-spki-list={trust}")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        chosen.append("--no-sandbox")  # it starts for root only so
    return [*chosen, *([] if windowed else ["--kiosk"]), url]


def run(command: list[str]) -> int:
    """Until the browser is closed; Ctrl-C closes it."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    painting = PaintingFirst(process.pid)
    if hasattr(os, "nice"):
        os.nice(19)  # not to be in the way itself
    try:
        while process.poll() is None:
            painting.look()
            time.sleep(EVERY)
        return process.returncode
    except KeyboardInterrupt:
        process.send_signal(signal.SIGTERM if sys.platform != "win32" else signal.SIGINT)
        return process.wait()
