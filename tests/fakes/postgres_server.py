"""A real PostgreSQL for tests: in a folder that goes away, on a free loopback port, with a password."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, LiteralString

import psycopg

from tests.fakes.certificates import self_signed
from tests.fakes.processes import PATIENCE, free_port
from wardgate.domain.durable import PostgresPlace

USER, PASSWORD = "gateway", "gateway-word"
_SPEED = ("fsync=off", "full_page_writes=off", "shared_buffers=64MB", "max_connections=60")


class PostgresServer:
    """`with PostgresServer() as postgres:`; each test takes a database of its own (`database`)."""

    def __init__(self, *settings: str, folder: Path | None = None) -> None:
        """`settings` of postgresql.conf, as `name=value`; `folder` where it shall lie, and stay."""
        self._programs = _programs()
        self._temporary = TemporaryDirectory(prefix="wardgate-postgres-") if folder is None else None
        self._folder = folder or Path(self._temporary.name if self._temporary else "")
        self._settings = [*_SPEED, *settings]
        self.certificate = self._folder / "self-signed.pem"
        """For localhost; signs itself."""
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._databases, self._empty = 0, ""
        if not (self._folder / "data" / "PG_VERSION").exists():
            self._make()

    def __enter__(self) -> "PostgresServer":
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._process is not None:
            self.kill()
        if self._temporary is not None:
            self._temporary.cleanup()

    def place(self, database: str, **changes: Any) -> PostgresPlace:
        return PostgresPlace(
            **{
                "host": "127.0.0.1",
                "port": self.port,
                "database": database,
                "user": USER,
                "password": PASSWORD,
                "sslmode": "disable",
                **changes,
            }
        )

    def database(self) -> str:
        """A new, empty one."""
        self._databases += 1
        name = f"test{self._databases}"
        with self.session() as session:
            session.execute(f"CREATE DATABASE {name} OWNER {USER}")
        return name

    def emptied(self) -> str:
        """One database, empty each time: cheaper than a new one."""
        if not self._empty:
            self._empty = self.database()
        with self.session(self._empty) as session:
            session.execute(f"DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION {USER}")
        return self._empty

    def connect(self, database: str, user: str = USER) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, dbname=database, user=user, password=PASSWORD, sslmode="disable"
        )

    @contextmanager
    def session(self, database: str = "postgres") -> Iterator[psycopg.Connection[Any]]:
        """Each statement for itself; as the administrator."""
        with self.connect(database, "admin") as connection:
            connection.autocommit = True
            yield connection

    def run(self, database: str, statement: LiteralString) -> list[tuple[Any, ...]]:
        with self.session(database) as session:
            cursor = session.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        """Answers when it returns."""
        tls = ["ssl=on", f"ssl_cert_file={self.certificate}", f"ssl_key_file={self.certificate}"]
        settings = [*self._settings, *tls, "listen_addresses=127.0.0.1", "unix_socket_directories="]
        command = [str(self._programs / "postgres"), "-D", str(self._folder / "data"), "-p", str(self.port)]
        process = subprocess.Popen(
            command + [word for setting in settings for word in ("-c", setting)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            **_unprivileged(),
        )
        self._process = process
        until = time.monotonic() + PATIENCE
        while True:
            try:
                with self.session():
                    return
            except psycopg.OperationalError:
                assert time.monotonic() < until and process.poll() is None, "PostgreSQL did not start"
                time.sleep(0.05)

    def stop(self) -> None:
        """In order; what was in its own cache is on the disk."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(300)
        self._process = None

    def kill(self) -> None:
        """As a crash: no client is told."""
        assert self._process is not None
        children = self._children()
        for pid in (self._process.pid, *children):
            _signal(pid, signal.SIGKILL)
        self._process.wait(PATIENCE)
        self._process = None
        until = time.monotonic() + PATIENCE
        while any(map(_lives, children)):  # they have files and the port
            assert time.monotonic() < until
            time.sleep(0.005)

    def hang(self) -> None:
        """It takes connections and statements, and never answers."""
        assert self._process is not None
        for pid in (self._process.pid, *self._children()):
            _signal(pid, signal.SIGSTOP)

    def wake(self) -> None:
        assert self._process is not None
        for pid in (*self._children(), self._process.pid):
            _signal(pid, signal.SIGCONT)

    def _children(self) -> list[int]:
        assert self._process is not None
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            status = _status(int(folder.name))
            if status and int(status[1]) == self._process.pid:
                found.append(int(folder.name))
        return found

    def _make(self) -> None:
        word = self._folder / "word"
        word.write_text(PASSWORD, encoding="utf-8")
        self_signed(self._folder, 2).chmod(0o600)
        user = _unprivileged()
        if user:
            for path in (self._folder, word, self.certificate):
                os.chown(path, user["user"], user["group"])
        subprocess.run(
            [str(self._programs / "initdb"), "-D", str(self._folder / "data"), "-U", "admin", "--pwfile", str(word)]
            + ["-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"],
            check=True,
            capture_output=True,
            cwd=self._folder,
            **user,
        )
        self.start()
        with self.session() as session:
            session.execute(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'")
        self.kill()


def _programs() -> Path:
    """The folder of initdb and postgres; Debian keeps them off the path."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not folders or not (folders[-1] / "postgres").exists():
        raise AssertionError("the tests of the durable store need PostgreSQL: bash tests/system-packages.sh")
    return folders[-1]


def _unprivileged() -> Any:
    """It refuses to run as root."""
    if os.getuid() != 0:
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = names.get("postgres") or names["nobody"]
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _status(pid: int) -> list[str]:
    """State, parent, …; empty where there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _lives(pid: int) -> bool:
    return _status(pid)[:1] not in ([], ["Z"])


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
