"""`wardgate reidentify`."""

import io
import os
import pwd
from pathlib import Path

import pytest

from tests.fakes.config_tree import sound_config
from tests.fakes.custodian import key_pair
from wardgate.adapters.aead.custodian import Sealer
from wardgate.adapters.sql.archive import SqlArchive
from wardgate.adapters.sql.sqlite import Sqlite
from wardgate.cli import reidentify
from wardgate.domain.durable import SqlitePlace
from wardgate.domain.record_names import patient
from wardgate.records.archive import SealedIdentity

ANNA = patient("ward-ehr", "https://ehr.example/fhir", "anna-1")


def _kept(config: Path, public: bytes) -> SqlArchive:
    archive = SqlArchive(Sqlite(SqlitePlace(str(config.parent / "var" / "wardgate.db"))), str)
    archive.add_identities([SealedIdentity("patient:1:a", Sealer(public)("patient:1:a", ANNA), 5.0)])
    return archive


def test_the_custodian_is_told_whom_pseudonyms_stand_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From a list, or from the table of who is affected; and the look is on the access log."""
    private, public = key_pair()
    config, key, names = sound_config(tmp_path), tmp_path / "key.pem", tmp_path / "names"
    key.write_bytes(private)
    archive = _kept(config, public)
    for text, unknown in (
        ("patient:1:a\n\npatient:1:a\n", ""),
        ("at,patient\n1,patient:1:b\n2,patient:1:a\n", "1 of 2"),
    ):
        names.write_text(text, encoding="utf-8")
        out = io.StringIO()
        assert reidentify.run(config, key, names, out) == 0
        assert out.getvalue() == (
            "pseudonym,client,fhir_server,id\npatient:1:a,ward-ehr,https://ehr.example/fhir,anna-1\n"
        )
        assert capsys.readouterr().err.partition(" cannot be told")[0] == unknown
    assert [(entry.action, entry.rows) for entry in archive.accesses(0, 4e9)] == [("custody", 1), ("custody", 2)]
    archive.close()


def test_the_access_log_knows_the_custodian_by_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by an environment variable, which says whatever its user likes."""
    private, public = key_pair()
    config, key, names = sound_config(tmp_path), tmp_path / "key.pem", tmp_path / "names"
    key.write_bytes(private)
    archive = _kept(config, public)
    names.write_text("patient:1:a\n", encoding="utf-8")
    monkeypatch.setenv("LOGNAME", "somebody-else")
    assert reidentify.run(config, key, names, io.StringIO()) == 0
    (look,) = archive.accesses(0, 4e9)
    assert look.principal == f"os:{pwd.getpwuid(os.getuid()).pw_name}"
    archive.close()


def test_a_list_that_is_none_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a traceback."""
    private, _ = key_pair()
    key, names = tmp_path / "key.pem", tmp_path / "names"
    key.write_bytes(private)
    names.write_text("x" * 200_000, encoding="utf-8")
    assert reidentify.run(sound_config(tmp_path), key, names, io.StringIO()) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_without_the_access_log_nothing_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor with a key that is none."""
    private, public = key_pair()
    config, key, names = sound_config(tmp_path), tmp_path / "key.pem", tmp_path / "names"
    _kept(config, public).close()
    names.write_text("patient:1:a\n", encoding="utf-8")
    out = io.StringIO()
    key.write_bytes(public)
    assert reidentify.run(config, key, names, out) == 1
    assert "no X25519 private key" in capsys.readouterr().err
    key.write_bytes(private)
    (config.parent / "var" / "wardgate.db").write_bytes(b"no database" * 100)
    assert reidentify.run(config, key, names, out) == 1
    assert "no store of wardgate" in capsys.readouterr().err
    assert out.getvalue() == ""
