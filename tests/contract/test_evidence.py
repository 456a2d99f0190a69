"""Figures for gates from a real store: bounded, by service and digest, on the access log."""

from pathlib import Path

from tests.fakes.archive_rows import START, card_key, decision, report
from tests.fakes.hot import RING
from wardgate.adapters.sql.archive import SqlArchive
from wardgate.adapters.sql.sqlite import Sqlite
from wardgate.domain.durable import SqlitePlace
from wardgate.domain.governance import WINDOW_DAYS, Figure
from wardgate.domain.record_names import RecordNames, card
from wardgate.records.evidence import EvidenceDesk

DAY = 86400.0
DIGEST, OTHER = "sha256:" + "1" * 64, "sha256:" + "2" * 64
NAMES = RecordNames(RING)
WANTED = (Figure.CANARY_DAYS, Figure.CANARY_DECISIONS, Figure.OVERRIDE_RATE, Figure.P99_MS, Figure.MISSING)


def desk(archive: SqlArchive, limit: float = 60.0, ticks: float = 0.0) -> EvidenceDesk:
    now = [0.0]

    def monotonic() -> float:
        now[0] += ticks
        return now[0]

    return EvidenceDesk(archive, NAMES, dict, lambda: START + 10 * DAY, monotonic, limit)


def fill(archive: SqlArchive) -> None:
    """Ten days of ten cards, over eleven dates; as many of another release, another service, long ago."""
    own = [decision(n, at=START + n * DAY / 10, latency_ms=float(n % 10)) for n in range(100)]
    others = [decision(1000 + n, release_digest=OTHER, latency_ms=900.0) for n in range(100)]
    elsewhere = [decision(2000 + n, service_id="deterioration", latency_ms=900.0) for n in range(100)]
    old = [decision(3000 + n, at=START - WINDOW_DAYS * DAY - n, latency_ms=900.0) for n in range(100)]
    archive.add_decisions([*own, *others, *elsewhere, *old])
    keyed = [NAMES.of(card(record.card_uuids[0])) for record in own]
    archive.add_feedback(
        [
            report(n, card_key=keyed[n], override_class="disagree" if n < 3 else "already_done", at=START + 60)
            for n in range(10)
        ]
    )


def test_figures_are_those_of_one_release_of_one_service(archive: SqlArchive) -> None:
    fill(archive)
    figures = desk(archive).figures("kidney-failure", DIGEST, ["uacr"], WANTED, "os:ada")
    found = {figure: reading.value for figure, reading in figures.items()}
    assert found == {
        Figure.CANARY_DAYS: 11,
        Figure.CANARY_DECISIONS: 100,
        Figure.OVERRIDE_RATE: 0.3,
        Figure.P99_MS: 9,
        Figure.MISSING: 1,
    }
    (look,) = archive.accesses(0, 1e12)
    assert (look.principal, look.action, look.subject, look.rows) == ("os:ada", "gate", DIGEST, 100)


def test_a_release_without_records_has_no_figures(archive: SqlArchive) -> None:
    figures = desk(archive).figures("kidney-failure", "sha256:" + "9" * 64, [], WANTED, "os:ada")
    assert figures[Figure.CANARY_DAYS].value == 0 and figures[Figure.P99_MS].value is None


def test_half_of_the_records_give_no_figure(archive: SqlArchive) -> None:
    """Where the time is up, that is said; nothing was given out, so nothing is on the access log."""
    fill(archive)
    figures = desk(archive, limit=5, ticks=10).figures("kidney-failure", DIGEST, [], WANTED, "os:ada")
    assert {reading.value for reading in figures.values()} == {None}
    assert figures[Figure.P99_MS].why == "the records were not read within 5 s"
    assert list(archive.accesses(0, 1e12)) == []


def test_without_the_store_that_is_said(tmp_path: Path) -> None:
    place = tmp_path / "wardgate.db"
    place.mkdir()
    archive = SqlArchive(Sqlite(SqlitePlace(str(place))), card_key)
    figures = desk(archive).figures("kidney-failure", DIGEST, [], WANTED, "os:ada")
    assert {reading.value for reading in figures.values()} == {None} and figures[Figure.P99_MS].why
    archive.close()
