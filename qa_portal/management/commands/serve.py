"""The whole of Midgrey on one machine, in the foreground."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from qa_portal.supervisor import Child, PortBusy, Supervisor, listen

MANAGE = str(Path(settings.BASE_DIR) / "manage.py")


class Command(BaseCommand):
    help = "Run web, workers and the embedded PostgreSQL until Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument(
            "--workers",
            default="gpu cpu",
            help="queues of each worker, e.g. 'gpu cpu cpu' for three, '' for none",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            server = listen(options["host"], options["port"])
        except PortBusy as error:
            raise CommandError(str(error)) from None
        with server:
            prepare()
            self.run(server.fileno(), options)
        self.stdout.write("Midgrey has stopped.")

    def run(self, descriptor: int, options: dict[str, Any]) -> None:
        children = [Child("web", [MANAGE, "web", f"--fd={descriptor}"], pass_fds=(descriptor,))]
        for number, queues in enumerate(options["workers"].split()):
            name = f"worker-{queues.replace(',', '-')}"
            if any(child.name == name for child in children):
                name += f"-{number}"  # each has a log file of its own
            children.append(Child(name, [MANAGE, "worker", f"--queues={queues}"]))
        children += self.extra_children()
        host = f"[{options['host']}]" if ":" in options["host"] else options["host"]
        address = f"http://{host}:{options['port']}/"
        Supervisor(children, settings.EMBEDDED_POSTGRES).run(
            on_started=lambda: self.announce(address)
        )

    def extra_children(self) -> list[Child]:
        return []

    def announce(self, address: str) -> None:
        self.stdout.write(f"\nMidgrey is at {address}   (Ctrl-C stops it)\n")
        self.stdout.flush()


def prepare() -> None:
    """Tables and static files as this version needs them."""
    call_command("migrate", interactive=False, verbosity=0)
    connection.close()  # children open their own
    if not settings.DEBUG:
        call_command("collectstatic", interactive=False, verbosity=0)
    sys.stdout.flush()
