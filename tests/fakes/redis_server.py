"""A real Redis for tests: on a free loopback port, with a password and a user of its own, and nothing kept on disk."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fakes.processes import PATIENCE, free_port
from wardgate.domain.hot import StorePlace

USER, PASSWORD, ADMIN = "gateway", "gateway-word", "admin-word"
RIGHTS = (
    "~wardgate:* resetchannels &wardgate:* -@all +mget +set +select +get +strlen +watch +unwatch +multi +exec +discard "
    "+hset +hlen +hvals +hdel +publish +subscribe +unsubscribe +ping"
)


class RedisServer:
    """`with RedisServer() as redis:`; the user may do what docs/stores.md says, and no more."""

    def __init__(self, tls: bool = False) -> None:
        if shutil.which("redis-server") is None:
            raise AssertionError("the tests of the hot store need redis-server: bash tests/system-packages.sh")
        self._folder = TemporaryDirectory(prefix="wardgate-redis-")
        self.port = free_port()
        self.tls = tls
        self.ca: str | None = str(Path(self._folder.name, "cert.pem")) if tls else None
        self._process: subprocess.Popen[bytes] | None = None
        if tls:
            _certificate(Path(self._folder.name))
        self._write_config()

    @property
    def place(self) -> StorePlace:
        return StorePlace("127.0.0.1", self.port, 0, USER, PASSWORD, self.tls, self.ca)

    def __enter__(self) -> "RedisServer":
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._process is not None:
            self.kill()
        self._folder.cleanup()

    def start(self) -> None:
        """Answers when it returns."""
        self._process = subprocess.Popen(
            ["redis-server", str(Path(self._folder.name, "redis.conf"))],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder.name,
        )
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self._process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                    return
            except OSError:
                time.sleep(0.02)
        raise AssertionError("redis-server did not start")

    def kill(self) -> None:
        assert self._process is not None
        self.wake()
        self._process.kill()
        self._process.wait(PATIENCE)
        self._process = None

    def hang(self) -> None:
        """It accepts connections, and never answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def command(self, *words: str | bytes) -> bytes:
        """One command as the administrator, over a connection of its own; the first line of the reply."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as sock:
            assert not self.tls
            sock.sendall(_packed("AUTH", ADMIN) + _packed(*words))
            with sock.makefile("rb") as reply:
                assert reply.readline() == b"+OK\r\n"
                return reply.readline().rstrip()

    def keys(self) -> list[bytes]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as sock:
            sock.sendall(_packed("AUTH", ADMIN) + _packed("KEYS", "*"))
            with sock.makefile("rb") as reply:
                reply.readline()
                found = []
                for _ in range(int(reply.readline()[1:])):
                    reply.readline()
                    found.append(reply.readline().rstrip())
                return found

    def _write_config(self) -> None:
        folder = Path(self._folder.name)
        listen = f"port {self.port}"
        if self.tls:
            listen = (
                f"port 0\ntls-port {self.port}\ntls-cert-file {folder}/cert.pem\ntls-key-file {folder}/key.pem\n"
                f"tls-ca-cert-file {folder}/cert.pem\ntls-auth-clients no"
            )
        text = (
            f'bind 127.0.0.1\n{listen}\nsave ""\nappendonly no\ndir {folder}\nrequirepass {ADMIN}\n'
            f"user {USER} on >{PASSWORD} {RIGHTS}\nenable-debug-command local\n"
        )
        path = folder / "redis.conf"
        path.write_text(text, encoding="utf-8")
        os.chmod(path, 0o600)


def _packed(*words: str | bytes) -> bytes:
    raw = [word.encode() if isinstance(word, str) else word for word in words]
    return b"*%d\r\n" % len(raw) + b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in raw])


def _certificate(folder: Path) -> None:
    """A certificate for 127.0.0.1 that signs itself."""
    assert shutil.which("openssl") is not None, "the test of TLS needs openssl"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
        + ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
