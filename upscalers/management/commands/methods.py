"""List the methods that can be upscaled with."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from upscalers.methods import all_methods


class Command(BaseCommand):
    help = "List the upscaling methods."
    requires_system_checks = []  # needs no database and no web settings

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON list")

    def handle(self, *args: Any, **options: Any) -> None:
        methods = all_methods().values()
        fields = ("slug", "name", "family", "scales", "description", "licence", "citation",
                  "weights_sha256")  # fmt: skip
        if options["json"]:
            rows = [{field: getattr(method, field) for field in fields} for method in methods]
            self.stdout.write(json.dumps(rows, indent=2))
            return
        for method in methods:
            scales = "any" if method.scales is None else ", ".join(f"x{s}" for s in method.scales)
            self.stdout.write(f"{method.slug:<10} {scales:<6} {method.name}: {method.description}")
