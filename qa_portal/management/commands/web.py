"""Serves pages, media and WebSockets from this process. On one machine, `serve` runs it."""

from __future__ import annotations

import socket
from argparse import ArgumentParser
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from qa_portal.supervisor import PortBusy, listen


class Command(BaseCommand):
    help = "Serve the pages in this process, without workers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--fd", type=int, help="an open socket to use instead")
        parser.add_argument("--certificate", help="a file: speak https, with the key in --key")
        parser.add_argument("--key", help="a file")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["fd"] is not None:
                server = socket.socket(fileno=options["fd"])
            else:
                server = listen(options["host"], options["port"])
        except PortBusy as error:
            raise CommandError(str(error)) from None
        config = uvicorn.Config(
            "qa_portal.asgi:application",
            lifespan="off",
            ws="websockets-sansio",
            log_config=None,  # Django's
            access_log=False,
            proxy_headers=settings.BEHIND_PROXY,
            server_header=False,
            timeout_graceful_shutdown=3,
            ssl_certfile=options["certificate"],
            ssl_keyfile=options["key"],
        )
        uvicorn.Server(config).run(sockets=[server])
