"""How fast ratings are exported and in how much memory, beside pandas on the same rows.

Each measurement is a process of its own: rows are made one by one and go through the export's own
columns and writers into a file, which is removed. Memory is the process' high-water mark (VmHWM),
all libraries included. pandas makes a DataFrame of the same rows and writes that, which is how an
analyst would do it; what the writing alone takes is said too. It gets fewer rows in the long run,
since it must hold them all.
`--database N` also stores N votes in a throw-away PostgreSQL and exports that study whole.
"""

import argparse
import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

FORMATS = ("csv", "json", "parquet", "xlsx")
VIEWERS, STIMULI = 24, 480
STUDY_SOURCES = [f"clip-{k}" for k in range(100)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000, help="through each writer")
    parser.add_argument("--xlsx-rows", type=int, help="the same for xlsx, which is slow")
    parser.add_argument("--peer-rows", type=int, default=200_000, help="for pandas, and for us")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS)
    parser.add_argument("--database", type=int, default=0, metavar="N", help="votes to store")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return child(*options.child)
    print(f"load average {os.getloadavg()[0]:.1f}")
    for form in options.formats:
        rows = options.rows if form != "xlsx" else options.xlsx_rows or options.rows
        if rows != options.peer_rows:
            say(form, "ours", rows)
        for who in ("ours", "pandas"):
            say(form, who, options.peer_rows)
    if options.database:
        say("csv", "database", options.database)


def say(form: str, who: str, rows: int) -> None:
    command = [sys.executable, __file__, "--child", form, who, str(rows)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    print(
        f"{form:8} {who:9} {found['rows']:>12,} rows  {found['rows_per_second']:>10,.0f} rows/s  "
        f"peak {found['peak_mb']:>6,.0f} MB (before the first row {found['base_mb']:,.0f} MB)  "
        f"file {found['file_mb']:,.0f} MB"
    )


def child(form: str, who: str, rows: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        work = {"ours": ours, "pandas": by_pandas, "database": from_database}[who]
        done, seconds, base = work(form, int(rows), Path(folder))
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    found = {
        "rows": done,
        "rows_per_second": done / seconds,
        "base_mb": base,
        "peak_mb": memory("VmHWM"),
        "file_mb": size / 1e6,
    }
    print(json.dumps(found))


def ours(form: str, rows: int, folder: Path) -> tuple[int, float, float]:
    set_up()
    from scoring.export import writing_into
    from scoring.formats import FORMATS as WRITERS
    from scoring.formats import Content
    from scoring.tables.declaring import in_parts
    from scoring.tables.votes import RATINGS

    base, began = memory("VmHWM"), time.perf_counter()
    parts = in_parts(RATINGS.columns, ratings(rows))
    content = Content(RATINGS.id, RATINGS.description, RATINGS.columns, parts)
    WRITERS[form].write([content], writing_into(folder))
    return rows, time.perf_counter() - began, base


def by_pandas(form: str, rows: int, folder: Path) -> tuple[int, float, float]:
    set_up()
    import pandas as pd

    base, began = memory("VmHWM"), time.perf_counter()
    table = pd.DataFrame(ratings(rows))
    if form == "xlsx":  # pandas refuses times with a zone
        for name in ("cast_at", "received_at"):
            table[name] = table[name].map(datetime.isoformat)
    path, ready = folder / f"ratings.{form}", time.perf_counter()
    if form == "csv":
        table.to_csv(path, index=False)
    elif form == "json":
        table.to_json(path, orient="records", date_format="iso")
    elif form == "parquet":
        table.to_parquet(path, compression="zstd")
    else:
        table.to_excel(path, index=False, engine="xlsxwriter")
    done = time.perf_counter()
    print(f"   pandas, writing alone: {rows / (done - ready):,.0f} rows/s", file=sys.stderr)
    return rows, done - began, base


def ratings(rows: int) -> Iterator[Any]:
    from scoring.ratings import Rating

    start = datetime(2026, 3, 2, 9, tzinfo=UTC)
    digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    for vote in range(rows):
        cell, place = divmod(vote, 2 * VIEWERS)
        viewer, box = divmod(place, 2)
        pvs = (cell * 7 + box) % STIMULI
        cast = start + timedelta(milliseconds=37 * vote)
        late = vote % 97 == 0
        yield Rating(
            vote, 1, cell // 30, cell % 30, "test", f"5b1a0f3e-0000-4000-8000-{cell:012x}",
            f"V{viewer:02}", "AB"[box], pvs, f"harbour-{pvs // 8}", f"method-{pvs % 8}", 2.0,
            "bicubic", digest if pvs % 3 else "", (vote * 7919) % 11, cast,
            cast + timedelta(milliseconds=80), vote % 3, "device", not late, not late,
            "not shown properly: a: 3 frames late" if late else "",
        )  # fmt: skip


def from_database(form: str, rows: int, folder: Path) -> tuple[int, float, float]:
    """The export of a stored study: first its ratings alone, then with all statistics."""
    from django.conf import settings
    from django.test.utils import setup_databases, teardown_databases

    set_up()
    from sessions_app.models import Vote

    embedded = settings.EMBEDDED_POSTGRES
    if embedded:
        embedded.use()
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        study = stored_study(rows)
        from django.core.management import call_command

        base, began = memory("VmHWM"), time.perf_counter()
        options = {"output": folder / "ratings", "format": form, "stdout": sys.stderr}
        call_command("export_mos", study.slug, table=["ratings"], **options)
        alone, peak = time.perf_counter() - began, memory("VmHWM")
        call_command("export_mos", study.slug, **options | {"output": folder / "all"})
        print(
            f"   {len(STUDY_SOURCES)} sources, {VIEWERS} viewers: ratings alone {alone:.1f} s, "
            f"peak {peak:,.0f} MB; all tables {time.perf_counter() - began - alone:.1f} s",
            file=sys.stderr,
        )
        return Vote.objects.count(), alone, base
    finally:
        teardown_databases(databases, verbosity=0)
        if embedded:
            embedded.leave()


def stored_study(rows: int) -> Any:
    from tests.factories import StudyFactory, make_panel, make_user

    factory = StudyFactory(make_user("olga"), sources=STUDY_SOURCES)
    while rows > 0:
        session = factory.run_session(make_panel(VIEWERS))
        rows -= session.cells.count() * 2 * VIEWERS
    return factory.study


def set_up() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django
    from django.conf import settings

    django.setup()
    atexit.register(shutil.rmtree, settings.DATA_DIR, ignore_errors=True)


def memory(what: str) -> float:
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1e3 for line in status if line.startswith(what))


if __name__ == "__main__":
    main()
