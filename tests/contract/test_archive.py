"""One suite for every durable store: what `Archive` promises of decisions and feedback (outcomes, access, purge:
test_archive_kinds.py; what may befall a store: test_archive_troubles.py)."""

import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from tests.contract.conftest import Store
from tests.fakes.archive_rows import FOREVER, START, card_key, card_uuid, decision, report
from wardgate.adapters.sql.archive import SqlArchive
from wardgate.domain.durable import SqlitePlace
from wardgate.records.archive import AccessEntry, ArchiveUnavailable, Kind, RecordRefused, Trouble

# --- decisions ------------------------------------------------------------------------------------------------------


def test_a_decision_comes_back_whole(archive: SqlArchive) -> None:
    """Every field, to the last digit."""
    record = decision(0, score=0.1 + 0.2, dropped={"subject": 2}, threshold=None)
    assert archive.add_decisions([record]) == 1
    assert archive.decisions_named(decision_id=record.decision_id) == [record]


def test_a_decision_counts_once(archive: SqlArchive) -> None:
    """A spool is read again from an earlier place; two replicas may hand in the same."""
    assert archive.add_decisions([decision(n) for n in range(10)]) == 10
    assert archive.add_decisions([decision(n) for n in range(5, 15)]) == 5
    assert archive.add_decisions([]) == 0
    assert len(list(archive.decisions(0, FOREVER))) == 15


def test_the_same_decision_twice_in_one_call_counts_once(archive: SqlArchive) -> None:
    assert archive.add_decisions([decision(1), decision(1)]) == 1


