"""No secret is printed: by no object that holds one, by no message about one in the wrong place, by no process."""

import asyncio
import gc
import io
import os
import signal
import subprocess
import sys
import types
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.fakes.certificates import Authority
from tests.fakes.config_tree import Edit, sound_config
from tests.fakes.processes import ask, free_port, wait_until
from tests.fakes.tokens import ISSUER, ec_signer, key_set, token
from wardgate.adapters.aead.anchors import AnchorSigner
from wardgate.adapters.logs.events import EventLog
from wardgate.bootstrap.gateway import Gateway
from wardgate.cli.check import examine
from wardgate.cli.configured import configured_of
from wardgate.cli.configured import read as read_config
from wardgate.domain.admin_tokens import secret_of
from wardgate.domain.errors import ConfigurationError
from wardgate.domain.hooks.request import FhirAccess
from wardgate.domain.pseudonyms import KeyRing, Purpose
from wardgate.domain.tokens import read_token
from wardgate.settings import File


def _made(number: int) -> str:
    return f"s3cret-word-{number}-" + os.urandom(16).hex()


class Secrets:
    """All that a deployment holds, made anew; each in the forms in which it could be printed."""

    def __init__(self) -> None:
        self.environment = {
            "WARDGATE_TEST_KEY": b64encode(os.urandom(32)).decode(),
            "WARDGATE_TEST_OLD_KEY": _made(1),
            "WARDGATE_TEST_REDIS": _made(2),
            "WARDGATE_TEST_DB": _made(3),
            "WARDGATE_TEST_OTLP": _made(4),
            "WARDGATE_TOKEN": secret_of(b64encode(os.urandom(32), b"-_").decode().rstrip("=")),
        }
        key = Ed25519PrivateKey.generate()
        self.pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.raw = key.private_bytes_raw()
        ring = KeyRing([b64decode(self.environment["WARDGATE_TEST_KEY"])])
        self.derived = [key for purpose in Purpose for key in ring.keys(purpose)]

    def forms(self) -> set[str]:
        """Beginnings, since a message may be cut; as text, quoted, in hexadecimal digits and base64, as bytes print."""
        texts = [*self.environment.values(), self.pem.decode().splitlines()[1]]
        raw = [self.raw, *(key.secret for key in self.derived), *(text.encode() for text in texts)]
        forms = {*texts, *(quote(text, safe="") for text in texts), *(one.hex() for one in raw)}
        forms |= {b64encode(one).decode() for one in raw} | {repr(one)[2:-1] for one in raw}
        return {form[:16] for form in forms}

    def found_in(self, text: str) -> list[str]:
        return [form for form in self.forms() if form in text]


def _config(folder: Path, secrets: Secrets, *edits: Edit) -> tuple[Path, int]:
    """With every kind of secret, and stores that nobody serves."""
    listen, admin, nobody = free_port(), free_port(), free_port()
    (folder / "keys.json").write_bytes(key_set(ec_signer()))
    (folder / "anchor.pem").write_bytes(secrets.pem)
    authority = Authority()
    authority.issue(folder, "gateway")
    stores = (
        f"stores:\n  hot: redis://gateway:${{WARDGATE_TEST_REDIS}}@127.0.0.1:{nobody}\n"
        f"  durable: postgresql://gateway:${{WARDGATE_TEST_DB}}@127.0.0.1:{nobody}/wardgate\n"
        "pseudonym_key: {env: WARDGATE_TEST_KEY, previous: [WARDGATE_TEST_OLD_KEY]}\n"
        "audit: {anchor_key: ../anchor.pem, anchors: anchors}\n"
        f"telemetry: {{otlp: 'http://127.0.0.1:{nobody}/v1/traces', "
        "otlp_headers: {x-api-key: {env: WARDGATE_TEST_OTLP}}}\n"
    )
    client = f"    issuer: {ISSUER}\n    keys: {{jwks_file: ../keys.json}}\n    site: hospital_a"
    wardgate = [
        ("insecure_demo: true\n", ""),
        ("http://127.0.0.1:8080", "https://cds.example"),
        ("port: 8080}", f"port: {listen}, tls: {{cert: ../gateway.crt, key: ../gateway.key}}}}"),
        ("port: 8081", f"port: {admin}"),
        ("    site: hospital_a", client),
        ("model_hosts:", f"{stores}model_hosts:"),
        *edits,
    ]
    return sound_config(folder, wardgate=wardgate, service=("mode: active", "mode: silent")), admin


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Secrets:
    made = Secrets()
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


