"""One suite for every durable store: outcomes, the access log, custody, and how each kind is purged."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.contract.conftest import Store
from tests.fakes.archive_rows import FOREVER, START, card_key, card_uuid, decision, report
from wardgate.adapters.sql.archive import SqlArchive
from wardgate.records.archive import (
    AccessEntry,
    BatchResult,
    Kind,
    OutcomeBatch,
    OutcomeRow,
    RecordRefused,
    SealedIdentity,
)

# --- outcomes -------------------------------------------------------------------------------------------------------


def load(
    archive: SqlArchive, digest: str, *rows: OutcomeRow, source: str = "registry", received: float = START
) -> BatchResult:
    return archive.add_outcomes(iter(rows), lambda: OutcomeBatch(digest, source, received))


def test_a_batch_counts_once(archive: SqlArchive) -> None:
    first = load(archive, "d1", OutcomeRow("p1", "dialysis", 1.0, 5.0), OutcomeRow("p2", "dialysis", 0.0, 6.0))
    assert (first.new, first.known) == (2, False)
    again = load(archive, "d1", OutcomeRow("p1", "dialysis", 0.0, 5.0))
    assert (again.new, again.corrected, again.known) == (0, 0, True)
    assert [row.value for row in archive.outcomes_of(["p1", "p2"])] == [1.0, 0.0]


def test_a_batch_that_comes_again_takes_no_correction_back(archive: SqlArchive) -> None:
    """It may be a retry that nobody knows to have arrived. When it was loaded is said, and what was corrected since."""
    first = [OutcomeRow(f"p{n}", "dialysis", 0.0, 6.0) for n in range(3)]
    load(archive, "d1", *first)
    load(archive, "d2", OutcomeRow("p0", "dialysis", 1.0, 4.0), first[1], received=START + 60)
    again = load(archive, "d1", *first, received=START + 120)
    assert (again.known, again.loaded, again.superseded) == (True, START, 1)
    assert [row.value for row in archive.outcomes_of(["p0"])] == [1.0]
    elsewhere = load(archive, "d1", *first, source="clinic")
    assert (elsewhere.known, elsewhere.new) == (False, 3)


def test_a_batch_is_known_under_its_earlier_digests(archive: SqlArchive) -> None:
    """Digests are keyed, and a key may have been changed since."""
    row = OutcomeRow("p1", "dialysis", 0.0, 6.0)
    load(archive, "old", row)
    load(archive, "d2", OutcomeRow("p1", "dialysis", 1.0, 4.0))
    for earlier in (("old",), ()):
        batch = OutcomeBatch("new", "registry", START + 9, earlier)
        result = archive.add_outcomes([row], lambda batch=batch: batch)  # type: ignore[misc]
        assert (result.known, result.superseded) == (True, 1)
    assert [row.value for row in archive.outcomes_of(["p1"])] == [1.0]


def test_a_correction_replaces(archive: SqlArchive) -> None:
    """Value or time, of the same subject, label, event and source; what is as it was stays."""
    rows = [OutcomeRow(f"p{n}", "dialysis", 0.0, 6.0) for n in range(4)]
    load(archive, "d1", *rows)
    result = load(
        archive, "d2", OutcomeRow("p0", "dialysis", 1.0, 4.0), rows[1], OutcomeRow("p2", "dialysis", 0.0, 7.0)
    )
    assert (result.new, result.corrected, result.unchanged) == (0, 2, 1)
    assert archive.outcomes_of(["p0", "p1", "p2", "p3"]) == [
        OutcomeRow("p0", "dialysis", 1.0, 4.0),
        rows[1],
        rows[3],
        OutcomeRow("p2", "dialysis", 0.0, 7.0),
    ]


def test_events_labels_and_sources_are_facts_apart(archive: SqlArchive) -> None:
    """A readmission that has a name of its own does not correct the one before."""
    rows = [
        OutcomeRow("p1", "readmission", 1.0, 5.0, "e1"),
        OutcomeRow("p1", "readmission", 1.0, 6.0, "e2"),
        OutcomeRow("p1", "death", 1.0, 7.0),
    ]
    assert load(archive, "d1", *rows).new == 3
    assert load(archive, "d1", OutcomeRow("p1", "death", 0.0, 8.0), source="clinic").new == 1
    assert archive.outcomes_of(["p1"]) == [*rows, OutcomeRow("p1", "death", 0.0, 8.0)]


def test_the_last_line_about_a_fact_counts(archive: SqlArchive) -> None:
    """And how many lines did not is said."""
    first, last = OutcomeRow("p1", "dialysis", 0.0, 5.0), OutcomeRow("p1", "dialysis", 1.0, 6.0)
    result = load(archive, "d1", first, last, first, last)
    assert (result.new, result.repeated) == (1, 3)
    assert archive.outcomes_of(["p1"]) == [last]


class Torn(Exception):
    pass


def test_a_batch_that_ends_in_the_middle_leaves_nothing(archive: SqlArchive) -> None:
    """What the caller's own reading raises comes through as it is, whatever it resembles."""

    def torn(error: Exception) -> Iterator[OutcomeRow]:
        for number in range(15_000):
            yield OutcomeRow(f"p{number}", "dialysis", 1.0, 5.0)
        raise error

    for error in (Torn(), UnicodeDecodeError("utf-8", b"", 0, 1, ""), OSError()):
        with pytest.raises(type(error)):
            archive.add_outcomes(torn(error), lambda: OutcomeBatch("d1", "registry", START))

    def nothing_to_say() -> OutcomeBatch:
        raise Torn

    with pytest.raises(Torn):
        archive.add_outcomes([OutcomeRow("p1", "dialysis", 1.0, 5.0)], nothing_to_say)
    assert archive.outcomes_of(["p0", "p1"]) == []
    assert load(archive, "d1", OutcomeRow("p1", "dialysis", 1.0, 5.0)).new == 1


