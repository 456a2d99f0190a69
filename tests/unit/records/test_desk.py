"""The desk: who was affected, what is exported, and that nobody looks unseen."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.stories import DAY, DIGEST, NEWER, NOW, below, decision, desk_of, filled, overridden, report, shadow
from wardgate.adapters.sql.archive import SqlArchive
from wardgate.records import tables
from wardgate.records.archive import AccessEntry, Archive, ArchiveUnavailable, Trouble
from wardgate.records.desk import Ambiguous, Span

ALL = Span(0, NOW + 10_000 * DAY)
RECORDS = [
    decision(1),
    decision(2, unit=None, site_id=None, step="cached"),
    decision(3, patient=decision(1).patient),
    below(4),
    decision(5, release_digest=NEWER, model_version="1.1.0"),
    shadow(6, decision(1)),
]


@pytest.fixture
def archive(tmp_path: Path) -> SqlArchive:
    return filled(tmp_path, RECORDS, [overridden(RECORDS[0], "wrong", "disagree"), report(RECORDS[1])])


class NoLog:
    """An archive whose access log cannot be written."""

    def __init__(self, inner: Archive) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def note_access(self, entry: AccessEntry) -> None:
        raise ArchiveUnavailable(Trouble.FULL)


def test_everybody_who_was_shown_a_card_of_a_release(archive: SqlArchive) -> None:
    """The summary counts people once; what nobody saw affects nobody."""
    summary, rows = desk_of(archive).affected([DIGEST], ALL, "auditor")

    assert [row.decision_id for row in rows] == [RECORDS[0].decision_id, RECORDS[1].decision_id, RECORDS[2].decision_id]
    assert (summary.decisions, summary.patients, summary.users) == (3, 2, 1)
    assert (summary.first, summary.last) == (RECORDS[0].at, RECORDS[2].at)
    assert summary.sites == {"hospital_a": 2, "unknown": 1}
    assert summary.units == {"ward_7": 2, "unknown": 1}
    assert summary.steps == {"model": 2, "cached": 1}


def test_a_release_may_be_named_by_its_version(archive: SqlArchive) -> None:
    """All digests under which decisions of it are kept: an edit of its card is another one."""
    desk = desk_of(archive)
    assert desk.digests("kidney-failure@1.1.0") == (NEWER,)
    assert desk.digests("kidney-failure@9.9.9") == ()
    assert desk.digests(DIGEST) == (DIGEST,)
    summary, rows = desk.affected(desk.digests("kidney-failure@9.9.9"), ALL, "auditor")
    assert (summary.decisions, list(rows)) == (0, [])


def test_looks_are_logged_with_their_rows(archive: SqlArchive) -> None:
    """An export at its beginning and at its end."""
    desk = desk_of(archive)
    desk.affected([DIGEST], ALL, "auditor")
    exported = list(desk.export(ALL, "os:mining", "kidney-failure"))
    noted = [(each.principal, each.action, each.subject, each.rows) for each in archive.accesses(0, NOW + 9 * DAY)]
    assert noted == [
        ("auditor", "affected", DIGEST, 3),
        ("os:mining", "export", "kidney-failure", 0),
        ("os:mining", "export", "kidney-failure", len(exported)),
    ]


def test_a_release_is_named_by_the_beginning_of_its_digest(archive: SqlArchive) -> None:
    """Where that is one release's alone; with or without its prefix."""
    desk = desk_of(archive)
    for name in (DIGEST, DIGEST[:13], DIGEST.removeprefix("sha256:")[:6]):
        assert desk.digests(name) == (DIGEST,)
    other = f"{DIGEST[:-1]}{'0' if DIGEST[-1] != '0' else '1'}"
    archive.add_decisions([decision(77, release_digest=other)])
    assert desk.digests(other) == (other,)
    with pytest.raises(Ambiguous) as caught:
        desk.digests(DIGEST[:13])
    assert DIGEST in caught.value.what and other in caught.value.what


def test_the_access_log_repeats_no_name_that_was_asked_for(archive: SqlArchive) -> None:
    """A service that is asked for may be anything, also a patient, and a digest that of her name (law 4)."""
    desk = desk_of(archive)
    hers = f"sha256:{hashlib.sha256(b'Esther Vogel').hexdigest()}"
    summary, _ = desk.affected(desk.digests(hers), ALL, "auditor")
    assert summary.digests == ()
    assert not list(desk.export(ALL, "auditor", "Esther.Vogel"))
    desk.affected(desk.digests("Esther@Vogel"), ALL, "auditor")
    desk.trace("Esther Vogel", "auditor")
    noted = list(archive.accesses(0, NOW + 9 * DAY))
    assert len(noted) == 5 and "Esther" not in str(noted) and hers not in str(noted)


def test_who_cannot_be_logged_sees_nothing(archive: SqlArchive) -> None:
    """Before the first row; figures show nobody, and need no log."""
    unlogged: Any = NoLog(archive)
    desk = desk_of(unlogged)
    with pytest.raises(ArchiveUnavailable):
        desk.trace(RECORDS[0].decision_id, "auditor")
    with pytest.raises(ArchiveUnavailable):
        desk.affected([DIGEST], ALL, "auditor")
    with pytest.raises(ArchiveUnavailable):
        desk.export(ALL, "auditor")
    assert desk.feedback_figures("kidney-failure", ALL)


def test_an_export_has_what_came_home(archive: SqlArchive) -> None:
    """`user_action` and `outcome_label` only where they are known."""
    documents = [json.loads(tables.exported(each)) for each in desk_of(archive).export(ALL, "auditor")]
    assert len(documents) == len(RECORDS)
    by_id = {document["decision_id"]: document for document in documents}
    first, second, third = [by_id[record.decision_id] for record in RECORDS[:3]]
    assert (first["user_action"], first["user_action_class"]) == ("overridden", "disagree")
    assert second["user_action"] == "accepted"
    assert "user_action" not in third and "outcome_label" not in third


def test_rows_as_csv(archive: SqlArchive) -> None:
    """A head, and a line for each decision."""
    _, rows = desk_of(archive).affected([DIGEST], ALL, "auditor")
    lines = b"".join(tables.csv_of(rows)).decode().splitlines()
    assert lines[0].startswith("decision_id,at,service_id,release_digest")
    assert len(lines) == 4


def test_streams_are_cut_into_fewer_pieces() -> None:
    """Nothing is lost or turned around."""

    def pieces() -> Iterator[bytes]:
        for number in range(10_000):
            yield b"%d\n" % number

    chunks = list(tables.chunks(pieces()))
    assert len(chunks) < 10
    assert b"".join(chunks) == b"".join(pieces())