_PLAIN = (
    str,
    bytes,
    bytearray,
    int,
    float,
    bool,
    type(None),
    dict,
    list,
    tuple,
    set,
    frozenset,
    types.MappingProxyType,
)
_CODE = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.CodeType, types.FrameType)


def _held(root: object) -> Iterator[object]:
    """Every object that can be reached, but for code; containers are looked into, and are none themselves: whoever
    prints the text of a secret has it in hand already."""
    seen, left = {id(root)}, [root]
    while left:
        here = left.pop()
        if not isinstance(here, _PLAIN):
            yield here
        for held in gc.get_referents(here):
            if id(held) not in seen and not isinstance(held, _CODE):
                seen.add(id(held))
                left.append(held)


def _spoken(held: object) -> str:
    try:
        return f"{held!r} {held}"
    except Exception as error:  # what cannot be printed, prints nothing but this
        return f"{error!r} {error}"


async def test_nothing_that_a_gateway_holds_prints_a_secret(tmp_path: Path, secrets: Secrets) -> None:
    """A whole gateway, built with every kind of secret: each object that it holds, ours and the libraries'."""
    config, _ = _config(tmp_path, secrets)
    configured = configured_of(examine(config), config.parent)
    gateway = Gateway(configured, EventLog(io.StringIO()), asyncio.Event(), lambda: read_config(config))
    try:
        objects = list(_held([gateway, configured, secrets.derived, AnchorSigner(secrets.pem)]))
        leaks = {type(held).__qualname__ for held in objects if secrets.found_in(_spoken(held))}
        kinds = {type(held).__name__ for held in objects}
    finally:
        await gateway.close()
    assert leaks == set()
    assert {"Secrets", "StorePlace", "PostgresPlace", "Settings", "PurposeKey", "Seals", "AnchorSigner"} <= kinds
    assert len(objects) > 1_000


async def test_nor_what_a_file_holds_that_a_password_stands_in(tmp_path: Path, secrets: Secrets) -> None:
    """Which `check` warns about, and no object on the way to the stores repeats."""
    words = [secrets.environment[name] for name in ("WARDGATE_TEST_REDIS", "WARDGATE_TEST_DB")]
    config, _ = _config(
        tmp_path,
        secrets,
        ("${WARDGATE_TEST_REDIS}", words[0]),
        ("${WARDGATE_TEST_DB}", words[1]),
    )
    examination = examine(config)
    assert not examination.errors and examination.document is not None
    held = [examination, File.model_validate(examination.document.data), configured_of(examination, config.parent)]
    spoken = [_spoken(one) for one in _held(held)]
    assert [text[:200] for text in spoken if secrets.found_in(text)] == []


def test_the_search_sees_a_secret_that_an_object_prints(secrets: Secrets) -> None:
    """Otherwise the test above would show nothing."""
    password = secrets.environment["WARDGATE_TEST_DB"]
    told = [types.SimpleNamespace(password=text) for text in (password, password.encode(), password.encode().hex())]
    assert all(any(secrets.found_in(_spoken(held)) for held in _held([one])) for one in told)


def test_what_lives_as_long_as_a_call_prints_no_token() -> None:
    """The client's JWT, and the FHIR server's access token."""
    text = token()
    parsed = read_token(text)
    spoken = _spoken(parsed) + _spoken(FhirAccess("https://ehr.example/fhir", text.decode()))
    assert not [part for part in text.decode().split(".") if part[:16] in spoken]


