"""What an approval that is taken back takes out of sight, and what it does not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.approving import CLINICAL, POLICY, TECHNICAL, person
from tests.fakes.audit import MemoryChain, event
from tests.fakes.withdrawing import DIGEST, JON, LEA, MIRA, OTHER, SERVICE, Withdrawing
from wardgate.control.approvals import ApprovalRefused
from wardgate.control.audit import DeedSeal, Happened
from wardgate.control.chain_reader import ChainReader
from wardgate.control.withdrawals import _is_whole
from wardgate.domain.admin_tokens import Role
from wardgate.domain.approvals import subject_of
from wardgate.domain.audit import Action
from wardgate.domain.governance import Demand, Need, Policy
from wardgate.domain.outcomes import Mode
from wardgate.domain.pseudonyms import PurposeKey
from wardgate.domain.rollout.rollouts import Challenger, Cohort, Rollout

STRICTER = Policy({"high": {**POLICY.tiers["high"], Mode.SILENT: Demand((Need(TECHNICAL, 3),), True)}})


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Withdrawing]:
    made = Withdrawing(tmp_path)
    yield made
    made.close()


def test_a_withdrawal_takes_out_of_sight_what_the_others_do_not_carry(ground: Withdrawing) -> None:
    """JON carries silent alone, so it comes down to that; the chain has who, and why."""
    done = ground.desk.withdraw(MIRA, SERVICE, DIGEST)
    assert done.fall is not None and done.fall.lines == (f"{SERVICE}: canary → silent",)
    assert done.changed is not None and done.changed.epoch == ground.house.epoch and done.changed.raised == ()
    assert ground.rollout.mode is Mode.SILENT
    assert ground.said() == [(MIRA.who, "done", "approval_withdrawn")]
    assert ground.desk.look() == () and len(ground.said()) == 1


def test_what_the_others_carry_stays(ground: Withdrawing) -> None:
    ground.approving.approve(LEA)
    assert ground.desk.would(MIRA, SERVICE, DIGEST).fall is None
    done = ground.desk.withdraw(MIRA, SERVICE, DIGEST)
    assert done.fall is None and done.trouble == "" and ground.desk.look() == ()
    assert ground.rollout.mode is Mode.CANARY and ground.said() == []


def test_active_comes_down_to_canary_where_that_is_carried(ground: Withdrawing) -> None:
    nils = person("nils/0e0e0e0e0e0e")
    ground.approving.approve(LEA, Mode.ACTIVE)
    ground.approving.approve(nils, Mode.ACTIVE)
    ground.decide(Rollout(DIGEST, Mode.ACTIVE, salt="s"))
    ground.desk.withdraw(nils, SERVICE, DIGEST)
    assert ground.rollout.mode is Mode.CANARY


def test_where_not_even_silent_is_carried_there_are_no_previews(ground: Withdrawing) -> None:
    ground.decide(Rollout(DIGEST, Mode.CANARY, salt="s", preview=frozenset({"user"})))
    done = ground.desk.withdraw(JON, SERVICE, DIGEST)
    assert (ground.rollout.mode, ground.rollout.preview) == (Mode.SILENT, frozenset())
    assert done.fall is not None and done.fall.lines[-1] == f"{SERVICE}: no previews any more"


def test_previews_of_a_silent_one_go_as_well(ground: Withdrawing) -> None:
    ground.decide(Rollout(DIGEST, Mode.SILENT, salt="s", preview=frozenset({"user"})))
    ground.desk.withdraw(MIRA, SERVICE, DIGEST)
    assert ground.rollout.preview == {"user"}, "JON's carries silent"
    ground.desk.withdraw(JON, SERVICE, DIGEST)
    assert ground.rollout.preview == frozenset()


def test_a_challenger_goes_and_the_champion_stays(ground: Withdrawing) -> None:
    """Active is carried by nobody here, and nobody has withdrawn an approval of the champion: that is told alone."""
    ground.decide(Rollout(DIGEST, Mode.ACTIVE, challenger=Challenger(OTHER, Cohort(percent=5.0)), salt="s"))
    ground.desk.withdraw(MIRA, SERVICE, OTHER)
    assert ground.rollout.challenger is None and ground.rollout.mode is Mode.ACTIVE


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.SHADOW, Mode.SILENT])
def test_what_nobody_sees_stays_as_it_is(ground: Withdrawing, mode: Mode) -> None:
    ground.decide(Rollout(DIGEST, mode, salt="s"))
    ground.desk.withdraw(JON, SERVICE, DIGEST)
    assert ground.desk.look() == () and ground.said() == []


def test_what_would_come_down_is_told_before(ground: Withdrawing) -> None:
    would = ground.desk.would(MIRA, SERVICE, DIGEST)
    assert would.fall is not None and would.fall.lines == (f"{SERVICE}: canary → silent",)
    assert ground.rollout.mode is Mode.CANARY and ground.approving.missing() == set()
    with pytest.raises(ApprovalRefused):
        ground.desk.would(LEA, SERVICE, DIGEST)


def test_an_administrator_who_withdraws_for_somebody_is_who_did_it(ground: Withdrawing) -> None:
    ada = person("ada/0000000000cc", Role.ADMIN)
    ground.desk.withdraw(ada, SERVICE, DIGEST, "mira")
    assert ground.said() == [(ada.who, "done", "approval_withdrawn")]


# --- the watch --------------------------------------------------------------------------------------------------------


def test_what_died_half_way_the_watch_lowers_once(ground: Withdrawing) -> None:
    """By another process than the one that took the approval back."""
    ground.approving.desk.withdraw(MIRA, SERVICE, DIGEST)
    ground.begin_again()
    assert [fall.service for fall in ground.desk.look()] == [SERVICE]
    assert ground.rollout.mode is Mode.SILENT and ground.desk.look() == ()
    assert ground.said() == [(MIRA.who, "done", "approval_withdrawn")]


def test_a_store_that_fails_in_between_leaves_it_to_the_watch(ground: Withdrawing) -> None:
    ground.house.store.down = True
    done = ground.desk.withdraw(MIRA, SERVICE, DIGEST)
    assert done.trouble and done.changed is None and ground.desk.look() == ()
    ground.house.store.down = False
    assert len(ground.desk.look()) == 1 and ground.rollout.mode is Mode.SILENT


def test_what_became_stricter_since_takes_nothing_out_of_sight(ground: Withdrawing) -> None:
    """MIRA's was replaced before; now the policy demands more."""
    ground.approving.approve(LEA)
    ground.desk.withdraw(MIRA, SERVICE, DIGEST)
    for who in (MIRA, JON):
        ground.approving.desk.approve_policy(who, STRICTER)
    assert not ground.approving.gates.approved(SERVICE, DIGEST, Mode.CANARY)
    ground.begin_again()
    assert ground.desk.look() == () and ground.rollout.mode is Mode.CANARY


