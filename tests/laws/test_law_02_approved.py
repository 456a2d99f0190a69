"""Law 2: nothing unapproved is shown. Each way around the approvals is refused, and is on the chain.

The gates are pure in `tests/unit/domain/test_gates.py`; here people and a real chain.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.approving import CLINICAL, DIGEST, JON, MIRA, OTHER, POLICY, SERVICE, TECHNICAL, Approving, person
from wardgate.control.approvals import ApprovalRefused, Cause
from wardgate.control.audit import AuditUnavailable
from wardgate.domain.admin_tokens import Role
from wardgate.domain.approvals import subject_of
from wardgate.domain.audit import START, Action, AuditEvent, seal
from wardgate.domain.gates import Verdict
from wardgate.domain.governance import BUILT_IN, Demand, Policy, digest_of
from wardgate.domain.outcomes import Mode


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Approving]:
    made = Approving(tmp_path)
    yield made
    made.close()


def test_with_all_approvals_and_figures_nothing_is_in_the_way(ground: Approving) -> None:
    assert ground.missing() == {"approver-clinical", "approver-technical"}
    ground.approve(MIRA)
    assert ground.missing() == {"approver-technical"} and not ground.gates.approved(SERVICE, DIGEST, Mode.CANARY)
    ground.approve(JON)
    assert ground.missing() == set() and ground.gates.approved(SERVICE, DIGEST, Mode.CANARY)
    assert ground.missing(Mode.ACTIVE) == {"approver-clinical"}, "approved for canary, not for active"


@pytest.mark.parametrize("who", ["os:mira", "mira/ffffffffffff", "mira/0a0a0a0a0a0a"])
def test_nobody_approves_what_she_submitted(ground: Approving, who: str) -> None:
    """By whichever of her names: her account on the machine, or one token and another."""
    ground.submit(OTHER, who)
    with pytest.raises(ApprovalRefused) as refused:
        ground.approve(MIRA, digest=OTHER)
    assert refused.value.cause is Cause.AUTHOR
    assert ground.denied() == [(MIRA.who, "release.approve", "author")]
    assert "approver-clinical" in ground.missing(digest=OTHER)


def test_her_own_approval_counts_for_nothing_where_it_is_on_the_chain(ground: Approving) -> None:
    """Given before she submitted the release, or by a program that did not look."""
    ground.approve(MIRA)
    ground.approve(JON)
    ground.submit(DIGEST, "os:mira")
    line = ground.lines()["approver-clinical"]
    assert line.verdict is Verdict.FAIL and line.reason == "mira brought it in"


def test_two_tokens_of_one_person_are_one_person(ground: Approving) -> None:
    twice = person("mira/ffffffffffff", CLINICAL, TECHNICAL)
    ground.approve(MIRA, Mode.ACTIVE)
    for role in (CLINICAL, TECHNICAL):
        with pytest.raises(ApprovalRefused) as refused:
            ground.approve(twice, Mode.ACTIVE, role)
        assert refused.value.cause is Cause.TWICE
    assert [why for *_, why in ground.denied()] == ["twice", "twice"]
    ground.say(Action.RELEASE_APPROVE, subject_of(SERVICE, DIGEST), twice.who, "active as approver-clinical")
    ground.say(Action.RELEASE_APPROVE, subject_of(SERVICE, DIGEST), twice.who, "active as approver-technical")
    assert "1: mira" in {line.found for line in ground.lines(Mode.ACTIVE).values()}
    assert ground.missing(Mode.ACTIVE) == {"approver-clinical", "approver-technical (canary)"}


def test_an_approval_for_another_digest_counts_for_nothing(ground: Approving) -> None:
    """An edit of any file is another digest."""
    ground.submit(OTHER)
    ground.approve(MIRA, digest=OTHER)
    ground.approve(JON, digest=OTHER)
    assert ground.missing() == {"approver-clinical", "approver-technical"} and ground.missing(digest=OTHER) == set()


def test_who_has_not_the_role_or_not_the_service_approves_nothing(ground: Approving) -> None:
    elsewhere = person("eve/0d0d0d0d0d0d", CLINICAL, services=frozenset({"deterioration"}))
    for who, cause in ((JON, Cause.ROLE), (elsewhere, Cause.SERVICE)):
        with pytest.raises(ApprovalRefused) as refused:
            ground.approve(who, role=CLINICAL)
        assert refused.value.cause is cause
    assert [why for *_, why in ground.denied()] == ["role", "service"]


def test_what_was_withdrawn_counts_no_longer(ground: Approving) -> None:
    ground.approve(MIRA)
    ground.approve(JON)
    with pytest.raises(ApprovalRefused):
        ground.desk.withdraw(JON, SERVICE, DIGEST, "mira")
    assert [each.state for each in ground.desk.withdraw(MIRA, SERVICE, DIGEST)] == ["canary as approver-clinical"]
    assert ground.missing() == {"approver-clinical"}
    ground.approve(MIRA)
    assert ground.missing() == set()


# --- the chain --------------------------------------------------------------------------------------------------------


def edited(ground: Approving, statement: str, *values: object) -> None:
    """By somebody who owns the tables, and has taken the trigger away."""
    ground.ground.close()
    with sqlite3.connect(ground.ground.path) as database:
        for verb in ("update", "delete"):
            database.execute(f"DROP TRIGGER audit_chain_no_{verb}")
        database.execute(statement, values)
    database.close()


def test_an_edited_row_approves_nothing(ground: Approving) -> None:
    """Silent turned into active in the table; the seal is the old one. Nothing on that chain counts any more."""
    ground.approve(JON, Mode.SILENT)
    number = ground.ground.store.last().number
    edited(ground, "UPDATE audit_chain SET entry = replace(entry, 'silent as', 'active as') WHERE number = ?", number)
    ground.begin_again()
    (line,) = ground.lines(Mode.SILENT).values()
    assert line.verdict is Verdict.FAIL and f"at entry {number}" in line.reason
    assert not ground.gates.approved(SERVICE, DIGEST, Mode.SILENT)


def test_a_row_beside_the_chain_approves_nothing(ground: Approving) -> None:
    """Added with a seal of its own, upon nothing that was there."""
    last = ground.ground.store.last()
    event = AuditEvent(
        id="00000000-0000-4000-8000-00000000ffff",
        at="2026-09-21T14:13:20.500Z",
        who=JON.who,
        what=Action.RELEASE_APPROVE,
        subject=subject_of(SERVICE, DIGEST),
        after="active as approver-technical",
    )
    entry = seal(event, START, 1_790_000_000.0)
    row = "INSERT INTO audit_chain (number, id, seal, entry, at, who, subject) VALUES (?, ?, ?, ?, ?, ?, ?)"
    edited(ground, row, last.number + 1, event.id, entry.seal, entry.text, event.at, event.who, event.subject)
    assert {line.name for line in ground.gates.gates_of(SERVICE, DIGEST, Mode.SILENT)} == {"audit chain"}


def test_a_withdrawal_cannot_be_taken_away(ground: Approving) -> None:
    """Neither from the middle, nor from the end that a process has seen; nor does asking again help."""
    ground.approve(JON, Mode.SILENT)
    assert ground.missing(Mode.SILENT) == set()
    ground.desk.withdraw(JON, SERVICE, DIGEST)
    assert ground.missing(Mode.SILENT) == {"approver-technical"}
    edited(ground, "DELETE FROM audit_chain WHERE number = ?", ground.ground.store.last().number)
    for _ in range(3):
        assert ground.missing(Mode.SILENT) == {"audit chain"}


def test_without_the_chain_nothing_is_approved_and_nobody_can_approve(ground: Approving) -> None:
    ground.approve(JON, Mode.SILENT)
    ground.ground.cut()
    (line,) = ground.gates.gates_of(SERVICE, DIGEST, Mode.SILENT)
    assert line.verdict is Verdict.UNKNOWN and not ground.gates.approved(SERVICE, DIGEST, Mode.SILENT)
    with pytest.raises(AuditUnavailable):
        ground.approve(MIRA)
    ground.ground.mend()


# --- the policy itself ------------------------------------------------------------------------------------------------

LAX = Policy({"high": {Mode.ACTIVE: Demand()}})


def test_a_policy_that_one_person_edited_does_not_hold(ground: Approving) -> None:
    """By none of her names; the second person makes it hold."""
    ground.desk.approve_policy(MIRA, LAX)
    for again in (MIRA, person("mira/ffffffffffff", TECHNICAL)):
        with pytest.raises(ApprovalRefused) as refused:
            ground.desk.approve_policy(again, LAX)
        assert refused.value.cause is Cause.TWICE
    with pytest.raises(ApprovalRefused) as refused:
        ground.desk.approve_policy(person("sam/0e0e0e0e0e0e", Role.ADMIN), LAX)
    assert refused.value.cause is Cause.ROLE
    assert ground.desk.proposed(LAX).people == ("mira",) and ground.missing(Mode.ACTIVE) != set()
    assert ground.desk.approve_policy(JON, LAX).charter.digest == digest_of(LAX)
    assert ground.missing(Mode.ACTIVE) == set()


def test_the_way_back_to_an_earlier_policy_needs_two_people_too(ground: Approving) -> None:
    for who in (MIRA, JON):
        ground.desk.approve_policy(who, LAX)
    before = ground.desk.proposed(POLICY)
    assert before.waits and before.people == ()
    ground.desk.approve_policy(MIRA, POLICY)
    assert ground.desk.proposed(POLICY).charter.digest == digest_of(LAX)


def test_without_a_policy_the_strict_one_holds(tmp_path: Path) -> None:
    ground = Approving(tmp_path, policy=None)
    assert ground.desk.proposed(BUILT_IN).charter.digest == digest_of(BUILT_IN)
    assert {"approver-clinical", "nights", "rollback_rehearsed_days"} <= ground.missing()
    ground.close()


def test_a_policy_on_the_chain_is_that_of_its_digest(ground: Approving) -> None:
    """Two people who approved one text have not approved another."""
    for who in ("mira/0a0a0a0a0a0a", "jon/0b0b0b0b0b0b"):
        text = '{"tiers":{"high":{}}}'
        ground.say(Action.GOVERNANCE_APPROVE, f"governance@{digest_of(LAX)}", who, text)
    assert ground.desk.proposed(POLICY).charter.digest == digest_of(POLICY)