_MISPLACED: Mapping[str, Edit] = {
    "a password in a URL that is none": ("model_hosts:", "stores: {hot: 'redis://u:SECRET@h:99999'}\nmodel_hosts:"),
    "a password with a slash": ("model_hosts:", "stores: {durable: 'postgresql://u:SECRET/x@h/db'}\nmodel_hosts:"),
    "a password as a store": ("model_hosts:", "stores: {hot: SECRET}\nmodel_hosts:"),
    "a path of a secret's name": ("model_hosts:", "stores: {spool: [SECRET]}\nmodel_hosts:"),
    "a key in place of its variable": ("model_hosts:", "pseudonym_key: SECRET\nmodel_hosts:"),
    "a key as the variable's name": ("model_hosts:", "pseudonym_key: {env: SECRET/+}\nmodel_hosts:"),
    "a header's value": (
        "model_hosts:",
        "telemetry: {otlp: 'https://c', otlp_headers: {x-api-key: SECRET}}\nmodel_hosts:",
    ),
    "a token in a header's place": ("model_hosts:", "telemetry: {otlp: 'https://u:SECRET@c/v1'}\nmodel_hosts:"),
    "a private key in place of its file": ("model_hosts:", "audit: {anchor_key: {SECRET: 1}}\nmodel_hosts:"),
    "a password in a FHIR server's URL": ("http://127.0.0.1:8083/fhir", "https://u:SECRET@ehr.example/fhir"),
    "a password in the public URL": ("http://127.0.0.1:8080", "https://u:SECRET@cds.example"),
    "a secret where a number belongs": ("port: 8080", "port: SECRET"),
    "a secret where a list belongs": ('["127.0.0.1:8082"]', "SECRET"),
}


@pytest.mark.parametrize("what", sorted(_MISPLACED))
def test_no_error_quotes_a_secret_in_the_wrong_place(what: str, tmp_path: Path) -> None:
    """Every error of `check`, and what else the exception says."""
    old, new = _MISPLACED[what]
    secret = _made(9)
    config = sound_config(tmp_path, wardgate=(old, new.replace("SECRET", secret)))
    examination = examine(config)
    assert examination.errors
    assert secret[:16] not in f"{examination.findings} {ConfigurationError(examination.errors)!r}"


def _run(
    arguments: list[str],
    secrets: Secrets,
    changes: Mapping[str, str] | None = None,
    stderr: IO[str] | int = subprocess.PIPE,
) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "wardgate", *arguments],
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        env={"PATH": "/usr/bin:/bin", **secrets.environment, **(changes or {})},
    )


def test_a_process_writes_no_secret_whatever_happens(tmp_path: Path, secrets: Secrets) -> None:
    """Started with stores that are down, asked with tokens, reloaded with a broken file, stopped."""
    config, admin = _config(tmp_path, secrets)
    bearer = {"Authorization": f"Bearer {secrets.environment['WARDGATE_TOKEN']}"}
    with (log := tmp_path / "log").open("w", encoding="utf-8") as stderr:
        gateway = _run(["serve", "--config", str(config)], secrets, stderr=stderr)
    try:
        wait_until(lambda: ask(f"http://127.0.0.1:{admin}/health/ready")[0] == 200)
        answers: list[Any] = [ask(f"http://127.0.0.1:{admin}/health/stores", headers=bearer)]
        answers.append(ask(f"http://127.0.0.1:{admin}/admin/v1/reload", {}, bearer))
        config.write_text(config.read_text("utf-8").replace("durable: postgresql:", "durable: postgres:"), "utf-8")
        gateway.send_signal(signal.SIGHUP)
        wait_until(lambda: '"reload_refused"' in log.read_text("utf-8"))
        gateway.terminate()
        said = gateway.communicate(timeout=20)[0] + log.read_text("utf-8")
    finally:
        gateway.kill()
    assert gateway.returncode == 0 and '"hot_store"' in said and '"durable_store"' in said, said
    assert secrets.found_in(said + str(answers)) == []


@pytest.mark.parametrize(
    ("arguments", "changes", "code"),
    [
        (["serve"], {"WARDGATE_TEST_KEY": "too-short-a-key", "WARDGATE_TEST_OTLP": "a header\nthat breaks"}, 2),
        (["token", "list"], {}, 1),
        (["audit", "verify"], {}, 1),
    ],
    ids=["a key and a header that are none", "tokens, the store away", "audit, the store away"],
)
def test_a_command_that_fails_writes_no_secret(
    arguments: list[str], changes: dict[str, str], code: int, tmp_path: Path, secrets: Secrets
) -> None:
    """Its sentence says what is wrong, and nothing of the value."""
    config, _ = _config(tmp_path, secrets)
    said = "".join((failed := _run([*arguments, "--config", str(config)], secrets, changes)).communicate(timeout=30))
    assert failed.returncode == code and said, said
    assert secrets.found_in(said) == [] and not any(value in said for value in changes.values())
