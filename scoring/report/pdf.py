"""Prints the report to PDF by a Chromium that is already on the machine."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
LONGEST = 120  # seconds


class NoPdf(Exception):
    """It cannot be printed here; the message says what to do."""


def printed(html: str) -> bytes:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise NoPdf(
            "A PDF is printed by Chromium, and none was found. Install it (on Debian: sudo apt "
            "install chromium), or write FILE.html and print that from any browser."
        )
    with tempfile.TemporaryDirectory() as folder:
        page, pdf = Path(folder) / "report.html", Path(folder) / "report.pdf"
        page.write_text(html, encoding="utf-8")
        command = [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
            f"--user-data-dir={folder}/profile", f"--print-to-pdf={pdf}", page.as_uri(),
        ]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, timeout=LONGEST, check=False)
        except subprocess.TimeoutExpired as error:
            raise NoPdf(f"{browser} did not print within {LONGEST} s; write FILE.html.") from error
        if done.returncode or not pdf.exists():
            said = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise NoPdf(f"{browser} did not print: {' '.join(said)}. Write FILE.html instead.")
        return pdf.read_bytes()
