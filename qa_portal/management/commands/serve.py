"""The whole of Midgrey on one machine, in the foreground."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from qa_portal.postgres import PostgresError
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
            use_database()
            self.prepare()
            connection.close()  # children open their own
            children = self.children(server.fileno(), options["workers"].split())
            address = _address(options["host"], options["port"])
            Supervisor(children, settings.EMBEDDED_POSTGRES).run(
                on_started=lambda: self.announce(address)
            )
        self.stdout.write("Midgrey has stopped.")

    def prepare(self) -> None:
        """Tables and static files as this version needs them."""
        call_command("migrate", interactive=False, verbosity=0)
        if not settings.DEBUG:
            call_command("collectstatic", interactive=False, verbosity=0)

    def children(self, descriptor: int, workers: list[str]) -> list[Child]:
        children = [Child("web", [MANAGE, "web", f"--fd={descriptor}"], pass_fds=(descriptor,))]
        for number, queues in enumerate(workers, start=1):
            # each has a log file of its own
            name = f"worker-{number}-{queues.replace(',', '-')}"
            children.append(Child(name, [MANAGE, "worker", f"--queues={queues}"]))
        return children + self.extra_children()

    def extra_children(self) -> list[Child]:
        return []

    def announce(self, address: str) -> None:
        self.stdout.write(f"\nMidgrey is at {address}   (Ctrl-C stops it)\n")
        self.stdout.flush()


def use_database() -> None:
    try:
        if settings.EMBEDDED_POSTGRES:
            settings.EMBEDDED_POSTGRES.use()
    except PostgresError as error:
        raise CommandError(str(error)) from None


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
