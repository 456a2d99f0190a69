"""A gateway as a hospital runs it: several workers, a shared store, TLS, and clients that have to show who they are."""

import os
import signal
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.fakes.certificates import Authority
from tests.fakes.config_tree import Edit, sound_config
from tests.fakes.kidney_calls import kidney_call
from tests.fakes.processes import PATIENCE, ask, free_port, process, wait_until
from tests.fakes.redis_server import PASSWORD, USER, RedisServer
from tests.fakes.tokens import ISSUER, ec_signer, key_set, rsa_signer, token
from wardgate.cli import serve

PUBLIC = "https://cds.hospital.example/gateway"
SERVICE = "/gateway/cds-services/kidney-failure"


class Hospital:
    """Its files, and calls to its gateway."""

    def __init__(self, folder: Path, *edits: Edit) -> None:
        self.folder, self.listen, self.admin = folder, free_port(), free_port()
        self.authority = Authority()
        self.authority.issue(folder, "gateway")
        self.publish(key_set(ec_signer()))
        tls = "{cert: ../gateway.crt, key: ../gateway.key}"
        client = f"    issuer: {ISSUER}\n    keys: {{jwks_file: ../keys.json}}\n    site: hospital_a"
        self.config = sound_config(
            folder,
            wardgate=[
                ("insecure_demo: true\n", "pseudonym_key: {env: WARDGATE_TEST_KEY}\n"),
                ("public_url: http://127.0.0.1:8080", f"public_url: {PUBLIC}"),
                ("port: 8080}", f"port: {self.listen}, tls: {tls}}}"),
                ("port: 8081", f"port: {self.admin}"),
                ("    site: hospital_a", client),
                *edits,
            ],
            service=[("mode: active", "mode: silent")],
        )

    def publish(self, keys: bytes) -> None:
        (self.folder / "keys.json").write_bytes(keys)

    def ask(self, path: str, text: bytes | None, body: dict[str, Any] | None = None) -> tuple[int, bytes]:
        """Over a connection of its own."""
        url = f"https://localhost:{self.listen}{path}"
        headers = {"Content-Type": "application/json"}
        if text is not None:
            headers["Authorization"] = f"Bearer {text.decode()}"
        request = urllib.request.Request(url, None if body is None else msgspec.json.encode(body), headers)
        context = ssl.create_default_context(cadata=self.authority.pem.decode())
        try:
            with urllib.request.urlopen(request, timeout=20, context=context) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def call(self, text: bytes | None) -> int:
        return self.ask(SERVICE, text, kidney_call())[0]

    def is_up(self) -> bool:
        return self.ask("/health/ready", None)[0] == 200


def fresh(number: str, signer: Any = None, path: str = "/cds-services/kidney-failure", **changes: Any) -> bytes:
    now = time.time()  # noqa: TID251 - the gateway in its process has the machine's clock
    return token(signer, number, **{"iat": now, "exp": now + 120, "aud": PUBLIC + path, **changes})


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the processes that a test starts."""
    monkeypatch.setenv("WARDGATE_TEST_KEY", "a secret of the test, thirty-two bytes or more")
    monkeypatch.setenv("WARDGATE_TEST_REDIS", PASSWORD)


@pytest.mark.requirement("SEC-1", "SEC-2", "SEC-12")
def test_two_workers_take_a_token_once(tmp_path: Path) -> None:
    """Whichever of them sees it first; nothing of it, nor of who sent it, is in the log."""
    seen: list[bytes] = []
    with RedisServer() as redis:
        store = f"stores: {{hot: 'redis://{USER}:${{WARDGATE_TEST_REDIS}}@127.0.0.1:{redis.port}'}}\nmodel_hosts:"
        strict = ("    site: hospital_a", "    replay: strict\n    site: hospital_a")
        hospital = Hospital(tmp_path, ("model_hosts:", store), strict)
        with process("wardgate", "serve", "--workers", "2", "--config", str(hospital.config)) as gateway:
            wait_until(hospital.is_up, of=gateway)

            def takes_one() -> bool:
                """Not where Redis is late, as on a busy machine: then nobody can tell whether it is the first time."""
                seen.append(fresh(f"each {len(seen)}"))
                answers = [hospital.call(seen[-1]) for _ in range(6)]
                assert answers.count(401) >= 5, answers
                return 200 in answers

            def discovers() -> bool:
                seen.append(fresh(f"discovery {len(seen)}", path="/cds-services"))
                return b"kidney-failure" in hospital.ask("/gateway/cds-services", seen[-1])[1]

            for _ in range(6):
                wait_until(takes_one, of=gateway)
            assert hospital.call(None) == 401 and hospital.call(fresh("old", exp=1)) == 401
            wait_until(discovers, of=gateway)
            gateway.terminate()
            out, log = gateway.communicate(timeout=PATIENCE)
        assert gateway.returncode == 0
        assert not [part for each in seen for part in each.split(b".")[1:] if part.decode() in out + log]
        assert ISSUER not in log and "Practitioner" not in log


@pytest.mark.requirement("SEC-13")
def test_a_reload_brings_other_keys_and_certificates(tmp_path: Path) -> None:
    """The key that was withdrawn is gone, the new one counts, new connections get the new certificate; files that make
    no sense change nothing. The admin listener answers nobody who has no right to ask."""
    hospital = Hospital(tmp_path)
    with process("wardgate", "serve", "--config", str(hospital.config)) as gateway:
        wait_until(hospital.is_up, of=gateway)
        assert hospital.call(fresh("1")) == 200 and hospital.call(fresh("2", rsa_signer())) == 401
        hospital.publish(b"{}")
        gateway.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        assert hospital.call(fresh("3")) == 200
        hospital.publish(key_set(rsa_signer()))
        hospital.authority = Authority("another")
        hospital.authority.issue(tmp_path, "gateway")
        gateway.send_signal(signal.SIGHUP)
        wait_until(lambda: hospital.call(fresh(os.urandom(8).hex(), rsa_signer())) == 200)
        assert hospital.call(fresh("4")) == 401
        admin = f"http://127.0.0.1:{hospital.admin}"
        assert ask(f"{admin}/health/ready")[0] == 200
        assert {ask(f"{admin}{path}")[0] for path in ("/metrics", "/health/services", "/admin/v1/circuits")} == {401}
        assert ask(f"{admin}/admin/v1/reload", {})[0] == 401
        gateway.terminate()
        _, log = gateway.communicate(timeout=PATIENCE)
    assert '"clients.0.keys.jwks_file"' in log and log.count('"reload_refused"') == 1 and log.count('"reloaded"') == 1


def test_files_that_make_no_sense_stop_the_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is named, with what is wrong and how to mend it; nothing of what stands in them is shown."""
    hospital = Hospital(tmp_path)

    def said() -> str:
        assert serve.run(hospital.config) == 2
        return capsys.readouterr().err

    hospital.publish(key_set(rsa_signer("weak", 1024)))
    told = said()
    assert "clients.0.keys.jwks_file" in told and "2048 bits" in told
    hospital.publish(key_set(ec_signer()))
    (tmp_path / "gateway.key").write_text("nonsense")
    told = said()
    assert "listen.tls" in told and "nonsense" not in told
    (tmp_path / "keys.json").unlink()
    (tmp_path / "gateway.key").unlink()
    told = said()
    assert "listen.tls.key" in told and "clients.0.keys.jwks_file" in told
