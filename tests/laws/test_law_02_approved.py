"""Law 2: nothing unapproved is shown. Each way around the approvals is refused, and is on the chain.

The gates are pure in `tests/unit/domain/test_gates.py`; here people and a real chain.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.fakes.approving import CLINICAL, DIGEST, JON, MIRA, OTHER, POLICY, SERVICE, TECHNICAL, Approving, person
from tests.fakes.audit import MemoryChain, event
from tests.fakes.withdrawing import LEA, Withdrawing
from wardgate.control.approvals import ApprovalRefused, Cause
from wardgate.control.audit import AuditUnavailable, DeedSeal, Happened
from wardgate.control.chain_reader import ChainReader
from wardgate.domain.admin_tokens import Role
from wardgate.domain.approvals import Void, policy_subject, subject_of
from wardgate.domain.audit import START, Action, AuditEvent, seal
from wardgate.domain.gates import Verdict
from wardgate.domain.governance import BUILT_IN, Demand, Policy, digest_of, text_of
from wardgate.domain.outcomes import Mode
from wardgate.domain.pseudonyms import PurposeKey


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


def test_what_is_shown_comes_down_with_the_approval_that_it_stands_on(tmp_path: Path) -> None:
    """By whoever watches next, where the process that took it back died half way; what the others carry stays."""
    scene = Withdrawing(tmp_path)
    scene.approving.approve(LEA)
    scene.approving.desk.withdraw(MIRA, SERVICE, DIGEST)
    scene.begin_again()
    assert scene.desk.look() == () and scene.rollout.mode.value == "canary"
    scene.approving.desk.withdraw(LEA, SERVICE, DIGEST)
    scene.begin_again()
    scene.desk.look()
    assert scene.rollout.mode is Mode.SILENT and scene.approving.gates.approved(SERVICE, DIGEST, Mode.SILENT)
    assert scene.said() == [(LEA.who, "done", "approval_withdrawn")]
    scene.close()


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


# --- whoever may write to the database --------------------------------------------------------------------------------

OURS, OTHERS = (DeedSeal([PurposeKey("ours", letter * 32)]) for letter in (b"o", b"x"))
GONE = DeedSeal([PurposeKey("gone", b"g" * 32)])


def sealed_chain() -> tuple[MemoryChain, ChainReader]:
    chain = MemoryChain()
    return chain, ChainReader(chain, seal=OURS)


def say(chain: MemoryChain, by: DeedSeal | None, number: int, **said: object) -> AuditEvent:
    """Chained as it should be, upon the last entry: the seals of the chain need no key."""
    wanted = event(number, **{"subject": subject_of(SERVICE, DIGEST), "before": None, **said})
    chain.append([Happened(wanted if by is None else by.sealed(wanted))], 1_790_000_000.0)
    return wanted


APPROVED = {"what": Action.RELEASE_APPROVE, "after": "active as approver-technical"}


def test_an_event_with_grounds_and_one_without_are_ours() -> None:
    """As they have become entries; and nobody changes what a raise stood on."""
    for number, said in enumerate(({}, {"grounds": "policy sha256:11; nights: needs 10, found 12"}), 1):
        entry = seal(OURS.sealed(event(number, **said)), START, 1.0)
        whole = msgspec.json.decode(entry.text)
        assert OURS.is_of(whole) and ("grounds" in whole) == bool(said)
        assert not OURS.is_of({**whole, "grounds": "nobody was asked"})


@pytest.mark.parametrize("by", [None, OTHERS], ids=["no key", "another key"])
def test_an_approval_that_somebody_chained_by_hand_approves_nothing(by: DeedSeal | None) -> None:
    """Its own seal is right, and so is that of the entry before: anybody can work them out."""
    chain, reader = sealed_chain()
    say(chain, OURS, 1, what=Action.RELEASE_SUBMIT, who="sam/0a", after=None)
    say(chain, OURS, 2, **APPROVED, who="jon/0b")
    for number, what in enumerate((Action.RELEASE_SUBMIT, Action.DRILL, Action.GOVERNANCE_APPROVE), start=3):
        say(chain, by, number, what=what, who="eve/0c", after='{"tiers":{"high":{}}}')
    say(chain, by, 6, **APPROVED, who="eve/0c")
    ledger, subject = reader.read(), subject_of(SERVICE, DIGEST)
    assert [each.person for each in ledger.approvals(subject)] == ["jon"] and ledger.authors(subject) == ("sam",)
    assert ledger.drilled(SERVICE) is None and ledger.charter.policy == BUILT_IN


def test_an_approval_that_was_changed_by_hand_approves_nothing() -> None:
    """The policy's step, the role, or the release; with all seals worked out anew."""
    chain, reader = sealed_chain()
    good = OURS.sealed(event(1, **APPROVED, who="jon/0b", subject=subject_of(SERVICE, OTHER), before=None))
    moved = msgspec.structs.replace(good, subject=subject_of(SERVICE, DIGEST))
    chain.append([Happened(moved)], 1_790_000_000.0)
    assert reader.read().approvals(subject_of(SERVICE, DIGEST)) == ()


