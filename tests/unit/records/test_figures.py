"""What feedback and outcomes say of each release."""

from pathlib import Path

import pytest

from tests.fakes.stories import (
    DAY,
    DIGEST,
    FHIR,
    NAMES,
    NOW,
    below,
    decision,
    desk_of,
    filled,
    overridden,
    report,
    shadow,
)
from wardgate.adapters.sql.archive import SqlArchive
from wardgate.adapters.sql.sqlite import Sqlite
from wardgate.domain.durable import SqlitePlace
from wardgate.domain.pseudonyms import KeyRing
from wardgate.domain.record_names import RecordNames, card, patient
from wardgate.records.archive import OutcomeBatch, OutcomeRow
from wardgate.records.desk import Span
from wardgate.records.figures import BandFigures, ReleaseKey, time_step

ALL = Span(0, NOW + 10_000 * DAY)
CHAMPION = ReleaseKey("1.0.0", DIGEST, "champion")


def test_what_is_ignored_is_not_overridden(tmp_path: Path) -> None:
    """Five cards: two accepted, two overridden of which one disagrees, one without a word."""
    cards = [decision(number) for number in range(1, 6)]
    reports = [
        report(cards[0]),
        report(cards[1], 100),
        overridden(cards[2], "wrong", "disagree", 5),
        overridden(cards[3], "already", "already_done", 2000),
    ]
    (figures,) = desk_of(filled(tmp_path, cards, reports)).feedback_figures("kidney-failure", ALL)

    assert figures.release == CHAMPION
    assert (figures.shown, figures.reported, figures.accepted, figures.overridden, figures.disagreed) == (5, 4, 2, 2, 1)
    assert figures.acceptance == 0.5
    assert figures.by_class == {"disagree": 1, "already_done": 1}
    assert figures.by_reason == {"https://h.example|wrong": 1, "https://h.example|already": 1}
    assert figures.by_role == {"practitioner": 4}
    assert figures.times == {"<10s": 1, "<30s": 1, "<5m": 1, "<1h": 1}
    assert figures.quantiles == {"p50": "<30s", "p90": "<1h", "p99": "<1h"}


def test_the_last_word_counts(tmp_path: Path) -> None:
    """By the client's own clock, whichever came first; the same report twice is one."""
    card = decision(1)
    late, early = report(card, 500), overridden(card, "wrong", "disagree", 20, received=card.at + 900)
    archive = filled(tmp_path, [card], [late, early, late])
    (figures,) = desk_of(archive).feedback_figures("kidney-failure", ALL)
    assert (figures.accepted, figures.overridden) == (1, 0)


def test_a_clock_that_runs_ahead_has_not_the_last_word_for_ever(tmp_path: Path) -> None:
    """Nobody has acted after the report of it came in: what is said later counts."""
    card = decision(1)
    ahead = overridden(card, "wrong", "disagree", 7000 * DAY, received=card.at + 10)
    (figures,) = desk_of(filled(tmp_path, [card], [report(card, 60), ahead])).feedback_figures("kidney-failure", ALL)
    assert (figures.accepted, figures.overridden) == (1, 0)


def test_feedback_may_come_before_its_card(tmp_path: Path) -> None:
    """From another replica's spool; it is joined by the card's name, not by the order."""
    card = decision(1)
    archive = filled(tmp_path, [], [report(card)])
    assert desk_of(archive).feedback_figures("kidney-failure", ALL) == []
    archive.add_decisions([card])
    assert desk_of(archive).feedback_figures("kidney-failure", ALL)[0].accepted == 1


def test_reports_of_unknown_cards_are_only_counted(tmp_path: Path) -> None:
    """Of a card that nobody issued, and of one that another client got: kept by a keyed name, joined to nothing."""
    card, never = decision(1), decision(9)
    archive = filled(tmp_path, [card], [report(card), report(never), report(card, client="other-ehr")])
    desk = desk_of(archive)
    assert desk.unmatched("kidney-failure", ALL) == 2
    assert desk.feedback_figures("kidney-failure", ALL)[0].reported == 1


def test_preview_shadow_repeats_and_what_is_no_score_stand_outside(tmp_path: Path) -> None:
    """Nobody decided anything by them."""
    card = decision(1)
    outside = [
        decision(2, mode="silent"),
        shadow(3, card),
        decision(4, repeats=card.decision_id, card_uuids=card.card_uuids),
        decision(5, outcome="deferred", reason="input_missing", score=None),
        decision(6, visible=False, outcome="withheld", reason="control_arm", arm="control"),
        decision(7, service_id="another"),
        decision(8, mode="silent", arm="preview"),
    ]
    (figures,) = desk_of(filled(tmp_path, [card, *outside])).feedback_figures("kidney-failure", ALL)
    assert (figures.release, figures.shown) == (CHAMPION, 1)


