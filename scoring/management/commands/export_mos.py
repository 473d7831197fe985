"""manage.py export_mos STUDY --format csv|json -o DIR"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from scoring.export import FORMATS, ExportError, write_folder
from scoring.results import SELECTIONS, Results
from sessions_app.models import Study


class Command(BaseCommand):
    help = (
        "Writes a study's ratings, MOS with and without screening, verdicts on viewers, metrics, "
        "correlations and cells into a folder, with a data dictionary and the rules used."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("study", help="the study's short name, as in its address")
        parser.add_argument("--format", choices=FORMATS, default="csv")
        parser.add_argument(
            "-o", "--output", type=Path, required=True, metavar="DIR", help="folder to write to"
        )
        parser.add_argument("--force", action="store_true", help="replace files of an older export")

    def handle(self, *args: Any, **options: Any) -> None:
        results = Results(_study(options["study"]))
        try:
            write_folder(results, options["format"], options["output"], options["force"])
        except ExportError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"Cannot write to {options['output']}: {error.strerror}.") from error
        self._report(results, options["output"])

    def _report(self, results: Results, folder: Path) -> None:
        if not results.viewers:
            self.stderr.write("Warning: nobody has voted in a counted cell yet; no MOS.")
        warnings = dict.fromkeys(
            text for selection in SELECTIONS for text in results.warnings(selection)
        )
        for text in warnings:
            self.stderr.write(f"Warning: {text}")
        self.stdout.write(
            f"{results.study.name}: {len(results.counted)} counted votes of "
            f"{len(results.viewers)} viewers on {len(results.stimuli)} PVSs, in {folder}"
        )


def _study(slug: str) -> Study:
    study = Study.objects.filter(slug=slug).first()
    if study is not None:
        return study
    known = ", ".join(Study.objects.order_by("slug").values_list("slug", flat=True))
    others = f"There are: {known}." if known else "There is none yet."
    raise CommandError(f"There is no study {slug!r}. {others}")
