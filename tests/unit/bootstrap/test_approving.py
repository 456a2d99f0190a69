"""Releases by digest, wherever they are known from; and the anchor that a chain has to meet."""

import sqlite3
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.fakes.governed import SERVICE, GovernedHouse
from wardgate.cli import app
from wardgate.cli.approving import Open, opened
from wardgate.domain.outcomes import Mode


def gates(here: Open) -> set[str]:
    known = here.governed.book.known(SERVICE)
    return {line.name for line in here.governed.gates.gates_of(SERVICE, known[0].digest, Mode.SILENT)}


def test_a_release_goes_on_being_known_when_its_files_are_edited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the content that was submitted, with its own tier; the edit is another release, that nobody submitted."""
    house = GovernedHouse(tmp_path, monkeypatch)
    service = house.config.parent / "services" / "kidney-failure.yaml"
    service.write_text(service.read_text().replace("risk_tier: high", "risk_tier: low"), encoding="utf-8")
    with opened(house.config) as here:
        book = here.governed.book
        known = book.known(SERVICE)
        assert [(each.version, each.submitted) for each in known] == [("1.0.0", True), ("1.0.0", False)]
        assert known[0].digest == house.digest and known[1].digest != house.digest
        assert [book.tier(SERVICE, each.digest) for each in known] == ["high", "low"]
        assert book.facts(SERVICE, "sha256:" + "9" * 64) is None and book.known("deterioration") == ()
        facts = book.facts(SERVICE, house.digest)
        assert facts is not None and facts.required == {"egfr", "age", "male", "uacr"}
    house.close()


def test_the_dossier_of_a_release_gives_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The review holds until its day is over; evidence is counted by kind."""
    house = GovernedHouse(tmp_path, monkeypatch)
    release = house.config.parent / "models" / "kidney-failure" / "releases" / "1.0.0.yaml"
    text = "a report"
    (release.parent / "report.md").write_text(text, encoding="utf-8")
    digest = sha256(text.encode()).hexdigest()
    with release.open("a", encoding="utf-8") as file:
        file.write("review_by: 2027-05-01\n")
        file.write(f"evidence: [{{kind: validation_report, path: report.md, sha256: {digest}}}]\n")
    with opened(house.config) as here:
        (edited,) = [each for each in here.governed.book.known(SERVICE) if not each.submitted]
        facts = here.governed.book.facts(SERVICE, edited.digest)
        assert facts is not None and facts.evidence == {"validation_report": 1}
        assert facts.review_by == datetime(2027, 5, 2, tzinfo=UTC).timestamp()
    house.close()


def test_what_an_anchor_has_seen_has_to_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new process reads a chain whose end was cut off: of itself it is sound."""
    house = GovernedHouse(tmp_path, monkeypatch)
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (house.config.parent / "anchor.pem").write_bytes(key)
    with house.config.open("a", encoding="utf-8") as file:
        file.write("audit: {anchor_key: anchor.pem}\n")
    assert app.run(["audit", "anchor", "--config", str(house.config)]) == 0
    with opened(house.config) as here:
        assert "audit chain" not in gates(here)
    house.close()
    with sqlite3.connect(house.config.parent / "var" / "wardgate.db") as database:
        database.execute("DROP TRIGGER audit_chain_no_delete")
        database.execute("DELETE FROM audit_chain")
    database.close()
    with opened(house.config) as here:
        assert gates(here) == {"audit chain"}
