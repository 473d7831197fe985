"""List the methods that can be upscaled with."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from upscalers.methods import Method, all_methods

FIELDS = ("slug", "name", "family", "scales", "parameters", "flop_per_pixel", "halo", "runs_here",
          "description", "licence", "citation", "weights_sha256")  # fmt: skip
_HEADINGS = ("METHOD", "FAMILY", "SCALE", "PARAMETERS", "NAME", "LICENCE")


class Command(BaseCommand):
    help = "List the upscaling methods."
    requires_system_checks = []  # needs no database and no web settings

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON list")

    def handle(self, *args: Any, **options: Any) -> None:
        methods = all_methods().values()
        if options["json"]:
            rows = [{field: getattr(method, field) for field in FIELDS} for method in methods]
            self.stdout.write(json.dumps(rows, indent=2))
            return
        table = [_HEADINGS, *map(_row, methods)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = (
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
            for row in table
        )
        self.stdout.write("\n".join(lines))  # at once: whoever reads may stop after some lines


def _row(method: Method) -> tuple[str, ...]:
    scales = "any" if method.scales is None else ", ".join(f"x{s}" for s in method.scales)
    parameters = f"{method.parameters:,}" if method.parameters else "-"
    return (method.slug, method.family, scales, parameters, method.name, method.licence)
