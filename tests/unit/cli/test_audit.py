"""`wardgate audit` on real stores and files; and the verifier that needs nothing of ours."""

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from itertools import count
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.fakes.audit import NOW, chain_of, event, reseal
from tests.fakes.config_tree import FILES
from wardgate.adapters.sql.chain import SqlAuditStore
from wardgate.adapters.sql.sqlite import Sqlite
from wardgate.cli import app
from wardgate.control.audit import Happened, Remark
from wardgate.domain.audit import remark_hash
from wardgate.domain.durable import SqlitePlace

ALONE = Path(__file__).parents[3] / "docs" / "audit-verify.py"


class Site:
    """A configuration with a chain of twelve entries, an anchor of the eighth, and one of somebody else's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, text in FILES.values():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        self.config = folder / "config" / "wardgate.yaml"
        with self.config.open("a", encoding="utf-8") as file:
            file.write("audit: {anchor_key: anchor.pem}\n")
        self.public = self._key("config/anchor.pem")
        self.anchors = folder / "config" / "var" / "anchors"
        self.append(*range(1, 9))
        self.run("anchor")
        self.append(*range(9, 13))

    def _key(self, name: str) -> Path:
        key = Ed25519PrivateKey.generate()
        (self.folder / name).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        public = self.folder / f"{name}.pub"
        public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        return public

    def store(self) -> SqlAuditStore:
        return SqlAuditStore(Sqlite(SqlitePlace(str(self.config.parent / "var" / "wardgate.db"))))

    def append(self, *numbers: int) -> None:
        store = self.store()
        store.append([Happened(event(number)) for number in numbers], NOW)
        store.close()

    def run(self, *arguments: str) -> int:
        return app.run(["audit", *arguments, "--config", str(self.config)])

    def export(self, name: str = "chain.ndjson") -> Path:
        path = self.folder / name
        assert self.run("export", str(path)) == 0
        return path

    def anchor(self) -> Path:
        (file,) = self.anchors.iterdir()
        return file


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Which the tests do not change."""
    return Site(tmp_path_factory.mktemp("site"))


