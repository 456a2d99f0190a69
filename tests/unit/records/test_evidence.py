"""Figures for gates, from records that a clinician could count by hand."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.fakes.archive_rows import decision
from wardgate.domain.governance import ENOUGH, MEASURES, Figure, Source
from wardgate.domain.records import DecisionRecord, EventType, InputFact
from wardgate.records.evidence import Tally

TRIAL: dict[str, Any] = {
    "event_type": EventType.SHADOW,
    "mode": "shadow",
    "arm": "shadow",
    "visible": False,
    "outcome": "below_threshold",
    "card_uuids": (),
}
SILENT = {**TRIAL, "event_type": EventType.DECISION, "mode": "silent", "arm": "champion"}
CANARY = {**SILENT, "mode": "canary"}


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def times(number: int, when: str = "2026-09-21T12:00", **changes: Any) -> list[DecisionRecord]:
    return [decision(each, **{**TRIAL, "at": at(when) + each, **changes}) for each in range(number)]


def figure(
    wanted: Figure, records: Iterable[DecisionRecord], required: Iterable[str] = ("egfr", "uacr")
) -> float | None:
    tally = Tally(list(required), {"ward-ehr": UTC, "vienna": ZoneInfo("Europe/Vienna")})
    for record in records:
        tally.add(record)
    return tally.reading(wanted).value


def test_a_day_counts_from_so_many_decisions_on() -> None:
    records = [*times(ENOUGH), *times(ENOUGH - 1, "2026-09-22T12:00"), *times(ENOUGH, "2026-09-23T12:00", **SILENT)]
    assert figure(Figure.SHADOW_DAYS, records) == 2
    assert figure(Figure.DECISIONS, records) == 3 * ENOUGH - 1


def test_a_night_belongs_to_its_evening() -> None:
    """From 22:00 to 06:00: before and after midnight it is one."""
    two = ENOUGH // 2
    one_night = [*times(two, "2026-09-21T23:00"), *times(ENOUGH - two, "2026-09-22T03:00")]
    assert figure(Figure.NIGHTS, one_night) == 1 and figure(Figure.SHADOW_DAYS, one_night) == 0
    assert figure(Figure.NIGHTS, times(ENOUGH, "2026-09-21T21:00")) == 0
    assert figure(Figure.NIGHTS, times(ENOUGH, "2026-09-22T05:59")) == 1
    assert figure(Figure.NIGHTS, times(ENOUGH, "2026-09-22T06:00")) == 0


def test_nights_are_those_of_the_clients_clock() -> None:
    """20:30 UTC is 22:30 in a Viennese summer."""
    assert figure(Figure.NIGHTS, times(ENOUGH, "2026-09-21T20:30", client="vienna")) == 1
    assert figure(Figure.NIGHTS, times(ENOUGH, "2026-09-21T20:30")) == 0


def test_saturday_and_sunday_are_one_weekend() -> None:
    records = [*times(3, "2026-09-26T12:00"), *times(2, "2026-09-27T12:00"), *times(9, "2026-09-28T12:00")]
    assert figure(Figure.WEEKENDS, records) == 1
    assert figure(Figure.WEEKENDS, [*records, *times(5, "2026-10-03T12:00")]) == 2


def test_sites_are_those_that_are_configured() -> None:
    records = [*times(5), *times(5, site_id="hospital_b"), *times(9, site_id="other"), *times(9, site_id=None)]
    assert figure(Figure.SITES, records) == 2


def test_canary_counts_whoever_is_not_in_the_control_arm() -> None:
    records = [*times(5, **CANARY), *times(9, "2026-09-22T12:00", **{**CANARY, "arm": "control"})]
    assert figure(Figure.CANARY_DAYS, records) == 1 and figure(Figure.CANARY_DECISIONS, records) == 5
    assert figure(Figure.SHADOW_DAYS, records) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"repeats": "00000000-0000-4000-8000-000000000000"},
        {**SILENT, "arm": "preview"},
        {"event_type": EventType.DECISION, "reason": "shadow", "outcome": "withheld"},
        {**SILENT, "outcome": "refused"},
        {**SILENT, "outcome": "shed"},
        {**SILENT, "mode": "off", "outcome": "off"},
    ],
    ids=["repeat", "preview", "the answer beside a shadow", "refused", "shed", "off"],
)
def test_what_counts_for_nothing(changes: dict[str, Any]) -> None:
    """No day, no call, no time."""
    records = times(9, **changes)
    assert figure(Figure.SHADOW_DAYS, records) == 0
    for wanted in (Figure.P99_MS, Figure.ERRORS, Figure.MISSING, Figure.ALERT_BURDEN):
        assert figure(wanted, records) is None


def test_missing_is_of_the_required_input_that_lacked_most() -> None:
    """Patients out of scope lack what they like."""
    full, lacking = (
        (InputFact("egfr", bin=1), InputFact("uacr", bin=1)),
        (InputFact("egfr", bin=1), InputFact("uacr", mark="stale")),
    )
    records = [*times(8, inputs=full), *times(2, inputs=lacking), *times(9, inputs=lacking, outcome="out_of_scope")]
    assert figure(Figure.MISSING, records) == 0.2
    assert figure(Figure.MISSING, records, required=["egfr"]) == 0
    tally = Tally(["uacr"], {})
    for record in records:
        tally.add(record)
    assert tally.reading(Figure.MISSING).why == "uacr"


def test_errors_are_of_the_scores_that_were_wanted() -> None:
    """One that a rung of the ladder stood in for is one; a deferral before the model was asked is none."""
    records = [
        *times(7),
        *times(1, outcome="unavailable", score=None),
        *times(2, fallback_from="model_timeout", step="cached"),
        *times(5, outcome="deferred", score=None),
    ]
    assert figure(Figure.ERRORS, records) == 0.3


def test_the_alert_burden_counts_what_would_have_been_shown() -> None:
    card = ("00000000-0000-5000-8000-000000000000",)
    records = [
        *times(6),
        *times(1, outcome="withheld", card_uuids=card),
        *times(3, outcome="deferred", card_uuids=card),
    ]
    assert figure(Figure.ALERT_BURDEN, records) == 10
    assert (
        figure(Figure.ALERT_BURDEN, [*records, *times(10, **{**CANARY, "outcome": "shown", "card_uuids": card})]) == 55
    )


def test_the_time_is_that_of_the_answer_or_of_the_stages_beside_one() -> None:
    records = [decision(n, **{**SILENT, "latency_ms": float(n), "stages_ms": {}}) for n in range(1, 201)]
    assert figure(Figure.P99_MS, records) == 198
    assert figure(Figure.P99_MS, times(1, stages_ms={"extract": 1.5, "predict": 20.0}, latency_ms=900.0)) == 21.5


def test_the_override_rate_is_of_the_reported_cards() -> None:
    tally = Tally([], {})
    assert tally.reading(Figure.OVERRIDE_RATE).value is None
    for disagreed in (True, False, False, False):
        tally.report(disagreed)
    assert tally.reading(Figure.OVERRIDE_RATE).value == 0.25


def test_every_figure_of_the_records_is_there() -> None:
    """With a number once there is one of everything."""
    tally = Tally(["egfr"], {})
    tally.add(decision(0, latency_ms=1.0))
    tally.report(False)
    for wanted, measure in MEASURES.items():
        assert (tally.reading(wanted).value is not None) == (measure.source is Source.RECORDS)
