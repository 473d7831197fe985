"""The supervisor with small real processes as its children."""

import os
import signal
import socket
import subprocess
import sys

import psutil
import pytest
from django.conf import settings

from qa_portal.supervisor import PortBusy, listen
from tests.waiting import wait_for

SUPERVISE = """
import logging, sys
from qa_portal.supervisor import Child, Supervisor
logging.basicConfig(level="INFO", format="%(message)s")
once = len(sys.argv) > 2
Supervisor([Child("child", ["-c", sys.argv[1]], once=once)], None).run()
print("stopped in order")
"""
WITHOUT_POSTGRES = """
import logging
from qa_portal.postgres import PostgresError
from qa_portal.supervisor import Child, Supervisor
logging.basicConfig(level="INFO", format="%(message)s")
errors = [PostgresError("it was killed again"), OSError("no space left")]
class Failing:
    def ensure_running(self):
        if errors:
            raise errors.pop(0)
        return True
Supervisor([Child("child", ["-c", "import time; time.sleep(600)"])], Failing()).run()
"""
WAITING = "import time\nwhile True: time.sleep(1)"
WITH_GRANDCHILD = (
    "import subprocess, sys, time; subprocess.Popen(['sleep', '600']); time.sleep(600)"
)
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN)\nwhile True: time.sleep(1)"


@pytest.fixture
def supervise():
    processes = []

    def begin(child: str, *more: str, script: str = SUPERVISE) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", script, child, *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=settings.BASE_DIR,
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        if process.poll() is None:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            process.kill()
        process.stdout.close()
        process.wait()


def child_of(process: subprocess.Popen[str]) -> psutil.Process:
    return wait_for(lambda: psutil.Process(process.pid).children(), what="a child")[0]


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_a_killed_child_is_started_again(supervise):
    supervisor = supervise(WAITING)
    first = child_of(supervisor)
    first.kill()
    wait_for(lambda: child_of(supervisor).pid != first.pid)


def test_a_postgresql_that_cannot_be_started_is_tried_again_and_ends_nothing(supervise):
    supervisor = supervise(WAITING, script=WITHOUT_POSTGRES)
    child = child_of(supervisor)
    said = [supervisor.stdout.readline().strip() for _ in range(4)]
    assert said[1:] == [
        "PostgreSQL cannot be started again: it was killed again",
        "PostgreSQL cannot be started again: no space left",
        "PostgreSQL had died and was started again",
    ]
    assert child.is_running()


def test_a_child_that_is_done_is_not_started_again(supervise):
    supervisor = supervise("print('worked', flush=True)", "once")
    assert supervisor.stdout.readline().startswith("started child")
    assert supervisor.stdout.readline() == "worked\n"
    wait_for(lambda: not psutil.Process(supervisor.pid).children())
    supervisor.terminate()
    assert supervisor.communicate(timeout=20)[0] == "stopped in order\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_ends_children_and_grandchildren(supervise, number):
    supervisor = supervise(WITH_GRANDCHILD)
    child = child_of(supervisor)
    grandchild = wait_for(child.children, what="a grandchild")[0]
    supervisor.send_signal(number)
    assert "stopped in order" in supervisor.communicate(timeout=20)[0]
    assert supervisor.returncode == 0
    wait_for(lambda: is_gone(child) and is_gone(grandchild))


def test_a_killed_child_leaves_no_grandchild_behind(supervise):
    supervisor = supervise(WITH_GRANDCHILD)
    child = child_of(supervisor)
    grandchild = wait_for(child.children, what="a grandchild")[0]
    child.kill()
    wait_for(lambda: is_gone(grandchild))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of it")
def test_children_end_when_the_supervisor_is_killed(supervise):
    supervisor = supervise(WAITING)
    child = child_of(supervisor)
    supervisor.kill()
    wait_for(lambda: is_gone(child))


def test_a_second_stop_does_not_wait_for_a_stubborn_child(supervise):
    supervisor = supervise(STUBBORN)
    child = child_of(supervisor)
    wait_for(lambda: "15" in _ignored_signals(child.pid), what="the child to turn stubborn")
    supervisor.terminate()
    wait_for(lambda: "stopping" in supervisor.stdout.readline())
    supervisor.terminate()
    supervisor.communicate(timeout=8)  # less than the grace
    assert is_gone(child)


def _ignored_signals(pid: int) -> set[str]:
    with open(f"/proc/{pid}/status") as file:
        mask = next(int(line.split()[1], 16) for line in file if line.startswith("SigIgn"))
    return {str(number) for number in range(1, 65) if mask >> (number - 1) & 1}


def test_a_busy_port_is_reported_with_what_to_do():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortBusy, match=f"make demo PORT={port + 1}"):
            listen("127.0.0.1", port)


def test_serve_on_a_busy_port_starts_nothing_and_exits_with_one(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = subprocess.run(
            [sys.executable, "manage.py", "serve", "--port", str(port)],
            cwd=settings.BASE_DIR,
            env={**os.environ, "MIDGREY_DATA_DIR": str(tmp_path / "data")},
            capture_output=True,
            text=True,
        )
    assert result.returncode == 1
    assert "choose another port" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "data" / "postgres").exists()