def alone(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-I", "-W", "ignore", str(ALONE), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_store_is_verified_with_its_own_anchors(made: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert made.run("verify") == 0
    told = capsys.readouterr().out
    assert "12 entries" in told and "up to entry 8" in told and "4 entries at the end stand under no anchor" in told


def test_an_export_is_verified_without_store_and_configuration(
    made: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Anywhere, with the anchor and the public key."""
    export = made.export("export-1.ndjson")
    assert export.stat().st_mode & 0o777 == 0o600
    capsys.readouterr()
    assert app.run(["audit", "verify", str(export)]) == 0
    assert "12 entries at the end stand under no anchor" in capsys.readouterr().out
    assert app.run(["audit", "verify", str(export), "--anchor", str(made.anchor())]) == 0
    assert "who signed the anchors was not checked" in capsys.readouterr().out
    assert app.run(["audit", "verify", str(export), "--anchor", str(made.anchors), "--key", str(made.public)]) == 0
    told = capsys.readouterr().out
    assert "not checked" not in told and "up to entry 8" in told


def test_the_verifier_of_fifty_lines_says_the_same(made: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """It has the standard library, and `cryptography` for the signature."""
    assert len(ALONE.read_text("utf-8").splitlines()) <= 50
    export = made.export("export-2.ndjson")
    ended = alone(export, "--key", made.public, made.anchor())
    assert (ended.returncode, ended.stdout) == (0, "12 entries, 0 faults; anchors prove up to entry 8\n")
    unchecked = alone(export, made.anchor())
    assert unchecked.returncode == 0 and "whose signatures were not checked" in unchecked.stdout


@pytest.mark.parametrize("fault", ["flipped", "missing", "added", "reordered", "replaced", "truncated", "doubled"])
def test_both_verifiers_find_what_was_done_to_an_export(
    made: Site, tmp_path: Path, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = made.export(f"export-{fault}.ndjson").read_bytes().splitlines(keepends=True)
    match fault:
        case "flipped":
            lines[5] = lines[5].replace(b"operator-0", b"operator-1")
        case "missing":
            del lines[5]
        case "added":
            lines.insert(6, lines[2])
        case "reordered":
            lines[5], lines[6] = lines[6], lines[5]
        case "replaced":
            lines[5] = reseal(event(99), chain_of(5)[-1].link).line + b"\n"
        case "truncated":
            del lines[6:]
        case "doubled":
            lines[5] = lines[5].replace(b'{"entry":{', b'{"entry":{"at":"2020-01-01T00:00:00.000Z",', 1)
    changed = tmp_path / "changed.ndjson"
    changed.write_bytes(b"".join(lines))
    capsys.readouterr()
    assert app.run(["audit", "verify", str(changed), "--anchor", str(made.anchor())]) == 1
    told = capsys.readouterr().out
    assert re.search(r"entr(y|ies) [67]|line 7", told) and "NOT SOUND" in told
    ended = alone(changed, made.anchor())
    assert ended.returncode == 1 and ("line 6" in ended.stdout or "line 7" in ended.stdout or fault == "truncated")


def test_a_forged_anchor_is_refused(made: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another entry in it, another key's, or no anchor at all."""
    other = Site(tmp_path / "other")
    forged = tmp_path / "forged.json"
    forged.write_bytes(made.anchor().read_bytes().replace(b'"number":8', b'"number":7'))
    nothing = tmp_path / "nothing.json"
    nothing.write_bytes(b"{}")
    export = made.export("export-3.ndjson")
    for file, why in ((forged, "its signature"), (other.anchor(), "another key"), (nothing, "no anchor")):
        arguments = ["audit", "verify", str(export), "--anchor", str(file), "--key", str(made.public)]
        assert app.run(arguments) == 1
        assert why in capsys.readouterr().err
    assert alone(export, "--key", made.public, forged).returncode == 1


def test_nothing_is_overwritten_and_an_anchor_is_made_once(made: Site, capsys: pytest.CaptureFixture[str]) -> None:
    export = made.export("export-4.ndjson")
    assert made.run("export", str(export)) == 1
    assert "file exists" in capsys.readouterr().err


def test_a_search_shows_entries_and_remarks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On a terminal, on which what somebody wrote does nothing; an erased one is told."""
    site = Site(tmp_path)
    ids, salt = count(500), b"s" * 32
    store = site.store()
    for text in ("Rate \x1b[31mdoubled\n", "Mary Miller"):
        number = next(ids)
        happened = Happened(event(number, subject="deterioration", remark=remark_hash(salt, text)), Remark(salt, text))
        store.append([happened], NOW)
    store.close()
    capsys.readouterr()
    assert site.run("search", "--subject", "deterioration") == 0
    told = capsys.readouterr().out
    assert '"Rate  [31mdoubled "' in told and '"Mary Miller"' in told and "\x1b" not in told
    wanted = str(UUID(int=501))
    assert site.run("erase", wanted, "--reason", "names a patient") == 1
    assert site.run("erase", wanted, "--reason", "names_a_patient", "--ticket", "PRIV-7") == 0
    assert site.run("erase", wanted, "--reason", "names_a_patient") == 1
    capsys.readouterr()
    assert site.run("search", "--from", "2026-09-01") == 0
    told = capsys.readouterr().out
    assert "Mary Miller" not in told and "remark erased" in told
    assert re.search(rf"os:\S+  remark.erase  {wanted}  names_a_patient  PRIV-7", told)
    assert site.run("verify") == 0


def test_an_empty_chain_says_that_nothing_proves_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A store that was moved away is a new one, which once was told to be sound."""
    site = Site(tmp_path)
    for suffix in ("", "-wal", "-shm"):
        (site.config.parent / f"var/wardgate.db{suffix}").unlink(missing_ok=True)
    capsys.readouterr()
    assert site.run("search") == 0
    assert "the chain is empty" in capsys.readouterr().err
    assert site.run("verify") == 1 and "entries 1 to 8: " in capsys.readouterr().out
    for anchor in site.anchors.iterdir():
        anchor.unlink()
    assert site.run("verify") == 1
    told = capsys.readouterr().out
    assert "the chain is empty" in told and "sound:" not in told


def test_what_cannot_be_done_is_told_with_its_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = Site(tmp_path)
    site.config.with_name("anchor.pem").write_bytes(b"no key")
    for arguments, why in (
        (["anchor"], "openssl genpkey"),
        (["verify"], "openssl genpkey"),
        (["erase", "x", "--reason", "y"], "no id of an entry"),
        (["search", "--from", "2026-02-01", "--to", "2026-01-01"], "is not before"),
    ):
        assert site.run(*arguments) == 1
        told = capsys.readouterr()
        assert why in told.err + told.out, arguments
    assert app.run(["audit", "verify", str(tmp_path / "none")]) == 1
    assert "no such file" in capsys.readouterr().err


SEEN = ("search", "--who", "operator-1")


@pytest.mark.parametrize(
    ("change", "told", "searched"),
    [
        ("UPDATE audit_chain SET who = 'nobody' WHERE number = 4", "entry 4: is kept under another", "OPS-10"),
        ("UPDATE audit_remarks SET remark = 'fine'", "entry 13: the remark beside it is another", "NOT the text that"),
        ("DELETE FROM audit_remarks", "entry 13: its remark is gone, and no entry says", "remark erased"),
        ("UPDATE audit_chain SET entry = 'x\x1b[2J' WHERE number = 4", "entry 4 (line 4): is no", "4  NOT WHAT WAS"),
        ("UPDATE audit_chain SET entry = '{}' WHERE number = 4", "entry 4 (line 4): is no entry", "4  NOT WHAT WAS"),
    ],
    ids=["who", "remark", "no remark", "no JSON", "no entry"],
)
def test_what_a_hand_changed_beside_the_chain_is_found(
    made: Site, tmp_path: Path, change: str, told: str, searched: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By `verify`; and a search shows what is there, without a traceback, and does not take it for what was written."""
    folder = tmp_path / "copied"
    shutil.copytree(made.folder, folder)
    place, salt, text = folder / "config" / "var" / "wardgate.db", b"s" * 32, "Twice the usual rate."
    store = SqlAuditStore(Sqlite(SqlitePlace(str(place))))
    store.append([Happened(event(13, remark=remark_hash(salt, text)), Remark(salt, text))], NOW)
    store.close()
    database = sqlite3.connect(place)
    database.executescript(f"DROP TRIGGER audit_chain_no_update; {change};")
    database.close()
    config = ["--config", str(folder / "config" / "wardgate.yaml")]
    capsys.readouterr()
    assert app.run(["audit", "verify", *config]) == 1
    out = capsys.readouterr().out
    assert told in out and "NOT SOUND" in out
    assert app.run(["audit", *SEEN, *config]) == 0
    out = capsys.readouterr().out
    assert searched in out and "\x1b" not in out
    assert app.run(["audit", *SEEN, "--json", *config]) == 0
    assert all(json.loads(line) for line in capsys.readouterr().out.splitlines())


def test_a_text_that_was_erased_is_in_no_file_while_a_gateway_has_the_store_open(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was still in the write-ahead log, for as long as that did not begin anew."""
    site, salt, text = Site(tmp_path), b"s" * 32, "Mary Miller of Ward 7"
    gateway = site.store()
    gateway.append([Happened(event(13, remark=remark_hash(salt, text)), Remark(salt, text))], NOW)
    files = list((site.config.parent / "var").glob("wardgate.db*"))
    assert any(text.encode() in file.read_bytes() for file in files)
    assert site.run("erase", event(13).id, "--reason", "names_a_patient") == 0
    assert not any(text.encode() in file.read_bytes() for file in files)
    assert "write-ahead" not in capsys.readouterr().out
    gateway.close()


def test_a_clock_that_goes_back_is_told_and_is_no_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = Site(tmp_path)
    store = site.store()
    for number, at in ((13, NOW - 3600), (14, NOW - 3630), (15, NOW)):
        store.append([Happened(event(number))], at)
    store.close()
    assert site.run("verify") == 0
    assert "the clock goes back before 1 entries, first before 13," in capsys.readouterr().out


def test_a_chain_without_an_entry_proves_nothing(
    made: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wiped store, or the wrong one, was once sound."""
    folder = tmp_path / "wiped"
    shutil.copytree(made.folder, folder, ignore=shutil.ignore_patterns("wardgate.db*", "*.anchor.json"))
    assert app.run(["audit", "verify", "--config", str(folder / "config" / "wardgate.yaml")]) == 1
    told = capsys.readouterr().out
    assert "NOTHING TO PROVE" in told and "sound:" not in told


def test_no_anchor_is_signed_over_a_chain_that_was_written_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With all its seals right: an insider needs no key for those, and was given one anchor more."""
    site = Site(tmp_path)
    database = sqlite3.connect(site.config.parent / "var" / "wardgate.db")
    database.executescript("DROP TRIGGER audit_chain_no_delete; DELETE FROM audit_chain;")
    database.close()
    site.append(*range(21, 40))
    assert site.run("anchor") == 1
    assert "entry 8 is gone or another one" in capsys.readouterr().err and len(list(site.anchors.iterdir())) == 1
    assert site.run("verify") == 1
    assert "entry 8 (line 8): is not the one that an anchor has seen" in capsys.readouterr().out


def test_what_was_changed_is_told_as_a_person_reads_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not as two documents with braces and seconds; of a raise, what it stood on in lines of their own."""
    site, digest = Site(tmp_path), "sha256:" + "63e6a3b79733" + "0" * 52
    before = json.dumps({"champion": digest, "mode": "silent"})
    expiry, cohort = {"at": 1798258178, "mode": "off"}, {"by": "patient", "hooks": [], "percent": 5}
    after = json.dumps({"champion": digest, "cohort": cohort, "expiry": expiry, "mode": "canary"})
    grounds = "policy sha256:11; sepsis 63e6a3b79733 to canary; nights: needs at least 10, found 12"
    store = site.store()
    for number, (old, new) in enumerate(((None, before), (before, after)), 13):
        made = event(number, subject="sepsis", before=old, after=new, grounds=grounds if old else None)
        store.append([Happened(made)], NOW)
    store.close()
    capsys.readouterr()
    assert site.run("search", "--subject", "sepsis") == 0
    began, raised, *stood = capsys.readouterr().out.splitlines()
    assert "champion – → 63e6a3b79733; mode – → silent" in began
    assert "cohort – → by patient, percent 5; expiry – → at 2026-12-26T04:09Z, mode off; mode silent → canary" in raised
    assert [line.strip() for line in stood] == grounds.split("; ")