def test_a_higher_risk_tier_of_a_release_that_came_since_takes_nothing_out_of_sight(ground: Withdrawing) -> None:
    """Whoever submits a release hides nothing; who withdraws after that is asked for what the tier demands now."""
    high, third = {**POLICY.tiers["high"], Mode.CANARY: Demand((Need(CLINICAL, 2),))}, "sha256:" + "3" * 64
    for who in (MIRA, JON):
        ground.approving.desk.approve_policy(who, Policy({"moderate": POLICY.tiers["high"], "high": high}))
    ground.tiers |= {DIGEST: "moderate", OTHER: "moderate"}
    ground.approving.approve(LEA)
    ground.desk.withdraw(MIRA, SERVICE, DIGEST)
    ground.approving.submit(third)
    ground.tiers[third] = "high"
    ground.begin_again()
    assert ground.desk.look() == () and ground.rollout.mode.value == "canary"
    ground.desk.withdraw(JON, SERVICE, DIGEST)
    assert ground.rollout.mode is Mode.SILENT


def test_a_stricter_policy_without_a_withdrawal_hides_nothing(ground: Withdrawing) -> None:
    for who in (MIRA, JON):
        ground.approving.desk.approve_policy(who, STRICTER)
    assert ground.desk.look() == () and ground.rollout.mode is Mode.CANARY


def test_what_cannot_be_read_takes_nothing_out_of_sight(ground: Withdrawing) -> None:
    """Nobody knows the release, so nobody can tell its risk tier; the chain is away; it is another one."""
    ground.approving.desk.withdraw(MIRA, SERVICE, DIGEST)
    ground.approving.tier = None  # type: ignore[assignment]
    assert ground.desk.look() == ()
    ground.approving.tier = "high"
    ground.house.audit.cut()
    assert ground.desk.look() == ()
    ground.house.audit.mend()
    assert ground.desk.look() == () and ground.rollout.mode is Mode.CANARY


def test_under_insecure_demo_nothing_comes_down(ground: Withdrawing) -> None:
    ground.house.insecure_demo = True
    assert ground.desk.withdraw(MIRA, SERVICE, DIGEST).fall is None
    assert ground.desk.look() == () and ground.rollout.mode is Mode.CANARY


def test_the_watch_takes_nothing_out_of_sight_where_something_lies_under_a_key_that_is_gone() -> None:
    """MIRA's was replaced; then the key of LEA's went. It is back, or approved anew, before a withdrawal counts."""
    ours, gone = (DeedSeal([PurposeKey(name, name[:1].encode() * 32)]) for name in ("ours", "gone"))
    chain = MemoryChain()
    subject = subject_of(SERVICE, DIGEST)
    told = [
        (ours, "sam/0a", Action.RELEASE_SUBMIT, None, None),
        (ours, "mira/0b", Action.RELEASE_APPROVE, None, "canary as approver-clinical"),
        (gone, "lea/0c", Action.RELEASE_APPROVE, None, "canary as approver-clinical"),
        (ours, "mira/0b", Action.RELEASE_WITHDRAW, "canary as approver-clinical by mira", "withdrawn"),
    ]
    for number, (seal, who, what, before, after) in enumerate(told, 1):
        said = event(number, what=what, who=who, subject=subject, before=before, after=after)
        chain.append([Happened(seal.sealed(said))], 1_790_000_000.0)
    lost, whole = ChainReader(chain, seal=ours).read(), ChainReader(chain).read()
    assert not _is_whole(lost, lost.withdrawn[subject]) and _is_whole(whole, whole.withdrawn[subject])
