"""Down is one step, up is gated: whoever asks, and whatever is away."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.fakes.rollout_house import ADMIN, DAY, HOUR, ONE, OPERATOR, OTHER, SERVICE, THREE, TWO, VIEWER, House
from tests.fakes.snapshots import SEALER
from wardgate.control.askers import CODES, Asker, ChangeRefused, Why
from wardgate.control.permits import _cut
from wardgate.control.ports import Change, StoreUnavailable
from wardgate.domain.gates import GateLine, Verdict
from wardgate.domain.outcomes import Mode
from wardgate.domain.rollout.rollouts import Challenger, Cohort, Expiry, Rollout, Scope, Snapshot


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.audit.close()


def refused(why: Why, *call: object) -> ChangeRefused:
    with pytest.raises(ChangeRefused) as caught:
        call[0](*call[1:])  # type: ignore[operator]
    assert caught.value.why is why
    return caught.value


def test_what_is_decided_under_insecure_demo_stays_marked(house: House) -> None:
    """Also once that is off: until it has come down to where a file may begin."""
    house.insecure_demo = True
    house.desk.change(ADMIN, SERVICE, {"mode": Mode.ACTIVE}, house.etag)
    assert house.rollout.unapproved and house.rollout.by_people
    house.insecure_demo = False
    house.desk.change(OPERATOR, SERVICE, {"mode": Mode.CANARY}, house.etag)
    assert house.rollout.unapproved


# --- down -------------------------------------------------------------------------------------------------------------


def test_an_operator_lowers_at_once(house: House) -> None:
    """In the hot copy and the durable store; the chain says so; nothing is left of what stood for it meanwhile."""
    house.decide(Rollout(ONE, Mode.ACTIVE, salt="s"))
    done = house.desk.change(OPERATOR, SERVICE, {"mode": Mode.OFF})
    assert house.rollout.mode is Mode.OFF and done.epoch == house.epoch == 3 and done.raised == ()
    assert house.hot.snapshot is not None and house.hot.snapshot.epoch == 3
    assert set(house.hot.ceilings) == set(house.snapshot.lifted) and house.snapshot.ceilings == ()
    assert house.said() == [("rollout.change", "done", "alert_rate")]


def test_a_lowering_needs_no_durable_store(house: House) -> None:
    """It is a ceiling then, for all replicas, and on the spool of the chain."""
    house.decide(Rollout(ONE, Mode.ACTIVE, salt="s"))
    house.hot.put(house.store.kept[-1][0])
    house.store.down = True
    house.audit.cut()
    done = house.desk.change(OPERATOR, SERVICE, {"mode": Mode.SILENT})
    assert done.epoch is None and done.ceiling is not None
    assert (done.ceiling.scope, done.ceiling.name, done.ceiling.mode) == (Scope.SERVICE, SERVICE, Mode.SILENT)
    assert list(house.hot.ceilings) == [done.ceiling.id]
    house.audit.mend()
    assert house.said() == [("rollout.change", "done", "alert_rate")]


def test_what_would_raise_is_no_lowering_without_the_store(house: House) -> None:
    house.hot.put(house.store.kept[-1][0])
    house.store.down = True
    for mode in (Mode.SILENT, Mode.CANARY, Mode.ACTIVE):
        refused(Why.STORE, house.desk.change, ADMIN, SERVICE, {"mode": mode}, house.store.kept[-1][0].mac)
    assert house.hot.ceilings == {}


def test_a_kill_needs_neither_the_store_nor_the_knowledge_of_what_is_there(house: House) -> None:
    house.store.down = True
    done = house.desk.kill(OPERATOR, Scope.ALL)
    assert done.ceiling is not None and done.ceiling.mode is Mode.OFF and list(house.hot.ceilings) == [done.ceiling.id]


def test_a_kill_stands_above_the_rollouts(house: House) -> None:
    done = house.desk.kill(OPERATOR, Scope.SITE, "hospital_a")
    assert [each.name for each in house.snapshot.ceilings] == ["hospital_a"] and house.rollout.mode is Mode.SILENT
    assert done.ceiling in house.snapshot.ceilings
    assert house.said() == [("kill", "done", "alert_rate")]


def test_who_has_heard_of_it_is_told(house: House) -> None:
    """Where every store is away, the replicas of this process alone."""
    house.store.down = True
    assert house.desk.kill(OPERATOR, Scope.ALL).told == ("here", "shared")
    house.hot.down = True
    assert house.desk.kill(OPERATOR, Scope.ALL).told == ("here",)
    seen, stored = house.desk.seen()
    assert not stored and len(seen.in_force()) == 2


def test_a_lowering_does_not_mind_who_else_changes(house: House) -> None:
    house.decide(Rollout(ONE, Mode.ACTIVE, salt="s"))
    house.store.first = [Snapshot(3, {SERVICE: Rollout(TWO, Mode.ACTIVE, salt="s")})]
    house.desk.change(OPERATOR, SERVICE, {"mode": Mode.OFF})
    assert house.epoch == 4 and (house.rollout.champion, house.rollout.mode) == (TWO, Mode.OFF)


@pytest.mark.parametrize("who", [VIEWER, Asker(who="omar/00", roles=OPERATOR.roles, services=frozenset({"other"}))])
def test_lowering_is_for_operators_of_that_service(house: House, who: Asker) -> None:
    refused(Why.ROLE, house.desk.change, who, SERVICE, {"mode": Mode.OFF})
    assert house.said() == [("rollout.change", "denied", "role")] and house.epoch == 1


@pytest.mark.parametrize("call", ["change", "rollback", "put_back", "kill"])
def test_whom_somebody_asked_for_in_vain_is_not_on_the_chain(house: House, call: str) -> None:
    """It may be a patient, and nothing is ever taken off the chain (law 4). A service that there is is named."""
    asked = {"change": ({"mode": Mode.OFF},), "kill": ()}.get(call, ())
    for name in ("Mary.Miller", SERVICE):
        whom = (Scope.SERVICE, name) if call == "kill" else (name,)
        refused(Why.ROLE, getattr(house.desk, call), VIEWER, *whom, *asked)
    house.audit.trail.chain_spooled()
    subject = f"service:{SERVICE}" if call == "kill" else SERVICE
    assert sorted(str(said["subject"]) for said in house.audit.said()) == sorted(["unnamed", subject])


def test_a_token_for_some_services_stops_those_alone(house: House) -> None:
    scoped = Asker(who="omar/00", roles=OPERATOR.roles, services=frozenset({SERVICE}))
    for scope in (Scope.ALL, Scope.SITE, Scope.RELEASE):
        refused(Why.ROLE, house.desk.kill, scoped, scope, "x")
    assert house.desk.kill(scoped, Scope.SERVICE, SERVICE).epoch == 2


@pytest.mark.parametrize("scope", [Scope.ALL, Scope.SITE, Scope.RELEASE])
def test_a_token_for_some_services_lifts_nothing_that_stands_over_others(house: House, scope: Scope) -> None:
    """As a second person, she once gave back what was taken from services that are not hers."""
    ceiling = house.desk.kill(OPERATOR, scope, {Scope.SITE: "hospital_a", Scope.RELEASE: ONE}.get(scope, "")).ceiling
    assert ceiling is not None
    for roles in (OPERATOR.roles, ADMIN.roles):
        scoped = Asker(who="omar/00", roles=roles, services=frozenset({SERVICE}))
        refused(Why.ROLE, house.desk.lift, scoped, ceiling.id)
    assert ceiling.id not in house.snapshot.lifted
    assert ("kill.lift", "denied", "role") in house.said()


def test_a_token_for_some_services_confirms_no_store_for_all(house: House) -> None:
    scoped = Asker(who="ada/00", roles=ADMIN.roles, services=frozenset({SERVICE}))
    refused(Why.ROLE, house.desk.confirm, scoped, 41)
    assert house.epoch == 1


# --- up ---------------------------------------------------------------------------------------------------------------


def test_an_operator_raises_nothing(house: House) -> None:
    for wanted in (
        {"mode": Mode.ACTIVE},
        {"mode": Mode.CANARY, "cohort": Cohort(sites=frozenset({"hospital_a"}))},
        {"preview": frozenset({"user:00000000:00"})},
    ):
        refused(Why.ROLE, house.desk.change, OPERATOR, SERVICE, wanted, house.etag)
    assert house.epoch == 1 and {said[1:] for said in house.said()} == {("denied", "role")}


def test_an_admin_raises_what_passes_the_gates(house: House) -> None:
    house.failing_gates = ["shadow_days"]
    error = refused(Why.GATES, house.desk.change, ADMIN, SERVICE, {"mode": Mode.ACTIVE}, house.etag)
    assert error.gates == (f"{SERVICE}: shadow_days: needs more, found less",)
    house.failing_gates = []
    done = house.desk.change(ADMIN, SERVICE, {"mode": Mode.ACTIVE}, house.etag)
    assert house.rollout.mode is Mode.ACTIVE and done.raised
    assert set(house.said()) == {("rollout.change", "denied", "gates"), ("rollout.change", "done", "promotion")}


class Passing(House):
    """With gates that pass, each with its figure."""

    def gates_of(self, service: str, digest: str, step: Mode, who: str) -> list[GateLine]:
        return [
            GateLine("approver-clinical", "at least 1", "1: mira", Verdict.PASS),
            GateLine("nights", "at least 10 nights", "–", Verdict.EXCEPTED, "excepted by mira, jon, until 2026-10-01Z"),
        ]


@pytest.fixture
def passing(tmp_path: Path) -> Iterator[Passing]:
    made = Passing(tmp_path)
    yield made
    made.audit.close()


def test_the_chain_says_on_what_a_raise_stood(passing: Passing) -> None:
    """Figures come from records, which are purged, and approvals are withdrawn: what was found then is told then."""
    passing.desk.change(ADMIN, SERVICE, {"mode": Mode.CANARY, "cohort": Cohort(percent=5.0)}, passing.etag)
    passing.desk.change(OPERATOR, SERVICE, {"mode": Mode.OFF})
    passing.desk.put_back(OTHER, SERVICE)
    passing.audit.trail.chain_spooled()
    raised, lowered, back = passing.audit.said()
    policy = "policy sha256:" + "9" * 64
    assert raised["grounds"] == (
        f"{policy}; {SERVICE} 000000000000 to canary; approver-clinical: needs at least 1, found 1: mira; "
        "nights: needs at least 10 nights, found - (excepted by mira, jon, until 2026-10-01Z)"
    )
    assert back["grounds"] == f"{policy}; {SERVICE} 000000000000 to canary; approvals: needs 1, found 1"
    assert "grounds" not in lowered


def test_what_does_not_fit_onto_the_chain_is_counted() -> None:
    """A kill switch over all is lifted: every gate of every service."""
    assert _cut(["policy x", "a"]) == "policy x; a"
    text = _cut([f"gate {number}: {'x' * 100}" for number in range(2000)])
    assert len(text) <= 4000 and text.count("gate ") + int(text.split()[-2]) == 2000


def test_a_raise_says_which_state_it_raises_from(house: House) -> None:
    refused(Why.UNCONDITIONAL, house.desk.change, ADMIN, SERVICE, {"mode": Mode.ACTIVE})
    refused(Why.STALE, house.desk.change, ADMIN, SERVICE, {"mode": Mode.ACTIVE}, "0" * 16)


def test_of_two_who_promote_at_once_one_is_first(house: House) -> None:
    etag = house.etag
    house.store.first = [Snapshot(2, {SERVICE: Rollout(TWO, Mode.CANARY, Cohort(sites=frozenset({"a"})), salt="s")})]
    refused(Why.STALE, house.desk.change, ADMIN, SERVICE, {"mode": Mode.ACTIVE}, etag)
    assert house.rollout.champion == TWO
    assert house.said() == [("rollout.change", "denied", "stale")]


def test_an_expiry_that_would_raise_is_a_raise(house: House) -> None:
    """To take an expiry away, or to move it back, lets people see for longer."""
    house.decide(Rollout(ONE, Mode.ACTIVE, expiry=Expiry(house.now + HOUR), salt="s"))
    for expiry in (None, Expiry(house.now + 2 * HOUR)):
        refused(Why.ROLE, house.desk.change, OPERATOR, SERVICE, {"expiry": expiry}, house.etag)
    assert house.desk.change(OPERATOR, SERVICE, {"expiry": Expiry(house.now + 60.0)}).raised == ()


def test_nothing_is_raised_that_cannot_be_audited(house: House) -> None:
    house.audit.cut()
    refused(Why.STORE, house.desk.change, ADMIN, SERVICE, {"mode": Mode.ACTIVE}, house.etag)
    assert house.epoch == 1


def test_the_demo_stands_for_approvals_and_not_for_the_role(house: House) -> None:
    house.insecure_demo, house.failing_gates = True, ["approvals"]
    refused(Why.ROLE, house.desk.change, OPERATOR, SERVICE, {"mode": Mode.ACTIVE}, house.etag)
    assert house.desk.change(ADMIN, SERVICE, {"mode": Mode.ACTIVE}, house.etag).epoch == 2


def test_a_challenger_is_asked_its_gates_as_a_canary(house: House) -> None:
    house.decide(Rollout(ONE, Mode.ACTIVE, salt="s"))
    challenger = Challenger(TWO, Cohort(percent=5.0))
    house.desk.change(ADMIN, SERVICE, {"challenger": challenger}, house.etag)
    assert sorted(house.asked) == [(ONE, Mode.ACTIVE), (TWO, Mode.CANARY)]


def test_one_more_release_in_shadow_is_gated(house: House) -> None:
    """Nobody sees anything of it, and its endpoint gets the features of patients."""
    refused(Why.ROLE, house.desk.change, OPERATOR, SERVICE, {"shadows": (TWO,)}, house.etag)
    done = house.desk.change(ADMIN, SERVICE, {"shadows": (TWO,)}, house.etag)
    assert done.raised == ("shadow",) and (TWO, Mode.SHADOW) in house.asked
    house.asked.clear()
    house.desk.change(ADMIN, SERVICE, {"mode": Mode.ACTIVE}, house.etag)
    assert house.asked == [(ONE, Mode.ACTIVE)]
    assert house.desk.change(OPERATOR, SERVICE, {"shadows": ()}).raised == ()


# --- back -------------------------------------------------------------------------------------------------------------


def rolled_out(house: House, days: float = 1.0) -> None:
    """ONE was active until that many days ago; now TWO is."""
    house.decide(Rollout(ONE, Mode.ACTIVE, salt="s"))
    house.now += DAY
    house.decide(Rollout(TWO, Mode.ACTIVE, salt="s"))
    house.now += days * DAY


def test_an_operator_returns_to_the_release_before(house: House) -> None:
    rolled_out(house)
    house.desk.rollback(OPERATOR, SERVICE)
    assert (house.rollout.champion, house.rollout.mode) == (ONE, Mode.ACTIVE)
    assert house.said() == [("rollback", "done", "alert_rate")]


def test_a_rollback_never_goes_up_a_mode(house: House) -> None:
    rolled_out(house)
    house.decide(Rollout(TWO, Mode.CANARY, Cohort(percent=5.0), salt="s"))
    house.desk.rollback(OPERATOR, SERVICE, ONE)
    assert (house.rollout.mode, house.rollout.cohort) == (Mode.CANARY, Cohort(percent=5.0))


def test_an_operator_returns_only_to_what_was_shown_lately_and_is_approved_still(house: House) -> None:
    rolled_out(house, days=31.0)
    refused(Why.ROLE, house.desk.rollback, OPERATOR, SERVICE)
    house.now -= 2 * DAY
    house.approvals.discard((SERVICE, ONE))
    refused(Why.GATES, house.desk.rollback, OPERATOR, SERVICE)
    refused(Why.NOTHING, house.desk.rollback, OPERATOR, SERVICE, THREE)
    assert house.rollout.champion == TWO
    assert [said[:2] for said in house.said()] == [("rollback", "denied"), ("rollback", "denied")]


def test_a_rollback_waits_for_the_proof(house: House) -> None:
    rolled_out(house)
    house.unproven = "model_unreachable"
    error = refused(Why.PROOF, house.desk.rollback, OPERATOR, SERVICE)
    assert "wardgate kill" in error.remedy


def test_a_second_person_puts_back_what_was_taken_down(house: House) -> None:
    house.decide(Rollout(ONE, Mode.ACTIVE, salt="s"))
    house.desk.change(OPERATOR, SERVICE, {"mode": Mode.OFF})
    refused(Why.SAME_PERSON, house.desk.put_back, Asker(who="olga/another", roles=OPERATOR.roles), SERVICE)
    house.desk.put_back(OTHER, SERVICE)
    assert house.rollout == Rollout(ONE, Mode.ACTIVE, salt="s", by_people=True)
    assert {said[:2] for said in house.said()} == {
        ("rollout.change", "done"),
        ("put_back", "denied"),
        ("put_back", "done"),
    }
    refused(Why.NOTHING, house.desk.put_back, OTHER, SERVICE)


def test_nobody_shows_more_without_a_reason_and_everybody_may_show_less_without(house: House) -> None:
    """The codes that are usual are told."""
    admin, operator, other = [msgspec.structs.replace(each, reason="") for each in (ADMIN, OPERATOR, OTHER)]
    house.decide(Rollout(ONE, Mode.ACTIVE, salt="s"))
    house.decide(Rollout(TWO, Mode.ACTIVE, salt="s"))
    desk, circuit = house.desk, (SERVICE, "1.1.0")
    epoch, unsaid = house.epoch, refused(Why.REASON, desk.rollback, operator, SERVICE)
    assert unsaid.codes == CODES and "promotion" in unsaid.remedy and house.epoch == epoch
    desk.change(operator, SERVICE, {"mode": Mode.SILENT})
    refused(Why.REASON, desk.put_back, other, SERVICE)
    refused(Why.REASON, desk.change, admin, SERVICE, {"mode": Mode.ACTIVE}, house.etag)
    desk.isolate(operator, *circuit, True)
    refused(Why.REASON, desk.isolate, other, *circuit, False)
    killed = desk.kill(operator, Scope.SERVICE, SERVICE).ceiling
    assert killed is not None and circuit in house.snapshot.isolated
    refused(Why.REASON, desk.lift, other, killed.id)
    refused(Why.REASON, desk.confirm, admin, 0)
    assert house.rollout.mode is Mode.SILENT and house.snapshot.ceilings


def test_what_was_taken_down_long_ago_is_not_put_back(house: House) -> None:
    house.decide(Rollout(ONE, Mode.ACTIVE, salt="s"))
    house.desk.change(OPERATOR, SERVICE, {"mode": Mode.OFF})
    house.now += DAY + 1
    refused(Why.TOO_LATE, house.desk.put_back, OTHER, SERVICE)


def test_a_kill_is_lifted_by_a_second_person_or_an_admin(house: House) -> None:
    for who in (OTHER, ADMIN):
        ceiling = house.desk.kill(OPERATOR, Scope.SERVICE, SERVICE).ceiling
        assert ceiling is not None
        refused(Why.ROLE, house.desk.lift, OPERATOR, ceiling.id)
        house.desk.lift(who, ceiling.id)
        assert house.snapshot.ceilings == () and ceiling.id in house.snapshot.lifted
    house.failing_gates = ["approvals"]
    ceiling = house.desk.kill(OPERATOR, Scope.ALL).ceiling
    house.now += 2 * DAY
    assert ceiling is not None
    refused(Why.GATES, house.desk.lift, ADMIN, ceiling.id)
    refused(Why.NOTHING, house.desk.lift, ADMIN, "no such")


def test_a_fresh_kill_over_an_old_one_is_no_way_around(house: House) -> None:
    """The old one would be lifted for nothing while the fresh one stands, and then that by a second person."""
    old = house.desk.kill(OPERATOR, Scope.SERVICE, SERVICE).ceiling
    house.now += 30 * DAY
    fresh = house.desk.kill(OPERATOR, Scope.SERVICE, SERVICE).ceiling
    assert old is not None and fresh is not None
    refused(Why.ROLE, house.desk.lift, OTHER, old.id)
    house.desk.lift(OTHER, fresh.id)
    assert house.snapshot.ceilings == (old,)


def test_a_store_that_was_put_back_is_confirmed_beyond_what_replicas_saw(house: House) -> None:
    refused(Why.ROLE, house.desk.confirm, OPERATOR, 41)
    done = house.desk.confirm(ADMIN, 41)
    assert done.epoch == house.epoch == 42 and house.rollout == Rollout(ONE, Mode.SILENT, salt="s")
    assert ("snapshot.confirm", "done", "promotion") in house.said()


@pytest.mark.parametrize("who", ["replica", "hot", "here"])
def test_on_a_store_that_was_put_back_nothing_is_decided_until_a_person_confirms(house: House, who: str) -> None:
    """Else what is decided there passes, one epoch after another, for what the replicas know. A lowering is a ceiling
    meanwhile, and the confirmed snapshot is followed by the one that has it."""
    house.decide(Rollout(ONE, Mode.CANARY, Cohort(percent=5.0), salt="s"))
    ahead = SEALER.seal(Snapshot(9, {SERVICE: Rollout(ONE, Mode.ACTIVE, salt="s")}))
    if who == "hot":
        house.hot.put(ahead)
    elif who == "here":
        house.here.hear(ahead)
    else:
        house.highest = 9
    for change in (
        lambda: house.desk.change(ADMIN, SERVICE, {"mode": Mode.ACTIVE}, house.etag),
        lambda: house.desk.change(OPERATOR, SERVICE, {"cohort": Cohort(percent=1.0)}),
        lambda: house.desk.isolate(OPERATOR, SERVICE, "1.0.0", True),
    ):
        assert "confirm" in refused(Why.STORE, change).what
    assert house.epoch == 2 and ("rollout.change", "done", "promotion") not in house.said()
    done = house.desk.kill(OPERATOR, Scope.SERVICE, SERVICE)
    assert done.epoch is None and house.epoch == 2 and list(house.hot.ceilings) == [done.ceiling.id]  # type: ignore[union-attr]
    confirmed = house.desk.confirm(ADMIN, 0)
    assert confirmed.epoch == house.epoch == house.snapshot.confirmed == 10
    assert house.desk.kill(OPERATOR, Scope.SERVICE, SERVICE).epoch == 11 and house.snapshot.confirmed == 10


def test_an_answer_of_the_store_that_is_lost_is_not_taken_for_a_no(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that dies, or stands still, between the commit and its answer: a lift was once told as `Nothing was
    changed`, and the cards came back."""
    append = house.store.append

    def lost(*given: Any) -> bool:
        append(*given)
        raise StoreUnavailable("it did not answer in time")

    def lost_and_away(*given: Any) -> bool:
        house.store.down = True
        raise StoreUnavailable("it did not answer in time")

    def full(*given: Any) -> bool:
        raise StoreUnavailable("it is full")

    kill = house.desk.kill(OPERATOR, Scope.ALL).ceiling
    assert kill is not None
    for broken, why, told in (
        (full, Why.STORE, "Nothing was changed: it is full"),
        (lost_and_away, Why.UNSURE, "has not answered"),
    ):
        monkeypatch.setattr(house.store, "append", broken)
        assert told in refused(why, house.desk.lift, OTHER, kill.id).what
        house.store.down = False
        assert house.snapshot.in_force() == (kill,)
    monkeypatch.setattr(house.store, "append", lost)
    assert house.desk.lift(OTHER, kill.id).epoch == house.epoch and not house.snapshot.ceilings
    assert house.here.seen == house.snapshot, "and those who hear of changes have heard of it"


