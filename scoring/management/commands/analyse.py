"""manage.py analyse SCORES.csv [--json]"""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from scoring.analysis import Analysis, Settings
from scoring.management.standard_output import to_standard_output
from scoring.raw_scores import STDIN, Format, RawScores, RawScoresError, read_scores
from scoring.stats.differential import Direction
from scoring.stats.mixed_model import MixedModelUnavailable, MixedModelUndefined

RULES = ("pearson", "pearson_iterative", "pearson_without_own_vote", "bt500", "bt1788")
SHOWN = 20  # bad rows; --json lists all
LARGEST = 1e9  # of a scale: squares and sums of scores keep their digits


class Command(BaseCommand):
    help = (
        "Analyses raw scores from anywhere: a CSV file with a row per vote and the columns "
        "subject, stimulus and score; optionally content, is_reference, repetition, method and "
        "columns of metrics. Gives MOS, screening by every rule, the subject model and agreement. "
        "Needs no database. The JSON is described in docs/statistics.md."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "scores", type=Path, metavar="SCORES.csv", help="the file; - for standard input"
        )
        parser.add_argument("--json", action="store_true", help="everything, as JSON")
        parser.add_argument(
            "--column",
            action="append",
            default=[],
            type=_mapping,
            metavar="NAME=SPELLING",
            help="the file's spelling of a column, as subject=observer; may be repeated",
        )
        parser.add_argument(
            "--metric",
            action="append",
            default=[],
            metavar="COLUMN",
            help="a column that holds an objective metric; may be repeated",
        )
        parser.add_argument("--lowest", type=float, default=0, help="bottom of the scale (0)")
        parser.add_argument("--highest", type=float, default=10, help="top of the scale (10)")
        parser.add_argument("--delimiter", default=",", help="what separates the columns (,)")
        parser.add_argument("--encoding", default="utf-8", help="of the file (utf-8)")
        parser.add_argument(
            "--missing",
            action="append",
            default=[],
            metavar="TEXT",
            help="a text that stands for a vote that was not cast, as NA; may be repeated",
        )
        parser.add_argument(
            "--skip-bad-rows",
            action="store_true",
            help="list bad rows and go on without them; else they stop the analysis",
        )
        parser.add_argument(
            "--dmos",
            choices=[direction.name.lower() for direction in Direction],
            default=Direction.HIGHER_IS_BETTER.name.lower(),
            help="direction of differences from the reference",
        )
        parser.add_argument(
            "--repetitions-as-votes",
            action="store_true",
            help="count every repetition as a vote in the MOS, as some programs do",
        )
        parser.add_argument(
            "--screened-by",
            choices=RULES,
            default="",
            help="leave out whom this rule rejects when methods and metrics are compared",
        )
        parser.add_argument(
            "--mixed-model",
            action="store_true",
            help="also a linear mixed model of method, viewer and content; needs statsmodels",
        )
        parser.add_argument(
            "--seed", type=_seed, default=0, help="of everything drawn at random (0)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        columns = dict(options["column"])
        if len(columns) < len(options["column"]):
            raise CommandError("--column maps a name twice.")
        form = Format(
            columns=columns,
            metrics=options["metric"],
            lowest=options["lowest"],
            highest=options["highest"],
            delimiter=options["delimiter"],
            encoding=options["encoding"],
            missing=options["missing"],
        )
        raw = self._read(options["scores"], form, options["json"])
        if raw.bad_rows and not options["skip_bad_rows"]:
            self._refuse(raw, options["json"])
        chosen = Settings(
            lowest=form.lowest,
            highest=form.highest,
            direction=Direction[options["dmos"].upper()],
            seed=options["seed"],
            repetitions_as_votes=options["repetitions_as_votes"],
            mixed_model=options["mixed_model"],
            screened_by=options["screened_by"],
        )
        try:
            found = Analysis(raw, chosen).as_data()
        except (MixedModelUnavailable, MixedModelUndefined) as error:
            raise CommandError(str(error)) from error
        with to_standard_output():
            if options["json"]:
                self.stdout.write(json.dumps(found, indent=1, allow_nan=False, ensure_ascii=False))
                return
            self._tell_bad_rows(raw)
            self._report(found)

    def _read(self, path: Path, form: Format, as_json: bool) -> RawScores:
        if not max(abs(form.lowest), abs(form.highest)) <= LARGEST:
            raise CommandError(f"--lowest and --highest lie between -{LARGEST:g} and {LARGEST:g}.")
        if form.lowest >= form.highest:
            raise CommandError("--lowest must be below --highest.")
        if len(form.delimiter) != 1 or form.delimiter in '"\r\n':
            raise CommandError("--delimiter is one character, as ';', and no quotation mark.")
        name = "standard input" if path == STDIN else str(path)
        try:
            return read_scores(path, form)
        except RawScoresError as error:
            message = f"{name}: {error}"
        except OSError as error:
            message = f"Cannot read {name}: {error.strerror}."
        if as_json:
            self.stdout.write(json.dumps({"error": message, "bad_rows": []}, ensure_ascii=False))
        raise CommandError(message)

    def _refuse(self, raw: RawScores, as_json: bool) -> None:
        message = (
            f"{len(raw.bad_rows)} of {raw.rows} rows cannot be taken. Mend them, or leave them "
            "out with --skip-bad-rows."
        )
        if as_json:
            bad = [{"line": row.line, "problem": row.problem} for row in raw.bad_rows]
            data = {"error": message, "bad_rows": bad}
            self.stdout.write(json.dumps(data, indent=1, ensure_ascii=False))
        self._tell_bad_rows(raw)
        raise CommandError(message)

    def _tell_bad_rows(self, raw: RawScores) -> None:
        for row in raw.bad_rows[:SHOWN]:
            self.stderr.write(f"line {row.line}: {row.problem}")
        if len(raw.bad_rows) > SHOWN:
            self.stderr.write(f"... and {len(raw.bad_rows) - SHOWN} more; --json lists them all")
        if raw.ignored_columns:
            names = ", ".join(name or "a column without a name" for name in raw.ignored_columns)
            self.stderr.write(
                f"Not used: {names}. Name columns of metrics with --metric, other spellings with "
                "--column."
            )

    def _report(self, found: dict[str, Any]) -> None:
        for warning in found["warnings"]:
            self.stderr.write(f"Warning: {warning}")
        write = self.stdout.write
        write(f"Subjects: {len(found['subjects'])}, stimuli: {len(found['stimuli'])}")
        write("\nMOS (95 % interval by Student's t)")
        self._report_mos(found["mos"])
        if found["dmos"]:
            write(f"\nDMOS against the reference ({found['settings']['direction']})")
            self._report_mos(found["dmos"])
        self._report_screening(found)
        for mode, model in found["model"].items():
            if model["warning"]:
                write(f"\nSubject model, {mode}: {model['warning']}")
        self._report_methods(found["comparison"])
        self._report_mixed_model(found["mixed_model"])
        self._report_metrics(found["metrics"])
        write("\nAgreement")
        for name, value in found["agreement"].items():
            if value not in (None, ""):
                write(f"  {name} {value:.4f}" if isinstance(value, float) else f"  {name} {value}")

    def _report_mos(self, rows: list[dict[str, Any]]) -> None:
        width = max((len(row["stimulus"]) for row in rows), default=0)
        for row in rows:
            interval = f" +- {row['ci_t']:.3f}" if row["ci_t"] is not None else ""
            mos = _shown(row["mos"], "7.3f")
            self.stdout.write(f"  {row['stimulus']:{width}} {mos}{interval}  n = {row['n']}")

    def _report_mixed_model(self, found: dict[str, Any] | None) -> None:
        if found is None:
            return
        self.stdout.write(f"\nMixed model: difference from {found['reference']} (95 % interval)")
        columns = (found[name] for name in ("methods", "effect", "low", "high", "p"))
        for method, effect, low, high, p in zip(*columns, strict=True):
            interval = f"({_shown(low, '+.3f')} to {_shown(high, '+.3f')})"
            self.stdout.write(
                f"  {method:24} {_shown(effect, '+.3f')} {interval}  p = {_shown(p, '.2g')}"
            )
        if found["warning"]:
            self.stdout.write(f"  {found['warning']}")

    def _report_methods(self, found: dict[str, Any]) -> None:
        if not found["methods"]:
            return
        self.stdout.write("\nMethods, best first; those with a letter in common do not differ")
        for row in found["methods"]:
            letters = "".join(chr(ord("a") + k) for k in row["groups"])
            self.stdout.write(f"  {row['method']:24} {_shown(row['mos'], '7.3f')}  {letters}")
        if found["warning"]:
            self.stdout.write(f"  {found['warning']}")
        if found["power"]["detectable"] is not None:
            self.stdout.write(
                f"  These {found['power']['viewers']} viewers could show a difference of "
                f"{found['power']['detectable']:.2f} (power 80 %)."
            )

    def _report_metrics(self, found: dict[str, Any]) -> None:
        for name, metric in found.items():
            cubic = metric["mapping"]["cubic"]
            if cubic["reason"]:
                self.stdout.write(f"\nMetric {name}: {cubic['reason']}")
                continue
            shown = {label: cubic[label] for label in ("plcc", "srocc", "rmse", "outlier_ratio")}
            figures = ", ".join(
                f"{label} {value:.3f}" for label, value in shown.items() if value is not None
            )
            self.stdout.write(f"\nMetric {name} (monotone cubic, {cubic['n']} stimuli): {figures}")

    def _report_screening(self, found: dict[str, Any]) -> None:
        for rule, screening in found["screening"].items():
            rejected = [viewer for viewer in screening["viewers"] if viewer["rejected"]]
            rejected.sort(key=lambda viewer: viewer["order"] or 0)
            largest = _shown(screening["largest_change"], ".3f")
            change = f", which changes a MOS by up to {largest}"
            self.stdout.write(
                f"\nScreening by {rule}: {len(rejected)} rejected{change if rejected else ''}"
            )
            for text in filter(None, (screening["warning"], screening["note"])):
                self.stdout.write(f"  {text}")
            for viewer in rejected:
                self.stdout.write(f"  {viewer['subject']}: {viewer['reason']}")


def _mapping(text: str) -> tuple[str, str]:
    name, equals, spelling = text.partition("=")
    known = ("subject", "stimulus", "score", "content", "is_reference", "repetition", "method")
    if not equals or not spelling or name not in known:
        raise ArgumentTypeError(
            f"{text!r} maps nothing; write NAME=SPELLING with NAME one of {', '.join(known)}"
        )
    return name, spelling


def _shown(value: float | None, form: str) -> str:
    return "none" if value is None else format(value, form)


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is no seed; it is a whole number, 0 or above")
    return int(text)
