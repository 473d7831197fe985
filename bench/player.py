"""Whether clips reach the screen frame by frame: python bench/player.py [--help]

Whole sessions are played in a real Chromium before an X server, with a coordinator's console and
three voting seats, while another process reads the number of each frame from the screen. What it
saw is set against what the display's evidence says, beside what `<video>` elements make of the
same clips, and beside a page that decodes nothing, for what the machine itself loses.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

FORMATS = {  # columns, rows, frames per second, refreshes per second
    "720p25": (1280, 720, 25, 50),
    "720p30": (1280, 720, 30, 60),
    "720p50": (1280, 720, 50, 50),
    "720p60": (1280, 720, 60, 60),
    "1080p25": (1920, 1080, 25, 50),
    "1080p50": (1920, 1080, 50, 50),
    "2160p25": (3840, 2160, 25, 25),  # at 50 Hz more than the X server's driver can do
    "360p50": (640, 360, 50, 50),
}
PARTS = ("session", "ceiling", "formats", "stalls", "outages", "clean")


def main() -> None:
    options = parse()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # nothing is left running
    with tempfile.TemporaryDirectory(prefix="midgrey-bench-") as folder:
        os.environ["MIDGREY_DATA_DIR"] = f"{folder}/data"
        os.environ["DJANGO_SETTINGS_MODULE"] = "qa_portal.settings"
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright keeps a loop in this thread
        import django

        django.setup()
        from django.conf import settings

        from bench.playback.elsewhere import display_first
        from bench.playback.laboratory import server

        with display_first(keep_awake=not options.asleep):
            settings.EMBEDDED_POSTGRES.use()
            try:
                with server() as running:
                    found = run(options, running, Path(folder))
            finally:
                settings.EMBEDDED_POSTGRES.leave()
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=2))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS)
    parser.add_argument("--format", choices=FORMATS, default="720p50", help="of the session")
    parser.add_argument("--formats", choices=FORMATS, nargs="+", default=list(FORMATS))
    parser.add_argument("--cells", type=int, default=24, help="of the session")
    parser.add_argument(
        "--alone", action="store_true",
        help="the session without browsers of seats and console, which a laboratory has elsewhere",
    )  # fmt: skip
    parser.add_argument(
        "--asleep",
        action="store_true",
        help="processors may fall asleep, as without 'manage.py display --keep-awake'",
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each clip")
    parser.add_argument("--stalls", type=int, default=5, help="of each kind")
    parser.add_argument("--clean", type=int, default=200, help="cells that nobody disturbs")
    parser.add_argument("--json", help="a file for all that was found")
    return parser.parse_args()


def run(options: argparse.Namespace, server: Any, folder: Path) -> dict[str, Any]:
    from django.contrib.auth.models import User

    from bench.playback.material import Format
    from bench.playback.outages import play_with_outages
    from bench.playback.scenarios import (
        CEILINGS,
        STALLS,
        Laboratory,
        play,
        play_baseline,
        play_ceiling,
    )

    owner = User.objects.create_superuser("bench")
    lab = Laboratory(server, owner, folder)
    found: dict[str, Any] = {}

    def format_of(name: str, seconds: float) -> tuple[Format, float]:
        width, height, rate, hz = FORMATS[name]
        return Format(width, height, rate, seconds), hz

    if "session" in options.only:
        fmt, hz = format_of(options.format, options.seconds)
        votes = not options.alone
        found["session"] = play(lab, fmt, hz, options.cells, vote_seconds=5, votes=votes)[1]
        tell("Session", found["session"])
        found["session_video"] = play_baseline(lab, fmt, hz, min(options.cells, 4))
        tell("  <video>", found["session_video"])
    if "ceiling" in options.only:
        fmt, hz = format_of(options.format, options.seconds)
        for what in CEILINGS:
            found[what] = play_ceiling(lab, fmt, hz, options.cells, what)
            tell(f"Nothing but {what}", found[what])
    if "formats" in options.only:
        for name in options.formats:
            fmt, hz = format_of(name, options.seconds)
            found[name] = play(lab, fmt, hz, 2, vote_seconds=2, votes=False)[1]
            tell("Midgrey", found[name])
            found[f"{name}_video"] = play_baseline(lab, fmt, hz, 2)
            tell("  <video>", found[f"{name}_video"])
    if "stalls" in options.only:
        fmt, hz = format_of(options.format, 3.0)
        stalls = [kind for _ in range(options.stalls) for kind in STALLS]
        judged, found["stalls"] = play(
            lab, fmt, hz, len(stalls), vote_seconds=2, votes=False, stalls=stalls
        )
        for kind in STALLS:
            hit = [one for one in judged if one.injected == kind]
            harmed = [one for one in hit if one.faulty]
            found["stalls"][kind] = {
                "injected": len(hit),
                "harmed": len(harmed),
                "found": sum(one.valid is False for one in harmed),
            }
            print(f"{kind}: {found['stalls'][kind]}", flush=True)
        tell("All of them", found["stalls"])
    if "outages" in options.only:
        fmt, hz = Format(640, 360, 50, 1.0), 50
        found["outages"] = play_with_outages(lab, fmt, hz, options.cells)
        print(f"Outages: {found['outages']}", flush=True)
    if "clean" in options.only:
        fmt, hz = Format(640, 360, 50, 0.6), 50
        found["clean"] = play(lab, fmt, hz, options.clean, vote_seconds=1, votes=False)[1]
        tell("Undisturbed", found["clean"])
    return found


def tell(what: str, found: dict[str, Any]) -> None:
    lines = [
        f"{what} {found['format']} at {found['hz']} Hz: {found['cells']} cells, "
        f"{found['missing']} of {found['frames']} frames missing, {found['repeated']} repeated, "
        f"{found['uneven']} too long or too short by two fifths of a refresh or more, "
        f"phases within {found['worst_phase_refreshes']} refreshes"
    ]
    if "painting" in found:  # judged by evidence, too
        lines += [
            f"{found['valid']} called valid: {found['missing_in_valid']} frames missing in these, "
            f"{found['repeated_in_valid']} repeated",
            f"{found['whole']} whole, of these called invalid: {found['whole_but_invalid']}; "
            f"{found['faulty']} faulty, of these called valid: {found['faulty_but_valid']}",
            f"{found['painting']}; decoding {found['decoding']}",
        ]
    lines.append(f"processors taken away for {found['stolen_s']} s")
    if found["standstills"] is not None:
        lines.append(
            f"a processor itself stood still or crawled {found['standstills']} times, in the way "
            f"for {found['standstill_percent']} % of the time and of "
            f"{found['repeated_at_standstill']} of the repeated frames"
        )
    print("\n  ".join(lines), flush=True)


if __name__ == "__main__":
    main()
