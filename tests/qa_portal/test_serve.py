"""`manage.py serve` for real: every process of it is killed once, and it comes back."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from django.conf import settings

from tests.waiting import wait_for

pytestmark = pytest.mark.slow


class Served:
    def __init__(self, data_dir: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.data_dir = data_dir
        given = {"MIDGREY_DATA_DIR": str(data_dir), "MIDGREY_DISK_LOW_GB": "0"}
        kept = {
            name: value
            for name, value in os.environ.items()
            if name != "DATABASE_URL" and not name.startswith("MIDGREY")
        }
        self.output = data_dir.with_suffix(".log")
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "serve", "--port", str(self.port)],
                cwd=settings.BASE_DIR,
                env={**kept, **given, "DJANGO_SETTINGS_MODULE": "qa_portal.settings"},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def health(self) -> dict | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5) as got:
                return json.load(got)
        except urllib.error.HTTPError as error:
            return json.load(error)
        except OSError:
            return None

    def is_well(self) -> bool:
        report = self.health()
        return report is not None and report["status"] == "ok"

    def all_processes(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def pid_of(self, *words: str) -> int | None:
        for process in self.all_processes():
            with suppress(psutil.Error):  # one that just ends
                if set(words) <= set(process.cmdline()):
                    return process.pid
        return None


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("served") / "data of a lab")
    wait_for(served.is_well, 60, "the first good health report")
    yield served
    if served.process.poll() is None:
        served.process.terminate()
        served.process.wait(30)


def test_two_workers_and_the_web_process_are_alive(served):
    wait_for(lambda: served.health()["workers"]["alive"] == 2)
    assert served.pid_of("web")


def test_logs_are_json_lines_one_file_per_process(served):
    logs = served.data_dir / "logs"
    lines = (logs / "manage.jsonl").read_text().splitlines()
    assert all(json.loads(line)["message"] for line in lines)
    assert any("started web" in line for line in lines)


@pytest.mark.parametrize(
    "words", [("web",), ("worker", "--queues=gpu"), ("worker", "--queues=cpu")]
)
def test_a_killed_process_is_back_at_once(served, words):
    pid = wait_for(lambda: served.pid_of(*words))
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: served.pid_of(*words) not in (None, pid))
    wait_for(served.is_well)


def test_a_killed_postgresql_is_back_at_once(served):
    lock = served.data_dir / "postgres" / "postmaster.pid"
    pid = int(lock.read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: lock.exists() and int((lock.read_text().split() or [pid])[0]) != pid)
    wait_for(served.is_well)


def test_a_stop_leaves_nothing_running(served):  # last: it ends the server of this module
    processes = served.all_processes()
    assert len(processes) >= 4
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(30) == 0
    _, alive = psutil.wait_procs(processes, timeout=5)
    assert [p for p in alive if p.status() != psutil.STATUS_ZOMBIE] == []
    assert not (served.data_dir / "postgres" / "postmaster.pid").exists()
    assert served.output.read_text().endswith("Midgrey has stopped.\n")