def test_a_row_that_the_store_cannot_take_leaves_nothing(archive: SqlArchive) -> None:
    with pytest.raises(RecordRefused):
        load(archive, "d1", OutcomeRow("p1", "x", 1.0, 5.0), OutcomeRow("p\ud800", "x", 1.0, 5.0))
    assert archive.outcomes_of(["p1"]) == []


def test_batches_at_the_same_time_do_not_tear_each_other(store: Store) -> None:
    """All name the same subjects: each fact has one current row afterwards, and one of the batches' values."""
    archives = [store.another(), store.another()]

    def settle(number: int) -> int:
        rows = [OutcomeRow(f"p{n}", "dialysis", float(number), 5.0) for n in range(300)]
        return load(archives[number % 2], f"d{number}", *rows, received=START + number).new

    with ThreadPoolExecutor(6) as pool:
        new = list(pool.map(settle, range(6)))
    assert sorted(new) == [0] * 5 + [300]
    values = [row.value for row in archives[0].outcomes_of([f"p{n}" for n in range(300)])]
    assert len(values) == 300 and len(set(values)) == 1


def test_a_slow_sender_holds_nobody_up(archive: SqlArchive) -> None:
    """Decisions are written between two of its lines."""

    def slowly() -> Iterator[OutcomeRow]:
        for number in range(20_001):
            if number % 10_000 == 0:
                assert archive.add_decisions([decision(number)]) == 1
            yield OutcomeRow(f"p{number}", "dialysis", 1.0, 5.0)

    result = archive.add_outcomes(slowly(), lambda: OutcomeBatch("d1", "registry", START))
    assert result.new == 20_001


# --- access and custody ---------------------------------------------------------------------------------------------


def test_every_look_is_noted(archive: SqlArchive) -> None:
    """Also the same look of the same person at the same time."""
    entries = [AccessEntry(START + n // 2, "auditor", "trace", "decision", n) for n in range(4)]
    for entry in entries:
        archive.note_access(entry)
    archive.note_access(entries[-1])
    assert list(archive.accesses(START, START + 1)) == entries[:2]
    assert list(archive.accesses(0, FOREVER)) == [*entries, entries[-1]]


def test_an_identity_stays_sealed_and_its_last_sight_moves_on(archive: SqlArchive) -> None:
    seal = b"\x00\xff sealed"
    assert archive.add_identities([SealedIdentity("p1", seal, 5.0), SealedIdentity("p2", seal, 5.0)]) == 2
    assert archive.add_identities([SealedIdentity("p1", b"other", 9.0), SealedIdentity("p2", seal, 1.0)]) == 0
    assert sorted(archive.identities_of(["p1", "p2", "p3"]), key=lambda one: one.pseudonym) == [
        SealedIdentity("p1", seal, 9.0),
        SealedIdentity("p2", seal, 5.0),
    ]


# --- purge ----------------------------------------------------------------------------------------------------------


def test_a_purge_removes_what_is_old_and_nothing_else(archive: SqlArchive) -> None:
    """Cards go with their decisions; what is as old as the limit stays."""
    archive.add_decisions([decision(n) for n in range(10)])
    assert archive.count_before(Kind.DECISIONS, START + 7) == 7
    removed = [archive.purge(Kind.DECISIONS, START + 7, 3) for _ in range(4)]
    assert removed == [3, 3, 1, 0]
    assert list(archive.decisions(0, FOREVER)) == [decision(n) for n in range(7, 10)]
    assert archive.decisions_named(card_key=[card_key(card_uuid(6))]) == []
    assert archive.decisions_named(card_key=[card_key(card_uuid(7))]) == [decision(7)]
    assert archive.count_before(Kind.DECISIONS, START + 7) == 0


def test_every_kind_is_purged_by_its_own_time(archive: SqlArchive) -> None:
    """And no other kind with it."""

    def fill() -> None:
        archive.add_decisions([decision(0)])
        archive.add_feedback([report(0)])
        load(archive, "d1", OutcomeRow("p1", "dialysis", 1.0, 5.0))
        archive.note_access(AccessEntry(START, "auditor", "trace", "x"))
        archive.add_identities([SealedIdentity("p1", b"s", START)])

    fill()
    limit = START + 100
    for kind in Kind:
        before = {other: archive.count_before(other, limit) for other in Kind}
        assert before[kind] == 1, kind
        assert archive.purge(kind, limit) == 1
        assert archive.purge(kind, limit) == 0
        assert {other: archive.count_before(other, limit) for other in Kind} == {**before, kind: 0}
    assert load(archive, "d1", OutcomeRow("p1", "dialysis", 1.0, 5.0)).known is False


def test_superseded_outcomes_are_purged_too(archive: SqlArchive) -> None:
    load(archive, "d1", OutcomeRow("p1", "dialysis", 0.0, 5.0), received=START)
    load(archive, "d2", OutcomeRow("p1", "dialysis", 1.0, 5.0), received=START + 10)
    assert archive.purge(Kind.OUTCOMES, START + 5) == 1
    assert archive.outcomes_of(["p1"]) == [OutcomeRow("p1", "dialysis", 1.0, 5.0)]