def test_what_was_taken_out_of_sight_since_the_backup_stays_so(house: House) -> None:
    """A kill switch, an isolated circuit and a lower mode that the store has lost were once shown by `confirm`, without
    a word."""
    house.decide(Rollout(ONE, Mode.ACTIVE, salt="s"))
    backup = list(house.store.kept)
    over, stays = (house.desk.kill(OPERATOR, Scope.SITE, "hospital_a").ceiling for _ in range(2))
    assert over is not None and stays is not None
    house.desk.lift(OTHER, over.id)
    house.desk.isolate(OPERATOR, SERVICE, "1.0.0", away=True)
    house.desk.change(OPERATOR, SERVICE, {"mode": Mode.SILENT})
    last, house.store.kept[:] = house.snapshot, backup
    told = refused(Why.MORE, house.desk.confirm, ADMIN, 0)
    assert told.gates == (f"{SERVICE}: silent → active (mode)",) and "--more" in told.remedy
    assert house.epoch == 2
    done = house.desk.confirm(ADMIN, 0, more=True)
    assert done.epoch == house.epoch == last.epoch + 1 and house.rollout.mode is Mode.ACTIVE
    assert house.snapshot.ceilings == (stays,) and house.snapshot.isolated == {(SERVICE, "1.0.0")}
    house.desk.lift(OTHER, stays.id)
    house.desk.confirm(ADMIN, 0)
    assert not house.snapshot.ceilings, "on a store that has all of it nothing comes back"