@pytest.mark.parametrize(
    ("after", "step"),
    [(-301, None), (-300, "<10s"), (9, "<10s"), (10, "<30s"), (86_400, ">=1d")],
)
def test_two_clocks_give_a_step_or_nothing(after: float, step: str | None) -> None:
    """A report from before its card, beyond what clocks differ by, says nothing of how long anybody took."""
    card = decision(1)
    assert time_step(card.at, report(card, after)) == step


@pytest.mark.parametrize("after", [-100 * DAY, -301.0])
def test_a_time_from_before_the_card_is_shown_to_nobody(tmp_path: Path, after: float) -> None:
    """Nobody has acted then: it may be any date of a patient's (law 4)."""
    card = decision(1)
    desk = desk_of(filled(tmp_path, [card], [report(card, after, received=card.at + 10)]))
    (story,) = desk.trace(card.decision_id, "auditor")
    assert [(each.entry.at, each.after) for each in story.reports] == [(None, None)]
    assert desk.feedback_figures("kidney-failure", ALL)[0].doubtful_times == 1


def test_reports_without_a_time_are_ordered_by_when_they_came(tmp_path: Path) -> None:
    card = decision(1)
    reports = [report(card, 20), overridden(card, "wrong", "disagree", at=None, received=card.at + 500)]
    (figures,) = desk_of(filled(tmp_path, [card], reports)).feedback_figures("kidney-failure", ALL)
    assert (figures.overridden, figures.doubtful_times) == (1, 1)


def test_nothing_is_unmatched_since_a_key_was_changed(tmp_path: Path) -> None:
    """The record of the card is under the old one, the report under the new."""
    old, new = b"an old secret of thirty-two bytes", b"a newer secret of thirty-two bytes"
    before, now = RecordNames(KeyRing([old])), RecordNames(KeyRing([new, old]))
    one = decision(1)
    archive = SqlArchive(Sqlite(SqlitePlace(str(tmp_path / "a.db"))), lambda uuid: before.of(card(uuid)))
    archive.add_decisions([one])
    current, *earlier = now.all_of(card(one.card_uuids[0]))
    archive.add_feedback([report(one, card_key=current, earlier_keys=tuple(earlier))])
    desk = desk_of(archive, names=now)
    assert desk.unmatched("kidney-failure", ALL) == 0
    assert desk.feedback_figures("kidney-failure", ALL)[0].accepted == 1


def test_a_report_from_the_future_has_no_time(tmp_path: Path) -> None:
    """Counted, and its time left out."""
    card = decision(1)
    archive = filled(tmp_path, [card], [report(card, 5000, received=card.at + 10)])
    (figures,) = desk_of(archive).feedback_figures("kidney-failure", ALL)
    assert (figures.accepted, figures.doubtful_times, figures.times) == (1, 1, {})
    assert figures.quantiles == {"p50": None, "p90": None, "p99": None}


def test_outcomes_by_band(tmp_path: Path) -> None:
    """Over all scores of the model, also below the threshold and in shadow; known is only what the rule knows. A
    preview was seen by somebody, and yet not for care: it stands outside."""
    shown, low, high = decision(1), below(2, score=0.001), decision(3, band="high", score=0.4)
    previewed = decision(6, mode="silent", arm="preview")
    archive = filled(tmp_path, [shown, low, high, shadow(4, shown), decision(5, step="rule"), previewed])
    happened = {"p1": (1.0, 40), "p2": (0.0, 800), "p3": (0.0, 100)}
    rows = [
        OutcomeRow(NAMES.of(patient("ward-ehr", FHIR, who)), "kidney_failure", value, NOW + days * DAY)
        for who, (value, days) in happened.items()
    ]
    archive.add_outcomes(rows, lambda: OutcomeBatch("d", "registry", NOW))

    champion, in_shadow = desk_of(archive).outcome_figures("kidney-failure", ALL)

    assert champion.total == BandFigures(decisions=3, known=2, events=1, rate=0.5)
    bands = {band: (each.decisions, each.known, each.events) for band, each in champion.by_band.items()}
    assert bands == {"high": (1, 0, 0), "none": (1, 1, 0), "raised": (1, 1, 1)}
    assert (in_shadow.release.arm, in_shadow.total.events) == ("shadow", 1)
