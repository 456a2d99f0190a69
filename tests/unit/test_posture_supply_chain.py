"""What `make check` looks for in files and dependencies is found, and can be told without being shown."""

import json
import secrets
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.fakes.osv_server import osv_server
from tests.supply_chain import advisories, sbom
from tests.supply_chain.lock import ALL, RUN, Locked, locked, needs
from tests.supply_chain.reviewed import Harmless, Reviewed, Waived, reviewed
from tests.supply_chain.secret_scan import scan, told
from wardgate.domain.admin_tokens import secret_of

TODAY = date(2026, 11, 26)


def _pem() -> str:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


PLANTED: dict[str, tuple[str, Callable[[], str]]] = {
    "an admin token in prose": ("notes.md", lambda: f"curl -H 'Authorization: Bearer {_token()}'"),
    "an admin token in code": ("tool.py", lambda: f"send({_token()!r})"),
    "a private key": ("anchor.pem", _pem),
    "a password in a URL": ("wardgate.yaml", lambda: f"durable: postgresql://gate:{secrets.token_hex(9)}@db/wardgate"),
    "a pseudonym key": ("wardgate.yaml", lambda: f"key: {secrets.token_hex(32)}"),
    "a password of words": ("compose.yaml", lambda: f"password: {'correct-' + 'horse-battery'}"),
    "a cloud's key": ("deploy.sh", lambda: f"export ID={'AKIA' + 'IOSFODNN7ABCDEFG'}"),
}
"""Made here, so that none of them stands in this file."""


def _token() -> str:
    return secret_of(secrets.token_urlsafe(32))


@pytest.mark.parametrize("what", sorted(PLANTED))
def test_a_planted_secret_is_found_and_not_shown(what: str, tmp_path: Path) -> None:
    """By file and line; the line that would be printed holds nothing of it."""
    name, make = PLANTED[what]
    text = make()
    (tmp_path / name).write_text(f"\n{text}\n", encoding="utf-8")
    lines = told(scan(tmp_path, [name]), Reviewed())
    assert lines and lines[0].startswith(f"{name}:2: ")
    words = {text[start : start + 12] for start in range(len(text) - 11)}
    assert not any(word in line for line in lines for word in words)


def test_a_comment_hides_nothing(tmp_path: Path) -> None:
    """Exceptions stand in one file, with their reason."""
    (tmp_path / "a.py").write_text(f"send({_token()!r})  # pragma: allowlist secret\n", encoding="utf-8")
    assert scan(tmp_path, ["a.py"])


def test_digests_and_hashes_of_packages_are_no_secrets(tmp_path: Path) -> None:
    """Releases, artifacts and images are named by them."""
    digest = secrets.token_hex(32)
    texts = {"a.yaml": f'image: x@sha256:{digest}\nsha256: "{digest}"\n', "b.lock": f"    --hash=sha256:{digest}\n"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert scan(tmp_path, list(texts)) == []


def test_what_is_reviewed_is_told_only_when_it_is_gone(tmp_path: Path) -> None:
    """In that file; the same string elsewhere is another finding."""
    line = f"send({_token()!r})\n"
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(line, encoding="utf-8")
    found = [one for one in scan(tmp_path, ["a.py", "b.py"]) if one.kind == "wardgate admin token"]
    known = Reviewed(secrets=(Harmless(file="a.py", sha1=(found[0].sha1,), why="made for a test"),))
    assert [one.split(":")[0] for one in told(found, known)] == ["b.py"]
    assert told([], known) == [f"a.py: {found[0].sha1} is reviewed, and not there any more"]


_OLD = (Locked("aiohttp", "3.8.0", None), Locked("jinja2", "3.1.6", None))


def _waived(until: date) -> Reviewed:
    waiver = Waived(id="GHSA-test-aiohttp", package="aiohttp", until=until, why="its server is not used")
    return Reviewed(advisories=(waiver,))


def test_an_advisory_is_found_and_waived_until_its_day() -> None:
    """By the real pip-audit, at a database of our own; by any of its names."""
    with osv_server({"aiohttp": "3.9.0"}) as url:
        answer = advisories.ask(_OLD, ("osv", "--osv-url", url))
    assert answer is not None and answer.unknown == ()
    line = "aiohttp 3.8.0: CVE-2026-0001, mended in 3.9.0"
    assert advisories.told(answer, Reviewed(), TODAY) == ([line], [])
    assert advisories.told(answer, _waived(TODAY), TODAY)[0] == []
    assert advisories.told(answer, _waived(date(2026, 11, 25)), TODAY)[0] == [
        f"{line}; it was waived until 2026-11-25: look again"
    ]


def test_a_waiver_of_nothing_is_told() -> None:
    """It would hide the next one."""
    nothing = advisories.Answer((), ())
    assert advisories.told(nothing, _waived(TODAY), TODAY)[1] == [
        "GHSA-test-aiohttp is waived, and found no longer: take it out"
    ]


def test_no_database_is_said_and_stops_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A build without the internet goes on, and does not look as if all were well."""
    assert advisories.main((("osv", "--osv-url", "http://127.0.0.1:9/v1/query"),)) == 0
    assert capsys.readouterr().out == "advisories: NOT LOOKED UP: osv does not answer from here\n"


def test_no_advisory_of_ours_is_waived_without_a_day_and_a_reason() -> None:
    """What the file holds is whole, or this says where it is not."""
    assert reviewed().secrets


def test_the_bill_of_materials_is_sound_and_always_the_same() -> None:
    """By CycloneDX's own schema; every locked package with the hashes of its files."""
    text = sbom.text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert text == sbom.text()
    listed = {(one["name"], one["version"]): one for one in json.loads(text)["components"]}
    packages = locked(RUN)
    assert listed.keys() == {(one.name, one.version) for one in packages}
    assert all(one["licenses"] and one["externalReferences"][0]["hashes"] for one in listed.values())
    assert {"aiohttp", "uvicorn", "cryptography"} <= set(needs(packages)["wardgate"])


def test_no_licence_that_binds_what_we_ship() -> None:
    """Of what runs; what is on no list is named, as psycopg is where nobody has reviewed it."""
    assert list(sbom.refused(locked(RUN), reviewed())) == []
    unread = list(sbom.refused(locked(RUN), Reviewed()))
    assert any(line.startswith("psycopg ") and line.endswith("LGPL-3.0-only") for line in unread)
    assert not any("GPL" in (sbom.licences(one, Reviewed()) or "") for one in locked(RUN) if "psycopg" not in one.name)


def test_everything_that_runs_or_tests_is_locked_with_hashes(tmp_path: Path) -> None:
    """And a line that is none of a lock's is named."""
    for path in (RUN, ALL):
        assert all(package.sha256 and package.via for package in locked(path))
    broken = tmp_path / "x.lock"
    broken.write_text("aiohttp==3.14.5 \\\n<<<<<<< HEAD\n", encoding="utf-8")
    with pytest.raises(ValueError, match="x.lock:2: not a line of a lock"):
        locked(broken)
