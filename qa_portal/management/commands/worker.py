"""Takes jobs from the queue, one at a time, until asked to stop."""

from __future__ import annotations

import asyncio
import os
import socket
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from procrastinate.contrib.django import DjangoApp, app
from procrastinate.contrib.django.django_connector import DjangoConnector

from upscalers import jobs

HEARTBEAT_SECONDS = 5.0


class Command(BaseCommand):
    help = "Run jobs: on as many machines as share the database and the media."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--queues",
            default="gpu,cpu",
            help="separated by commas: gpu (upscaling), cpu (everything else); default both",
        )
        parser.add_argument("--name", help="shown with its jobs; default is the machine's name")

    def handle(self, *args: Any, **options: Any) -> None:
        queues = [queue.strip() for queue in options["queues"].split(",") if queue.strip()]
        name = options["name"] or f"{socket.gethostname()}-{'-'.join(queues)}-{os.getpid()}"
        jobs.start_upkeep(name, queues)
        asyncio.run(work(queues, name))


async def work(queues: list[str], name: str) -> None:
    async with _fetching_app().open_async() as fetching:
        await fetching.run_worker_async(
            queues=queues,
            name=name,
            concurrency=1,
            update_heartbeat_interval=HEARTBEAT_SECONDS,
            stalled_worker_timeout=jobs.STALLED_AFTER_SECONDS,
            shutdown_graceful_timeout=0.0,  # a running job is told at once, and put back
            fetch_job_polling_interval=2.0,  # for when a notification got lost
        )


def _fetching_app() -> DjangoApp:
    """Fetches jobs through a connection pool of its own, while the tasks stay with the usual app:
    what a job puts into the queue then belongs to its Django transaction, and no other worker
    sees it before the rows it is about."""
    assert isinstance(app.connector, DjangoConnector)
    fetching = DjangoApp(connector=app.connector.get_worker_connector())
    fetching.tasks = app.tasks
    fetching.periodic_registry = app.periodic_registry
    return fetching
