"""The whole of Midgrey on one machine, in the foreground."""

from __future__ import annotations

import io
import os
import socket
from argparse import ArgumentParser
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import segno
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from qa_portal import lan
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
        parser.add_argument(
            "--lan",
            action="store_true",
            help="listen on the network too, with a certificate that Midgrey makes itself",
        )
        parser.add_argument("--https-port", type=int, default=8443, help="with --lan")

    def handle(self, *args: Any, **options: Any) -> None:
        with ExitStack() as sockets:
            try:
                host = "0.0.0.0" if options["lan"] else options["host"]
                plain = sockets.enter_context(listen(host, options["port"]))
                secure = None
                if options["lan"]:
                    secure = sockets.enter_context(listen(host, options["https_port"]))
            except PortBusy as error:
                raise CommandError(str(error)) from None
            web = [_web("web", plain)]
            self.address = _address(options["host"], options["port"])
            announcement = f"Midgrey is at {self.address}"
            if secure:
                web.append(_web("web-https", secure, *_certified()))
                announcement = self.open_to_network(options["port"], options["https_port"])
            use_database()
            self.prepare()
            connection.close()  # children open their own
            children = web + self.workers(options["workers"].split()) + self.extra_children()
            Supervisor(children, settings.EMBEDDED_POSTGRES).run(
                on_started=lambda: self.announce(announcement)
            )
        self.stdout.write("Midgrey has stopped.")

    def open_to_network(self, port: int, https_port: int) -> str:
        """Tells the children, by their environment, and says how others find Midgrey."""
        authority: lan.Authority = settings.AUTHORITY
        found = lan.addresses()
        if not found:
            raise CommandError(
                "This computer has no address on a network: connect it, or leave --lan away."
            )
        vouched = authority.certify(lan.hosts())
        if found[0] not in vouched:
            raise CommandError(
                f"The certificate authority of this Midgrey may not vouch for {found[0]}, a public "
                f"address that is new. Remove {authority.folder} to make a new authority; devices "
                "then have to be told to trust that one."
            )
        plain, secure = f"http://{found[0]}:{port}", f"https://{found[0]}:{https_port}"
        self.address = f"{secure}/"
        os.environ["MIDGREY_LAN_PORT"] = str(https_port)
        os.environ.setdefault("MIDGREY_SEATS_AT", plain)
        others = "".join(f", https://{host}:{https_port}/" for host in vouched[1:])
        return (
            f"Midgrey is on the network at {secure}/\n"
            f"  also at                   {others[2:] or 'no other address'}\n"
            f"  viewers join at           {plain}/join/\n"
            f"  to trust its certificate  {plain}/lan/\n"
            f"  SHA-256 of the authority  {authority.fingerprint}\n"
            f"  on the display machine    manage.py display {secure}/ --trust "
            f"{authority.server_pin}\n\n{_terminal_code(f'{plain}/lan/')}"
        )

    def prepare(self) -> None:
        """Tables and static files as this version needs them."""
        call_command("migrate", interactive=False, verbosity=0)
        if not settings.DEBUG:
            call_command("collectstatic", interactive=False, verbosity=0)

    def workers(self, wanted: list[str]) -> list[Child]:
        children = []
        for number, queues in enumerate(wanted, start=1):
            # each has a log file of its own
            name = f"worker-{number}-{queues.replace(',', '-')}"
            children.append(Child(name, [MANAGE, "worker", f"--queues={queues}"]))
        return children

    def extra_children(self) -> list[Child]:
        return []

    def announce(self, where: str) -> None:
        first, *more = where.split("\n")
        self.stdout.write("\n".join([f"\n{first}   (Ctrl-C stops it)", *more, ""]))
        self.stdout.flush()


def _web(name: str, server: socket.socket, *more: str) -> Child:
    descriptor = server.fileno()
    return Child(name, [MANAGE, "web", f"--fd={descriptor}", *more], pass_fds=(descriptor,))


def _certified() -> tuple[str, str]:
    authority: lan.Authority = settings.AUTHORITY
    return f"--certificate={authority.server_file}", f"--key={authority.server_key_file}"


def _terminal_code(link: str) -> str:
    drawn = io.StringIO()
    segno.make(link, micro=False).terminal(drawn, compact=True, border=2)
    return drawn.getvalue()


def use_database() -> None:
    try:
        if settings.EMBEDDED_POSTGRES:
            settings.EMBEDDED_POSTGRES.use()
    except PostgresError as error:
        raise CommandError(str(error)) from None


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
