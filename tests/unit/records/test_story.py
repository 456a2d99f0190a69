"""The story of a card, by whichever name one has of it."""

from pathlib import Path

import pytest

from tests.fakes.stories import (
    DAY,
    FHIR,
    NAMES,
    decision,
    decision_id,
    desk_of,
    filled,
    instance,
    overridden,
    report,
    shadow,
)
from wardgate.adapters.sql.archive import SqlArchive
from wardgate.domain.record_names import patient
from wardgate.records.archive import AccessEntry, OutcomeBatch, OutcomeRow
from wardgate.records.story import words_of

ONE = decision(1)
SHADOW = shadow(2, ONE)
REPEAT = decision(3, repeats=ONE.decision_id, card_uuids=ONE.card_uuids, hook_instance=ONE.hook_instance)
OTHER = decision(4)


@pytest.fixture
def archive(tmp_path: Path) -> SqlArchive:
    return filled(tmp_path, [ONE, SHADOW, REPEAT, OTHER], [report(ONE), overridden(ONE, "already", "already_done", 70)])


@pytest.mark.parametrize(
    "name",
    [
        ONE.decision_id,
        ONE.card_uuids[0],
        f"urn:uuid:{ONE.card_uuids[0].upper()}",
        instance(1),
        SHADOW.decision_id,
        REPEAT.decision_id,
    ],
)
def test_every_name_leads_to_the_same_story(archive: SqlArchive, name: str) -> None:
    """Card, decision, hookInstance, a release in shadow, a repeat: one call, told once, with all that stood beside."""
    (story,) = desk_of(archive).trace(name, "auditor")

    assert story.decision == ONE
    assert [each.decision_id for each in story.shadows] == [SHADOW.decision_id]
    assert [each.decision_id for each in story.repeats] == [REPEAT.decision_id]
    assert [(each.entry.outcome, each.after) for each in story.reports] == [("accepted", "<30s"), ("overridden", "<5m")]
    assert story.ranges == {"egfr": "15 to 30 mL/min"}
    assert "insecure_demo" in story.approvals


@pytest.mark.parametrize("name", ["", "p1", "Smith", decision_id(99), instance(99), f"{ONE.decision_id} "])
def test_what_is_no_name_has_no_story(archive: SqlArchive, name: str) -> None:
    """And is not an error."""
    assert desk_of(archive).trace(name, "auditor") == ()


def test_another_clients_report_is_not_told(tmp_path: Path) -> None:
    """Only whoever got a card can say what became of it."""
    archive = filled(tmp_path, [ONE], [report(ONE, client="other-ehr")])
    (story,) = desk_of(archive).trace(ONE.decision_id, "auditor")
    assert story.reports == ()


def test_the_outcome_is_joined_by_rule(archive: SqlArchive) -> None:
    """The label of the service, within its window, of this patient."""
    subject = NAMES.of(patient("ward-ehr", FHIR, "p1"))
    rows = [OutcomeRow(subject, "kidney_failure", 1, ONE.at + 40 * DAY), OutcomeRow(subject, "death", 1, ONE.at + 1)]
    archive.add_outcomes(rows, lambda: OutcomeBatch("d", "registry", ONE.at))
    (story,) = desk_of(archive).trace(ONE.decision_id, "auditor")
    assert (story.outcome, [row.label for row in story.happened]) == (1.0, ["kidney_failure"])


def test_every_look_is_on_the_access_log(archive: SqlArchive) -> None:
    """With who, what and in our own ids, also where nothing was found."""
    desk = desk_of(archive)
    desk.trace(ONE.card_uuids[0], "auditor")
    desk.trace("Mr Smith", "curious")
    now = desk.now()
    assert list(archive.accesses(0, now + 1)) == [
        AccessEntry(now, "auditor", "trace", ONE.decision_id, 1),
        AccessEntry(now, "curious", "trace", "nothing", 0),
    ]


def test_a_bin_holds_its_lower_edge() -> None:
    """As `gateway.recording` counts them: bin 0 is below the first edge."""
    assert words_of([15, 30.5], "mL/min") == ("below 15 mL/min", "15 to 30.5 mL/min", "30.5 mL/min or more")
    assert words_of([], "mL/min") == ()
