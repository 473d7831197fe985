"""The embedded PostgreSQL, really started, shared and killed."""

import errno
import os
import signal
import stat
import struct
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest
from django.conf import settings

from qa_portal.postgres import EmbeddedPostgres, PostgresError
from tests.waiting import wait_for

USE = """
import sys
from pathlib import Path
from qa_portal.postgres import EmbeddedPostgres
EmbeddedPostgres(Path(sys.argv[1]), durable=False).use()
print("using", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def data_dir(tmp_path):
    """A folder with a space in its name; whatever still runs in it is stopped afterwards."""
    folder = tmp_path / "data of a lab"
    yield folder
    if process := EmbeddedPostgres(folder)._postmaster():
        process.send_signal(signal.SIGQUIT)
        psutil.wait_procs([process], timeout=10)


@pytest.fixture
def user(data_dir):
    """Starts processes that use the server; they leave when their input is closed."""
    processes = []

    def begin() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", USE, str(data_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=settings.BASE_DIR,
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def is_using(process: subprocess.Popen[str]) -> None:
    line = process.stdout.readline()
    assert line == "using\n", process.communicate()[1]


def leaves(process: subprocess.Popen[str]) -> str:
    _, errors = process.communicate(timeout=40)
    assert process.returncode == 0, errors
    return errors


def server_pid(data_dir: Path) -> int | None:
    process = EmbeddedPostgres(data_dir)._postmaster()
    return process.pid if process else None


def test_the_last_user_stops_the_server(data_dir, user):
    first, second = user(), user()
    is_using(first)
    is_using(second)  # two first starts at once agree on one server
    pid = server_pid(data_dir)
    leaves(first)
    assert server_pid(data_dir) == pid
    leaves(second)
    assert server_pid(data_dir) is None


def test_a_server_left_by_a_killed_user_is_taken_over_and_stopped(data_dir, user):
    killed = user()
    is_using(killed)
    pid = server_pid(data_dir)
    killed.kill()
    killed.wait()
    heir = user()
    is_using(heir)
    assert server_pid(data_dir) == pid
    leaves(heir)
    assert server_pid(data_dir) is None


def test_a_killed_server_is_started_again_with_its_data(data_dir):
    server = EmbeddedPostgres(data_dir)
    server.use()
    with psycopg.connect(**server.connection_parameters()) as connection:
        connection.execute("CREATE TABLE votes AS SELECT 7 AS score")
    assert server.ensure_running() is False
    os.kill(server_pid(data_dir), signal.SIGKILL)
    wait_for(lambda: server_pid(data_dir) is None)
    assert server.ensure_running() is True
    with psycopg.connect(**server.connection_parameters()) as connection:
        assert connection.execute("SELECT score FROM votes").fetchone() == (7,)
    server.leave()
    assert server_pid(data_dir) is None


class KilledOnceMore(EmbeddedPostgres):
    """Its first server is killed right after it answered, before anything was asked of it."""

    killed = False

    def _ensure_database(self):
        if not self.killed:
            self.killed = True
            os.kill(server_pid(self.data_dir), signal.SIGKILL)
            wait_for(lambda: server_pid(self.data_dir) is None)
        super()._ensure_database()


def test_a_server_killed_just_after_its_restart_is_an_error_that_the_next_try_mends(data_dir):
    server = KilledOnceMore(data_dir)
    with pytest.raises(PostgresError, match="Start Midgrey again"):
        server.use()
    assert server.ensure_running() is True
    psycopg.connect(**server.connection_parameters()).close()
    server.leave()


def test_a_stale_lock_with_a_reused_process_number_is_removed_and_reported(data_dir, user):
    leaves(user())
    lock = data_dir / "postgres" / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{lock.parent}\n1700000000\n5432\n\n\n\nready\n")
    socket_lock = lock.with_name(".s.PGSQL.5432.lock")
    socket_lock.write_text(lock.read_text())
    if os.geteuid() == 0:
        for left in (lock, socket_lock):
            os.chown(left, lock.parent.stat().st_uid, -1)
    process = user()
    is_using(process)
    assert server_pid(data_dir) not in (None, os.getpid())
    assert "stale PostgreSQL lock" in leaves(process)


def test_a_forked_child_does_not_stop_its_parents_server(data_dir):
    server = EmbeddedPostgres(data_dir, durable=False)
    server.use()
    child = os.fork()
    if child == 0:
        server.leave()
        os._exit(0)
    os.waitpid(child, 0)
    assert server_pid(data_dir) is not None
    server.leave()
    assert server_pid(data_dir) is None


def test_the_folder_of_the_server_is_closed_to_others(data_dir):
    server = EmbeddedPostgres(data_dir, durable=False)
    server.use()
    assert server.socket_folder.stat().st_mode & 0o077 == 0
    server.leave()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has the server run by another user")
@pytest.mark.parametrize("known", [True, False], ids=["access lists", "no access lists"])
def test_run_by_root_below_a_private_folder_the_server_alone_may_pass(tmp_path, monkeypatch, known):
    if not known:
        monkeypatch.setattr(os, "getxattr", _not_supported)
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    (private / "notes.txt").write_text("mine")
    server = EmbeddedPostgres(private / "data", durable=False)
    for _ in range(2):  # the second start finds its permission there
        server.use()
        server.leave()
    mode = stat.S_IMODE(private.stat().st_mode)
    reader = ["cat", str(private / "notes.txt")]
    others = subprocess.run(reader, user=65534, group=65534, extra_groups=[], capture_output=True)
    assert mode == (0o710 if known else 0o701)
    assert others.returncode == (1 if known else 0)
    if known:
        entries = os.getxattr(private, "system.posix_acl_access")
        assert struct.unpack("<I" + "HHI" * 5, entries)[4:7] == (2, 1, _server_user(private))


def _not_supported(*args):
    raise OSError(errno.EOPNOTSUPP, "not supported")


def _server_user(private: Path) -> int:
    return (private / "data" / "postgres").stat().st_uid


@pytest.mark.parametrize("name", ["x" * 100, "a,comma", "ünïcode"])
def test_a_path_too_long_or_too_odd_for_a_socket_works(tmp_path, name):
    server = EmbeddedPostgres(tmp_path / name, durable=False)
    server.use()
    try:
        assert server.socket_folder.parent == Path("/tmp")
        psycopg.connect(**server.connection_parameters()).close()
    finally:
        server.leave()
    assert not server.socket_folder.exists()


def test_a_folder_with_something_else_in_it_is_refused(data_dir):
    (data_dir / "postgres").mkdir(parents=True)
    (data_dir / "postgres" / "notes.txt").write_text("mine")
    with pytest.raises(PostgresError, match="move it away"):
        EmbeddedPostgres(data_dir).use()
    assert (data_dir / "postgres" / "notes.txt").read_text() == "mine"


def test_a_server_that_cannot_start_says_why(data_dir, user):
    leaves(user())
    with (data_dir / "postgres" / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")
    with pytest.raises(PostgresError, match="no_such_setting"):
        EmbeddedPostgres(data_dir).use()
