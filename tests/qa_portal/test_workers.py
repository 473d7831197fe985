"""Two workers, as processes of their own, share a clip; one is killed in the middle of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from qa_portal.postgres import EmbeddedPostgres
from tests.upscalers.core.clips import draw
from tests.waiting import wait_for
from upscalers.core import degrade, engine, video
from upscalers.methods import get_method

ROOT = Path(__file__).resolve().parents[2]
FRAMES = 240
FOREIGN = ("DATABASE_URL", "DJANGO_SETTINGS_MODULE")  # of the tests themselves
ORDER = """
from upscalers import production
from upscalers.models import Source
production.request_pvss(Source.objects.get(), ["span-x2"], 2)
"""


class Lab:
    """An installation of its own with a database, and no process but those that are started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **{key: value for key, value in os.environ.items() if key not in FOREIGN},
            "MIDGREY_DATA_DIR": str(folder), "MIDGREY_THREADS": "1",
        }  # fmt: skip
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *arguments: str) -> None:
        self.processes[name] = subprocess.Popen(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def manage(self, *arguments: str) -> None:
        subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.environment,
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        parameters = EmbeddedPostgres(self.folder).connection_parameters()
        with psycopg.connect(**parameters) as connection:
            return connection.execute(query).fetchall()

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(30)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path / "lab")
    lab.manage("migrate")
    clip = draw(
        tmp_path / "clip.mkv", "-pix_fmt", "yuv420p", "-c:v", "ffv1", size="320x240", frames=FRAMES
    )  # fmt: skip
    lab.start("anna", "worker", "--queues=gpu", "--name=anna")
    lab.start("bert", "worker", "--queues=gpu", "--name=bert")
    lab.start("carl", "worker", "--queues=cpu", "--name=carl")
    lab.manage("ingest", str(clip))
    yield lab
    lab.stop()


@pytest.mark.slow
def test_a_worker_killed_in_mid_clip_costs_its_part_only(lab: Lab, tmp_path: Path) -> None:
    lab.manage("shell", "-c", ORDER)
    at_work = "SELECT worker FROM upscalers_job WHERE kind = 'chunk' AND state = 'running'"
    wait_for(lambda: {("anna",), ("bert",)} <= set(lab.ask(at_work)), 90, "both at work")
    os.kill(lab.processes["anna"].pid, signal.SIGKILL)
    made = "SELECT frames_sha256 FROM upscalers_pvs JOIN upscalers_clip c ON c.id = clip_id"
    wait_for(lambda: lab.ask(made), 240, "the PVS")
    jobs = lab.ask(
        "SELECT attempts, state FROM upscalers_job WHERE kind = 'chunk' ORDER BY attempts"
    )
    assert jobs == [(1, "done"), (1, "done"), (1, "done"), (2, "done")]
    assert not list((lab.folder / "media" / "chunks").iterdir())
    assert lab.ask(made) == [(made_in_one_go(tmp_path),)]


def made_in_one_go(folder: Path) -> str:
    """The same clip by the engine alone, without jobs and parts."""
    path = folder / "clip.mkv"
    fmt = video.probe(path)
    small, _, _ = degrade.make_low_resolution(path, fmt, folder / "low.mkv", 2)
    method = get_method("span-x2")
    done = engine.upscale(folder / "low.mkv", small, folder / "pvs.mkv", method, 2, "cpu")
    return done.frames_sha256
