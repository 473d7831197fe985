"""manage.py export_mos STUDY -o DIR, or --report FILE"""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from scoring.answer import Selection
from scoring.export import (
    TABLE_NAMES,
    ExportError,
    whole_or_not_at_all,
    write_folder,
    write_stream,
    writing_to,
)
from scoring.formats import FORMATS
from scoring.management.standard_output import to_standard_output
from scoring.ratings import one_moment
from scoring.report import NothingToReport, report_html
from scoring.report.pdf import NoPdf, printed
from scoring.results import Results
from scoring.rules import DEFAULT_SELECTION, SELECTIONS
from scoring.sureal_export import FILE_NAME as SUREAL
from scoring.sureal_export import NothingToExport, write_sureal
from scoring.wording import counted
from sessions_app.models import Study

STDOUT = Path("-")


class Command(BaseCommand):
    help = (
        "Writes a study's ratings, MOS with and without screening, verdicts on viewers, "
        "comparisons of methods, metrics and cells into a folder, with a data dictionary and the "
        "rules used. Exit status 0: all is written; 1: nothing is, and the message says why."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("study", help="the study's short name, as in its address")
        parser.add_argument("--format", choices=FORMATS, default="csv")
        parser.add_argument(
            "-o",
            "--output",
            type=Path,
            metavar="DIR",
            help="folder to write to; - for standard output",
        )
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--table",
            action="append",
            default=[],
            choices=TABLE_NAMES,
            metavar="NAME",
            help=f"this table only; may be repeated. There are: {', '.join(TABLE_NAMES)}",
        )
        what.add_argument(
            "--sureal",
            action="store_true",
            help=f"instead, the counted votes as a dataset of Netflix' sureal, {SUREAL}",
        )
        what.add_argument(
            "--report",
            type=Path,
            metavar="FILE",
            help="instead, a report to read and print: FILE.html, or FILE.pdf by Chromium",
        )
        parser.add_argument(
            "--rule",
            choices=[name for name in SELECTIONS if name != "bias_removal"],
            default=DEFAULT_SELECTION,
            help="whose votes the report uses: all, or a rule of screening (%(default)s)",
        )
        parser.add_argument("--force", action="store_true", help="replace files of an older export")

    def handle(self, *args: Any, **options: Any) -> None:
        target = options["report"] or options["output"]
        if target is None or (options["report"] and options["output"]):
            raise CommandError("Say where to: -o DIR, or --report FILE.")
        study = _study(options["study"])
        to = to_standard_output() if target == STDOUT else nullcontext()
        try:
            with to, ended_gently(), one_moment():
                results = Results(study)
                self._export(results, options)
                if options["table"]:  # which may need none of the statistics
                    done = f"{study}: {', '.join(options['table'])}"
                else:
                    self._warn(results)
                    done = _summary(results)
        except (ExportError, NothingToExport, NothingToReport, NoPdf) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"Cannot write to {target}: {error.strerror}.") from error
        if target != STDOUT:
            with to_standard_output():
                self.stdout.write(f"{done}, in {target}")

    def _export(self, results: Results, options: dict[str, Any]) -> None:
        folder, force, only = options["output"], options["force"], options["table"]
        if options["report"]:
            write_report(results, options["report"], Selection(options["rule"]), force)
        elif options["sureal"] and folder == STDOUT:
            write_sureal(results, writing_to(sys.stdout.buffer))
        elif options["sureal"]:
            with whole_or_not_at_all(folder, [SUREAL], force) as open_file:
                write_sureal(results, open_file)
        elif folder == STDOUT:
            write_stream(results, options["format"], sys.stdout.buffer, only, self._tell)
        else:
            write_folder(results, options["format"], folder, force, only, self._tell)

    def _tell(self, text: str) -> None:
        self.stderr.write(text, self.style.NOTICE)

    def _warn(self, results: Results) -> None:
        if not results.viewers:
            self.stderr.write("Warning: nobody has voted in a counted cell yet; no MOS.")
        warnings = dict.fromkeys(
            text for answer in results.answers.values() for text in results.warnings(answer.chosen)
        )
        for text in warnings:
            self.stderr.write(f"Warning: {text}")


def _summary(results: Results) -> str:
    return (
        f"{results.study.name}: {len(results.counted)} counted votes of "
        f"{counted(len(results.viewers), 'viewer')} on {counted(len(results.stimuli), 'PVS')}"
    )


def write_report(results: Results, file: Path, selection: Selection, force: bool) -> None:
    if file.suffix not in (".html", ".pdf"):
        raise ExportError(f"A report is FILE.html or FILE.pdf, not {file.name}.")
    with whole_or_not_at_all(file.absolute().parent, [file.name], force) as open_file:
        html = report_html(results, selection)
        content = printed(html) if file.suffix == ".pdf" else html.encode()
        with open_file(file.name) as written:
            written.write(content)


@contextmanager
def ended_gently() -> Iterator[None]:
    """Ended from outside, it clears away what is unfinished, as it does on Ctrl-C."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _study(slug: str) -> Study:
    study = Study.objects.filter(slug=slug).first()
    if study is not None:
        return study
    known = ", ".join(Study.objects.order_by("slug").values_list("slug", flat=True))
    others = f"There are: {known}." if known else "There is none yet."
    raise CommandError(f"There is no study {slug!r}. {others}")
