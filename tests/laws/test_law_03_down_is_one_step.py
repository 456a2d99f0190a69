"""Law 3: down is one step, up is gated.

What counts as a raise is `tests/unit/domain/rollout/test_visibility.py`; the desk,
`tests/unit/control/test_changes.py`; that a replica which cannot refresh hides,
`tests/unit/gateway/test_visibility.py`. Here is the law as those have it who try to get around it: everything that
raises is refused and stands on the chain, and everything that lowers is done within a second, whatever is away.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.redis_server import RedisServer
from tests.fakes.rollout_house import ADMIN, DAY, HOUR, ONE, OPERATOR, OTHER, SERVICE, TWO, VIEWER, House
from tests.fakes.snapshots import SEALER
from wardgate.adapters.redis.snapshots import RedisSnapshots
from wardgate.adapters.sql.snapshots import SqlSnapshotStore
from wardgate.adapters.sql.sqlite import Sqlite, SqliteOptions
from wardgate.control.askers import ChangeRefused, Why
from wardgate.control.ports import Change
from wardgate.domain.context.caller import Caller
from wardgate.domain.durable import SqlitePlace
from wardgate.domain.outcomes import Mode
from wardgate.domain.rollout.assignment import Occasion, assign
from wardgate.domain.rollout.modes import RANK
from wardgate.domain.rollout.rollouts import Challenger, Cohort, Expiry, Rollout, Scope, Snapshot

AT_MOST = 1.0
"""Seconds for a lowering."""
CANARY = Rollout(
    ONE, Mode.CANARY, Cohort(sites=frozenset({"hospital_a"}), percent=5.0), expiry=Expiry(1_790_010_000.0), salt="s"
)
MODES = [Mode.OFF, Mode.SHADOW, Mode.SILENT, Mode.CANARY, Mode.ACTIVE]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.store.hangs.let_go()
    made.hot.hangs.let_go()
    made.audit.close()


def refused(house: House, why: Why, ask: Callable[[], object]) -> None:
    """And nothing is another afterwards, and the chain has it."""
    before, ceilings = house.snapshot, dict(house.hot.ceilings)
    with pytest.raises(ChangeRefused) as caught:
        ask()
    assert caught.value.why is why
    assert house.snapshot == before and house.hot.ceilings == ceilings
    assert ("denied", why.value) in [(result, reason) for _, result, reason in house.said()]


# --- up ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wanted",
    [
        {"mode": Mode.ACTIVE},
        {"cohort": Cohort(sites=frozenset({"hospital_a"}), percent=6.0)},
        {"cohort": Cohort(percent=5.0)},
        {"cohort": Cohort(sites=frozenset({"hospital_a", "hospital_b"}), percent=5.0)},
        {"champion": TWO},
        {"challenger": Challenger(TWO, Cohort(percent=1.0))},
        {"preview": frozenset({"user:1"})},
        {"expiry": None},
        {"expiry": Expiry(1_790_020_000.0)},
        {"expiry": Expiry(1_790_010_000.0, Mode.SILENT)},
        {"salt": "another"},
        {"shadows": (TWO,)},
        {"mode": Mode.SILENT, "champion": TWO},
    ],
    ids=lambda wanted: "-".join(wanted),
)
def test_no_operator_raises(house: House, wanted: dict[str, Any]) -> None:
    """Whatever it is that raises, and also where it comes along with what lowers."""
    house.decide(CANARY)
    refused(house, Why.ROLE, lambda: house.desk.change(OPERATOR, SERVICE, wanted, house.etag))


def test_no_admin_raises_past_a_gate(house: House) -> None:
    house.failing_gates = ["shadow_days"]
    refused(house, Why.GATES, lambda: house.desk.change(ADMIN, SERVICE, {"mode": Mode.CANARY}, house.etag))


def test_nobody_raises_from_a_state_that_she_has_not_seen(house: House) -> None:
    etag = house.etag
    refused(house, Why.UNCONDITIONAL, lambda: house.desk.change(ADMIN, SERVICE, {"mode": Mode.ACTIVE}))
    house.desk.change(ADMIN, SERVICE, {"mode": Mode.CANARY, "cohort": Cohort(percent=1.0)}, etag)
    with pytest.raises(ChangeRefused) as caught:
        house.desk.change(ADMIN, SERVICE, {"mode": Mode.ACTIVE}, etag)
    assert caught.value.why is Why.STALE and house.rollout.mode is Mode.CANARY


def test_of_many_who_promote_at_once_one_does(tmp_path: Path) -> None:
    """On a real store: everybody has seen the same state, and all ask at the same time."""
    store = SqlSnapshotStore(Sqlite(SqlitePlace(str(tmp_path / "decided.db")), SqliteOptions(wait=30)))
    house = House(tmp_path, store=store)
    first = Rollout(ONE, Mode.SILENT, salt="s")
    assert store.append(SEALER.seal(Snapshot(1, {SERVICE: first})), Change(0.0, "x", "rollout.change", SERVICE))
    wide = [Cohort(percent=float(number + 1)) for number in range(8)]
    together, ends = threading.Barrier(len(wide)), []

    def promote(cohort: Cohort) -> None:
        together.wait(20)
        try:
            house.desk.change(ADMIN, SERVICE, {"mode": Mode.CANARY, "cohort": cohort}, house.etag)
            ends.append("done")
        except ChangeRefused as error:
            ends.append(error.why.value)

    threads = [threading.Thread(target=promote, args=(cohort,)) for cohort in wide]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    newest = store.newest()
    assert sorted(ends) == ["done", *["stale"] * 7]
    assert newest is not None and newest.epoch == 2
    said = house.said()
    assert len([each for each in said if each[1] == "denied" and each[2] == "stale"]) >= 1
    store.close()
    house.audit.close()


@given(
    mode=st.sampled_from(MODES),
    then=st.sampled_from(MODES),
    at=st.floats(1_700_000_000, 1_800_000_000),
    now=st.floats(1_600_000_000, 1_900_000_000),
)
def test_no_expiry_raises(mode: Mode, then: Mode, at: float, now: float) -> None:
    """Whatever it says: before its time and after it, nobody sees more than without it."""

    def decided(rollout: Rollout) -> Mode:
        occasion = Occasion("patient-view", Caller("hospital_a", None, None, None), now, "ehr", None, "p-1")
        return assign(Snapshot(1, {SERVICE: rollout}), SERVICE, occasion, False).mode

    plain = Rollout(ONE, mode, Cohort(), salt="s")
    assert RANK[decided(msgspec.structs.replace(plain, expiry=Expiry(at, then)))] <= RANK[decided(plain)]


def test_whoever_set_a_kill_switch_does_not_lift_it(house: House) -> None:
    killed = house.desk.kill(OPERATOR, Scope.SERVICE, SERVICE).ceiling
    assert killed is not None
    refused(house, Why.ROLE, lambda: house.desk.lift(OPERATOR, killed.id))
    refused(house, Why.ROLE, lambda: house.desk.lift(VIEWER, killed.id))
    second_token = msgspec.structs.replace(OPERATOR, who="olga/00000000ffff")
    refused(house, Why.ROLE, lambda: house.desk.lift(second_token, killed.id))
    house.now += DAY + 1
    refused(house, Why.ROLE, lambda: house.desk.lift(OTHER, killed.id))
    house.failing_gates = ["shadow_days"]
    refused(house, Why.GATES, lambda: house.desk.lift(ADMIN, killed.id))


def test_a_lift_shows_nothing_whose_approvals_are_gone(house: House) -> None:
    killed = house.desk.kill(OPERATOR, Scope.SERVICE, SERVICE).ceiling
    assert killed is not None
    house.approvals.clear()
    refused(house, Why.GATES, lambda: house.desk.lift(OTHER, killed.id))


def test_what_was_taken_down_is_put_back_by_somebody_else_soon_and_exactly(house: House) -> None:
    house.decide(Rollout(ONE, Mode.ACTIVE, salt="s"))
    house.desk.change(OPERATOR, SERVICE, {"mode": Mode.SILENT})
    refused(house, Why.SAME_PERSON, lambda: house.desk.put_back(OPERATOR, SERVICE))
    second_token = msgspec.structs.replace(OPERATOR, who="olga/00000000ffff")
    refused(house, Why.SAME_PERSON, lambda: house.desk.put_back(second_token, SERVICE))
    house.approvals.clear()
    refused(house, Why.GATES, lambda: house.desk.put_back(OTHER, SERVICE))
    house.approvals.add((SERVICE, ONE))
    house.now += DAY + 1
    refused(house, Why.TOO_LATE, lambda: house.desk.put_back(OTHER, SERVICE))
    house.now -= HOUR
    house.desk.put_back(OTHER, SERVICE)
    assert house.rollout == Rollout(ONE, Mode.ACTIVE, salt="s", by_people=True)


def test_no_operator_returns_to_a_release_for_more_than_it_had(house: House) -> None:
    """It was in silent; and it was active too long ago."""
    house.decide(Rollout(TWO, Mode.SILENT, salt="s"))
    house.decide(Rollout(ONE, Mode.ACTIVE, salt="s"))
    house.desk.rollback(OPERATOR, SERVICE, TWO)
    assert (house.rollout.champion, house.rollout.mode) == (TWO, Mode.SILENT)
    house.decide(Rollout(ONE, Mode.ACTIVE, salt="s"))
    house.decide(Rollout(TWO, Mode.ACTIVE, salt="s"))
    house.now += 31 * DAY
    refused(house, Why.ROLE, lambda: house.desk.rollback(OPERATOR, SERVICE, ONE))


def test_nothing_is_raised_that_cannot_be_audited(house: House) -> None:
    before = house.snapshot
    house.audit.cut()
    with pytest.raises(ChangeRefused) as caught:
        house.desk.change(ADMIN, SERVICE, {"mode": Mode.ACTIVE}, house.etag)
    assert caught.value.why is Why.STORE and house.snapshot == before
    house.audit.mend()


# --- down -------------------------------------------------------------------------------------------------------------

LOWERINGS: dict[str, Callable[[House], Any]] = {
    "kill all": lambda house: house.desk.kill(OPERATOR, Scope.ALL),
    "kill service": lambda house: house.desk.kill(OPERATOR, Scope.SERVICE, SERVICE),
    "kill site": lambda house: house.desk.kill(OPERATOR, Scope.SITE, "hospital_a"),
    "kill release": lambda house: house.desk.kill(OPERATOR, Scope.RELEASE, ONE),
    "silent": lambda house: house.desk.change(OPERATOR, SERVICE, {"mode": Mode.SILENT}),
    "shadow": lambda house: house.desk.change(OPERATOR, SERVICE, {"mode": Mode.SHADOW}),
    "off": lambda house: house.desk.change(OPERATOR, SERVICE, {"mode": Mode.OFF}),
}


def _both(one: Callable[[House], None], other: Callable[[House], None]) -> Callable[[House], None]:
    def do(house: House) -> None:
        one(house)
        other(house)

    return do


def _durable_down(house: House) -> None:
    house.store.down = True


def _hot_down(house: House) -> None:
    house.hot.down = True


def _durable_hangs(house: House) -> None:
    house.store.hangs.hang()


def _hot_hangs(house: House) -> None:
    house.hot.hangs.hang()


TROUBLES: dict[str, Callable[[House], None]] = {
    "nothing": lambda house: None,
    "durable down": _durable_down,
    "durable hangs": _durable_hangs,
    "hot down": _hot_down,
    "hot hangs": _hot_hangs,
    "both down": _both(_durable_down, _hot_down),
    "both hang": _both(_durable_hangs, _hot_hangs),
}


def effective(house: House) -> Snapshot:
    return house.desk.seen()[0]


def seen_by_somebody(house: House) -> bool:
    """Of the service, at that site, by what this process goes by."""
    occasion = Occasion("patient-view", Caller("hospital_a", None, None, None), house.now, "ehr", None, "p-1")
    return assign(effective(house), SERVICE, occasion, False).withheld is None


PAIRS = [  # what hangs takes half a second of each
    (lowering, trouble)
    for lowering in LOWERINGS
    for trouble in TROUBLES
    if not trouble.endswith(("hangs", "hang")) or lowering in ("kill all", "silent")
]


@pytest.mark.parametrize("lowering, trouble", PAIRS)
def test_every_lowering_is_done_within_a_second(house: House, lowering: str, trouble: str) -> None:
    """And is on the disk for the chain, which may be away as well."""
    house.decide(Rollout(ONE, Mode.ACTIVE, salt="s"))
    assert seen_by_somebody(house)
    TROUBLES[trouble](house)
    if trouble != "nothing":
        house.audit.cut()
    began = time.monotonic()
    done = LOWERINGS[lowering](house)
    assert time.monotonic() - began < AT_MOST
    assert done.epoch is not None or "here" in done.told
    assert not seen_by_somebody(house)
    if trouble != "nothing":
        house.audit.mend()
    assert {result for _, result, _ in house.said()} == {"done"}


@pytest.mark.parametrize("hung", ["redis", "both"])
def test_every_lowering_is_done_while_real_stores_hang(tmp_path: Path, hung: str) -> None:
    """Redis that takes connections and answers nothing; a database that somebody holds."""
    path = tmp_path / "decided.db"
    store = SqlSnapshotStore(Sqlite(SqlitePlace(str(path)), SqliteOptions(wait=2.0)))
    with RedisServer() as redis:
        hot = RedisSnapshots(redis.place, SEALER.is_sound)
        house = House(tmp_path, store=store, hot=hot)
        kept = SEALER.seal(Snapshot(1, {SERVICE: Rollout(ONE, Mode.ACTIVE, salt="s")}))
        assert store.append(kept, Change(0.0, "x", "rollout.change", SERVICE))
        house.here.hear(kept)
        hot.put(kept)
        holder = sqlite3.connect(path, isolation_level=None)
        if hung == "both":
            holder.execute("BEGIN EXCLUSIVE")
        redis.hang()
        for lowering in [LOWERINGS[name] for name in ("kill all", "silent", "off")]:
            began = time.monotonic()
            done = lowering(house)
            assert time.monotonic() - began < AT_MOST
            assert done.epoch is not None or "here" in done.told
        holder.close()
        redis.wake()
        house.audit.close()
        hot.close()
        store.close()


def test_a_lowering_that_no_store_heard_holds_once_they_are_back(house: House) -> None:
    house.decide(Rollout(ONE, Mode.ACTIVE, salt="s"))
    house.store.down = house.hot.down = True
    killed = house.desk.kill(OPERATOR, Scope.ALL).ceiling
    house.store.down = house.hot.down = False
    assert effective(house).in_force() == (killed,) and not seen_by_somebody(house)
    assert killed is not None
    house.desk.lift(OTHER, killed.id)
    assert seen_by_somebody(house)