def test_a_store_that_has_come_past_what_it_lost_is_held_against_it_too(house: House) -> None:
    house.decide(Rollout(ONE, Mode.ACTIVE, salt="s"))
    backup = list(house.store.kept)
    kill = house.desk.kill(OPERATOR, Scope.ALL).ceiling
    house.store.kept[:] = backup
    for number in range(5):  # by somebody who never saw what was lost
        kept = SEALER.seal(Snapshot(house.epoch + 1, {SERVICE: Rollout(ONE, Mode.ACTIVE, salt=f"s{number}")}))
        assert house.store.append(kept, Change(house.now, "other", "rollout.change", SERVICE))
    house.desk.confirm(ADMIN, 0, more=True)
    assert house.snapshot.ceilings == (kill,)


def test_a_circuit_is_kept_away_by_hand_for_all_replicas(house: House) -> None:
    house.desk.isolate(OPERATOR, SERVICE, "1.0.0", away=True)
    assert house.snapshot.isolated == {(SERVICE, "1.0.0")}
    house.audit.cut()
    refused(Why.STORE, house.desk.isolate, OTHER, SERVICE, "1.0.0", False)
    house.audit.mend()
    house.desk.isolate(OTHER, SERVICE, "1.0.0", away=False)
    assert house.snapshot.isolated == frozenset()


def test_a_circuit_is_given_back_by_a_second_person_or_an_admin(house: House) -> None:
    """It shows what was not shown before, so whoever took it out of use does not put it back alone."""
    house.desk.isolate(OPERATOR, SERVICE, "1.0.0", away=True)
    refused(Why.ROLE, house.desk.isolate, OPERATOR, SERVICE, "1.0.0", False)
    house.now += DAY + 1
    refused(Why.ROLE, house.desk.isolate, OTHER, SERVICE, "1.0.0", False)
    house.failing_gates = ["approvals"]
    refused(Why.GATES, house.desk.isolate, ADMIN, SERVICE, "1.0.0", False)
    house.failing_gates = []
    house.desk.isolate(ADMIN, SERVICE, "1.0.0", away=False)
    assert house.snapshot.isolated == frozenset()


def test_what_the_chain_would_not_take_is_refused_before_anything_is_done(house: House) -> None:
    odd = Asker(who="olga/00", roles=OPERATOR.roles, reason="Because of Mrs Smith")
    error = refused(Why.INVALID, house.desk.kill, odd, Scope.ALL)
    assert "Smith" not in str(error) + error.what + error.remedy and house.hot.ceilings == {}