def test_an_approval_that_was_withdrawn_is_not_said_again_by_a_copy() -> None:
    chain, reader = sealed_chain()
    approved = say(chain, OURS, 1, **APPROVED, who="jon/0b")
    withdrawn = "active as approver-technical by jon"
    say(chain, OURS, 2, what=Action.RELEASE_WITHDRAW, who="jon/0b", before=withdrawn, after="withdrawn")
    reader.read()
    chain.append([Happened(OURS.sealed(approved))], 1_790_000_000.0)
    assert reader.read().approvals(approved.subject) == ChainReader(chain, seal=OURS).read().approvals(approved.subject)
    assert reader.read().approvals(approved.subject) == ()


def test_what_bars_a_release_counts_whoever_wrote_it() -> None:
    chain, reader = sealed_chain()
    say(chain, OURS, 1, **APPROVED, who="jon/0b")
    say(chain, None, 2, what=Action.RELEASE_RETIRE, who="eve/0c", after="retired")
    assert reader.read().retired(subject_of(SERVICE, DIGEST))


def test_what_lies_under_a_key_that_is_gone_approves_nothing_is_told_and_bars() -> None:
    """Until the key is back among the previous ones, or somebody says it again; who brought the release in stays who
    did, and its risk tier counts."""
    chain, subject = MemoryChain(), subject_of(SERVICE, DIGEST)
    say(chain, GONE, 1, what=Action.RELEASE_SUBMIT, who="sam/0a", after=None)
    say(chain, GONE, 2, **APPROVED, who="jon/0b")
    for number, who in enumerate(("ada/0d", "eve/0e"), start=3):
        governed = {"what": Action.GOVERNANCE_APPROVE, "subject": policy_subject(digest_of(POLICY))}
        say(chain, GONE, number, **governed, who=who, after=text_of(POLICY))
    reader = ChainReader(chain, seal=OURS)
    ledger = reader.read()
    assert not ledger.approvals(subject) and not ledger.authors(subject) and ledger.charter.policy == BUILT_IN
    assert ledger.void() == {Void.SUBMITTED: 1, Void.APPROVED: 1, Void.POLICY: 2}
    assert ledger.barred(subject) == ("sam",) and ledger.standing(SERVICE) == (DIGEST,)
    say(chain, OURS, 5, what=Action.RELEASE_SUBMIT, who="ida/0f", after=None)
    say(chain, OURS, 6, **APPROVED, who="jon/0b")
    again = reader.read()
    assert again.void(subject) == {} and again.barred(subject) == ("ida", "sam")
    assert [each.person for each in again.approvals(subject)] == ["jon"] and ledger.approvals(subject) == ()


def test_a_store_that_fails_half_way_takes_no_approval_away() -> None:
    chain, reader = sealed_chain()
    say(chain, OURS, 1, **APPROVED, who="jon/0b")
    say(chain, OURS, 2, what=Action.DRILL, who="jon/0b", after=None)
    chain.down_at = 2
    with pytest.raises(AuditUnavailable):
        reader.read()
    chain.down_at = -1
    assert [each.person for each in reader.read().approvals(subject_of(SERVICE, DIGEST))] == ["jon"]
