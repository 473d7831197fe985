"""Add a lab's own method, without a database: manage.py add_method NET.pth --slug net-x2 ..."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from upscalers.core.errors import MethodError
from upscalers.methods import lab


class Command(BaseCommand):
    help = (
        "Add a method: a file of trained weights (.pth, .pt, .ckpt or .safetensors), whose network "
        "is recognised and tried out; or, without FILE, one whose clips are made elsewhere."
    )
    requires_system_checks = []  # needs no database and no web settings

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, nargs="?", metavar="FILE")
        parser.add_argument("--slug", required=True, help="its short name, such as our-net-x2")
        parser.add_argument("--name", required=True, help="as people shall read it")
        parser.add_argument("--licence", required=True, help="of network and weights")
        parser.add_argument("--citation", required=True, help="the paper, or who trained it")
        parser.add_argument("--description", default="", help="what it is, and trained on what")
        parser.add_argument("--json", action="store_true", help="print what was added as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        says = {key: options[key] for key in ("slug", "name", "licence", "citation", "description")}
        try:
            if options["file"] is None:
                method = lab.add_external(**says, added_by="command line")
            else:
                method = lab.add(options["file"], **says, added_by="command line")
        except MethodError as error:
            raise CommandError(str(error)) from None
        if options["json"]:
            self.stdout.write(json.dumps(lab.described(method.slug), indent=2))
            return
        scale = f", x{method.scales[0]}, {method.parameters:,} parameters" if method.scales else ""
        self.stdout.write(f"{method.slug} was added: {method.description}{scale}")