def test_sqlite_prepares_the_same_statements_however_many_come(tmp_path: Path) -> None:
    """Regression: each number of rows was a statement of its own. A connection keeps the last 128, here of
    a megabyte each, and took days to fill them."""
    said: set[str] = set()

    def heard(connection: object, cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT"):
            said.add(statement)

    archive = Store(SqlitePlace(str(tmp_path / "wardgate.db"))).another()
    event.listen(Engine, "before_cursor_execute", heard)
    try:
        counted = [archive.add_decisions([decision(100 * n + m) for m in range(n)]) for n in (1, 2, 7, 30)]
    finally:
        event.remove(Engine, "before_cursor_execute", heard)
        archive.close()
    assert counted == [1, 2, 7, 30]
    assert len(said) == len({statement.split("(")[0] for statement in said}) > 0


def test_a_decision_is_found_by_each_of_its_names(archive: SqlArchive) -> None:
    """Its id, its card under any key of the ring, its hook call; and nothing by a name that nobody bears."""
    archive.add_decisions([decision(n) for n in range(3)])
    wanted = [decision(1)]
    assert archive.decisions_named(decision_id=decision(1).decision_id) == wanted
    assert archive.decisions_named(card_key=["card:older:x", card_key(card_uuid(1))]) == wanted
    assert archive.decisions_named(hook_instance=[decision(1).hook_instance or "", "hook_instance:older:y"]) == wanted
    assert archive.decisions_named(decision_id="nobody") == []
    assert archive.decisions_named(card_key=["nobody"]) == []
    assert archive.decisions_named() == []


def test_shadow_releases_come_with_the_decision_that_they_stand_beside(archive: SqlArchive) -> None:
    """Oldest first, by whichever name the call was asked for."""
    champion = decision(0)
    shadows = [decision(n, of=champion.decision_id, hook_instance=None, card_uuids=()) for n in (1, 2)]
    archive.add_decisions([*shadows, champion])
    for named in (
        archive.decisions_named(decision_id=champion.decision_id),
        archive.decisions_named(card_key=[card_key(card_uuid(0))]),
        archive.decisions_named(hook_instance=[champion.hook_instance or ""]),
    ):
        assert named == [champion, *shadows]


def test_a_span_of_time_is_half_open(archive: SqlArchive) -> None:
    archive.add_decisions([decision(n) for n in range(4)])
    assert list(archive.decisions(START + 1, START + 3)) == [decision(1), decision(2)]
    assert list(archive.decisions(START + 3, START + 1)) == []


def test_a_stream_is_whole_and_in_order(archive: SqlArchive) -> None:
    """Over the ends of pages, where many decisions bear one time, and for a service that is rare."""
    records = [decision(n, at=START + n // 3000) for n in range(7000)]
    records[123] = decision(123, at=START, service_id="rare")
    records[6500] = decision(6500, at=START + 2, service_id="rare", release_digest="sha256:2")
    archive.add_decisions(records)
    in_order = sorted(records, key=lambda record: (record.at, record.decision_id))
    assert list(archive.decisions(0, FOREVER)) == in_order
    assert list(archive.decisions(0, FOREVER, service_id="rare")) == [records[123], records[6500]]
    assert list(archive.decisions(0, FOREVER, release_digest="sha256:2")) == [records[6500]]
    assert len(list(archive.affected(decision().release_digest or "", 0, FOREVER))) == 6999


def test_what_comes_while_a_stream_is_read_does_not_disturb_it(archive: SqlArchive) -> None:
    """Nor does a purge; whoever stops reading holds nothing."""
    archive.add_decisions([decision(n) for n in range(5000)])
    stream = archive.decisions(0, START + 5000)
    assert next(stream) == decision(0)
    assert archive.add_decisions([decision(n) for n in range(5000, 5100)]) == 100
    assert archive.purge(Kind.DECISIONS, START + 4000) == 4000
    rest = list(stream)
    assert rest[-1] == decision(4999) and rest[-1000:] == [decision(n) for n in range(4000, 5000)]


def test_only_cards_that_left_affect_anybody(archive: SqlArchive) -> None:
    """By release, with nothing of the record beyond what the list needs."""
    archive.add_decisions(
        [
            decision(0),
            decision(1, visible=False),
            decision(2, release_digest="sha256:2"),
            decision(3, release_digest=None, model_name=None),
        ]
    )
    rows = list(archive.affected("sha256:2", 0, FOREVER))
    assert [(row.decision_id, row.patient, row.site_id, row.unit) for row in rows] == [
        (decision(2).decision_id, decision(2).patient, "hospital_a", None)
    ]
    assert [row.decision_id for row in archive.affected(decision().release_digest or "", 0, FOREVER)] == [
        decision(0).decision_id
    ]


def test_the_digests_of_a_release_are_known(archive: SqlArchive) -> None:
    """One for each service that uses it, and for each edit of its files; also after the decisions were purged."""
    archive.add_decisions(
        [
            decision(0),
            decision(1, release_digest="sha256:2"),
            decision(2, release_digest="sha256:4", model_version="2.0.0"),
        ]
    )
    archive.add_decisions([decision(3, release_digest="sha256:3")])
    archive.purge(Kind.DECISIONS, FOREVER)
    assert archive.digests_of("kidney-failure", "1.0.0") == [decision().release_digest, "sha256:2", "sha256:3"]
    assert archive.digests_of("kidney-failure", "3.0.0") == []
    assert archive.digests_like("sha256:2") == ["sha256:2"] and archive.digests_like("sha256:9") == []
    assert archive.digests_like("sha256:")[1:] == ["sha256:2", "sha256:3", "sha256:4"]
    assert archive.digests_like("%") == []


@pytest.mark.parametrize(
    "poison",
    [
        decision(1, at=float("nan")),
        decision(1, stages_ms={"model": float("inf")}),
        decision(1, service_id="kidney\ud800failure"),
    ],
    ids=["no time", "no number", "no unicode"],
)
def test_a_record_that_could_not_be_read_again_is_refused(archive: SqlArchive, poison: object) -> None:
    """And nothing of its batch is kept, so that whoever divides the batch finds it."""
    with pytest.raises(RecordRefused):
        archive.add_decisions([decision(0), poison])  # type: ignore[list-item]
    assert list(archive.decisions(0, FOREVER)) == []
    assert archive.add_decisions([decision(0)]) == 1


def test_text_of_any_kind_is_kept_as_it_is(archive: SqlArchive) -> None:
    """Nothing in a record is a statement; a NUL is the one character that a store may refuse."""
    odd = decision(0, unit="'; DROP TABLE decisions; --", specialty='"%s" :x \\ \u00e4\U0001f9a0', band="\r\n\t")
    assert archive.add_decisions([odd]) == 1
    assert archive.decisions_named(decision_id=odd.decision_id) == [odd]
    with pytest.raises(RecordRefused):
        archive.add_decisions([decision(1, decision_id="a\0b"), decision(2)])
    assert list(archive.decisions(0, FOREVER)) == [odd]


def test_many_writers_and_readers_at_once_lose_nothing(store: Store) -> None:
    """Threads of two programs, the same decisions among them."""
    archives = [store.another(), store.another()]
    new: list[int] = []
    barrier = threading.Barrier(8)

    def write(worker: int) -> None:
        barrier.wait(30)
        for start in range(0, 200, 20):
            new.append(archives[worker % 2].add_decisions([decision(n) for n in range(start, start + 40)]))
            list(archives[worker % 2].decisions(START, START + 30))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert sum(new) == 220
    assert list(archives[0].decisions(0, FOREVER)) == [decision(n) for n in range(220)]


def test_decisions_of_any_time_have_their_place(archive: SqlArchive) -> None:
    """Of clocks that were never set, too."""
    ats = [-1e12, 0.0, 1.0, START, START + 40 * 86400, 3.9e9, 1e15]
    records = [decision(n, at=at) for n, at in enumerate(ats)]
    assert archive.add_decisions(records) == len(ats)
    assert list(archive.decisions(-1e13, 1e16)) == records


# --- feedback -------------------------------------------------------------------------------------------------------


def test_the_same_report_twice_is_one_entry(archive: SqlArchive) -> None:
    """FB-6: however often it comes; a later one of the same card is another."""
    again, later = report(0, received=START + 99), report(0, at=START + 70, outcome="accepted")
    assert archive.add_feedback([report(0), report(0)]) == 1
    assert archive.add_feedback([again, later]) == 1
    assert archive.feedback_of([card_key(card_uuid(0))], "ward-ehr") in (
        [report(0), later],
        [later, report(0)],  # they came at the same time
    )


def test_feedback_counts_only_from_the_client_that_got_the_card(archive: SqlArchive) -> None:
    archive.add_feedback([report(0), report(1, client="other-ehr")])
    keys = [card_key(card_uuid(n)) for n in range(2)]
    assert archive.feedback_of(keys, "ward-ehr") == [report(0)]
    assert archive.feedback_of([], "ward-ehr") == []


def test_feedback_of_many_cards_is_found_in_one_call(archive: SqlArchive) -> None:
    reports = [report(n, received=START + n) for n in range(1200)]
    assert archive.add_feedback(reports) == 1200
    assert archive.feedback_of([report.card_key for report in reversed(reports)], "ward-ehr") == reports


def test_feedback_is_joined_to_what_its_client_was_shown(archive: SqlArchive) -> None:
    """Whichever came first; to the first decision that showed the card, not to its repeat."""
    unknown, early = report(9, received=START + 1), report(0, received=START + 2)
    foreign, unseen = report(1, received=START + 3, client="other-ehr"), report(2, received=START + 4)
    archive.add_feedback([unseen, foreign, early, unknown])
    repeat = decision(5, card_uuids=decision(0).card_uuids, repeats=decision(0).decision_id)
    archive.add_decisions([repeat, decision(0), decision(1), decision(2, visible=False)])
    assert list(archive.feedback(0, FOREVER)) == [
        (unknown, None),
        (early, decision(0)),
        (foreign, None),
        (unseen, None),
    ]
    assert [entry for entry, _ in archive.feedback(START + 2, START + 3)] == [early]
    assert list(archive.feedback(0, FOREVER, service_id="another")) == []


def test_feedback_is_joined_across_a_change_of_key(archive: SqlArchive) -> None:
    """The card was recorded under the previous key, and is reported under the current one."""
    after = report(0, card_key="card:00000002:x", earlier_keys=("card:00000001:x", card_key(card_uuid(0))))
    archive.add_feedback([after])
    archive.add_decisions([decision(0)])
    assert list(archive.feedback(0, FOREVER)) == [(after, decision(0))]


# --- opening --------------------------------------------------------------------------------------------------------


def test_many_programs_may_start_at_once(bare: Store) -> None:
    """The tables are made once; whoever comes second finds them."""
    archives = [bare.another() for _ in range(6)]
    barrier = threading.Barrier(6)

    def start(number: int) -> int:
        barrier.wait(30)
        return archives[number].add_decisions([decision(number)])

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(start, range(6))) == [1] * 6


def test_what_was_added_is_there_after_a_restart(bare: Store) -> None:
    first = bare.another()
    first.add_decisions([decision(0)])
    first.close()
    second = bare.another()
    second.ping()
    assert list(second.decisions(0, FOREVER)) == [decision(0)]


def test_an_error_says_why_and_nothing_else(archive: SqlArchive) -> None:
    """What a driver says may quote a value."""
    entry = AccessEntry(START, "Mustermann", "trace", "Mustermann", 2**70)
    with pytest.raises(RecordRefused) as refused:
        archive.note_access(entry)
    assert "Mustermann" not in "".join(traceback.format_exception(refused.value))
    assert str(ArchiveUnavailable(Trouble.LATE)) == "late"
