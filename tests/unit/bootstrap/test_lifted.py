"""What was lifted stays lifted, and what was not is never lost, though a snapshot names but the last of what is over:
whoever slept, whatever old copy is put back."""

from collections.abc import Callable, Sequence
from itertools import count
from uuid import UUID

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.fakes.audit import told
from tests.fakes.clock import FakeClock
from tests.fakes.rollout_stores import FakeHotCopy, FakeReplicas, FakeSnapshots
from tests.fakes.snapshots import CHANGE, SEALER
from wardgate.bootstrap.control import ControlStores
from wardgate.bootstrap.refresher import Refresher, RefreshOptions
from wardgate.control.beginning import Beginning
from wardgate.control.ports import KeptSnapshot, LocalSeen
from wardgate.control.snapshots import document_of
from wardgate.control.transitions import following
from wardgate.domain.outcomes import Mode
from wardgate.domain.rollout import ceilings
from wardgate.domain.rollout.hidden import Hidden
from wardgate.domain.rollout.rollouts import Ceiling, Rollout, Scope, Snapshot
from wardgate.domain.rollout.visibility import raises
from wardgate.gateway.visibility import Visibility

REPLICAS = st.integers(0, 2)
LEASE = 1000.0


class Local:
    """A replica's file."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._file: tuple[KeptSnapshot, tuple[Ceiling, ...], float] | None = None

    def save(self, kept: KeptSnapshot, ceilings: Sequence[Ceiling], fresh: float) -> None:
        self._file = (kept, tuple(ceilings), fresh)

    def load(self) -> LocalSeen | None:
        if self._file is None:
            return None
        kept, side, fresh = self._file
        return LocalSeen(SEALER.open(kept), side, self._clock.monotonic() - fresh)


class Unheard:
    def shows(self, epoch: int, why: Hidden | None) -> None: ...

    def store(self, up: bool) -> None: ...

    def channel(self, up: bool) -> None: ...

    def local(self, state: str) -> None: ...

    def begun(self, begun: Beginning) -> None: ...

    def fault(self, error: BaseException) -> None:
        raise error


class House(RuleBasedStateMachine):
    """Replicas that look when they are told to, on one durable store and one hot copy. One that is not told to is cut
    off, or asleep."""

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.snapshots, self.hot = FakeClock(), FakeSnapshots(), FakeHotCopy()
        self.numbers = count(1)
        self.standing: dict[str, Ceiling] = {}
        """All that were set and not lifted."""
        self.old_copies: list[dict[str, bytes]] = [{}]
        self.locals = [Local(self.clock) for _ in range(3)]
        self.heard: list[set[str]] = [set(), set(), set()]
        first = Snapshot(1, {"kidney-failure": Rollout("sha256:a", Mode.ACTIVE, salt="s")})
        self.snapshots.append(SEALER.seal(first), CHANGE)
        self.replicas = [self._started(number) for number in range(3)]
        for number in range(3):
            self.look(number, durable=True)

    def _started(self, number: int) -> tuple[Refresher, Visibility]:
        stores = ControlStores(
            self.snapshots,  # type: ignore[arg-type]
            FakeReplicas(),  # type: ignore[arg-type]
            self.hot,
            SEALER,
            lambda news, up: None,
            False,
        )
        monotonic: Callable[[], float] = self.clock.monotonic
        visibility = Visibility(LEASE, monotonic)
        refresher = Refresher(
            visibility,
            stores,
            self.locals[number],
            self.clock,
            monotonic,
            None,
            None,
            lambda epoch: epoch,
            Unheard(),
            lambda: None,
            lambda deed: told(),
            RefreshOptions(fold=0.0),
        )
        refresher._own.read_local()
        return refresher, visibility

    def _newest(self) -> Snapshot:
        return SEALER.open(self.snapshots.kept[-1][0])

    def _append(self, after: Snapshot) -> None:
        before = self._newest()
        lifts = bool(after.lifted - before.lifted)
        assert ("ceiling_lifted" in raises(before, after)) == lifts, "to name fewer of them raises nothing"
        assert self.snapshots.append(SEALER.seal(after), CHANGE)
        self.hot.put(self.snapshots.kept[-1][0])

    def _ceiling(self) -> Ceiling:
        number = next(self.numbers)
        return Ceiling(str(UUID(int=number)), Scope.SITE, f"site-{number}", set_at=self.clock.now())

    @rule()
    def kill(self) -> None:
        made, before = self._ceiling(), self._newest()
        self._append(following(before, ceilings=(*before.ceilings, made)))
        self.standing[made.id] = made

    @rule()
    def kill_in_the_hot_copy_alone(self) -> None:
        made = self._ceiling()
        self.hot.lower(SEALER.seal_ceiling(made), made.id)
        self.standing[made.id] = made

    @rule(number=REPLICAS)
    def kill_that_one_replica_alone_hears_of(self, number: int) -> None:
        made = self._ceiling()
        self.replicas[number][0].lower([SEALER.seal_ceiling(made)])
        self.replicas[number][0]._own.save()
        self.standing[made.id] = made
        self.heard[number].add(made.id)

    @rule(times=st.integers(1, 4))
    def lower_a_mode(self, times: int) -> None:
        """A ceiling that is over as soon as the snapshot says the same."""
        for _ in range(times):
            made = self._ceiling()
            self.hot.lower(SEALER.seal_ceiling(made), made.id)
            self.old_copies.append(dict(self.hot.ceilings))
            self._append(following(self._newest(), {made.id}))

    @rule(data=st.data())
    def lift(self, data: st.DataObject) -> None:
        if self.standing:
            which = data.draw(st.sampled_from(sorted(self.standing)))
            before = self._newest()
            left = tuple([each for each in before.ceilings if each.id != which])
            self._append(following(before, {which}, ceilings=left))
            del self.standing[which]

    @rule(number=REPLICAS, durable=st.booleans())
    def look(self, number: int, durable: bool) -> None:
        refresher, visibility = self.replicas[number]
        self.clock.advance(1.0)
        refresher._hot.look()
        if durable:
            refresher._look_at_durable()
            refresher._hot.heal()
        self.old_copies.append(dict(self.hot.ceilings))
        self.heard[number] |= {each.id for each in (*visibility.current().ceilings, *visibility.side)}

    @rule(number=REPLICAS)
    def start_again(self, number: int) -> None:
        self.replicas[number] = self._started(number)
        self.heard[number] &= {each.id for each in self.replicas[number][1].current().ceilings}

    @rule(data=st.data(), snapshot=st.booleans())
    def put_back_an_old_hot_copy(self, data: st.DataObject, snapshot: bool) -> None:
        """Over the one that is there. What that alone had, the durable store has by then: else it is lost with it."""
        for number in range(3):
            self.look(number, durable=True)
        self.hot.ceilings = dict(data.draw(st.sampled_from(self.old_copies)))
        if snapshot:
            self.hot.snapshot = data.draw(st.sampled_from(self.snapshots.kept))[0]

    @rule()
    def sleep(self) -> None:
        self.clock.advance(LEASE)

    @invariant()
    def what_was_not_lifted_is_in_force_wherever_it_was_heard_of(self) -> None:
        for heard, (_, visibility) in zip(self.heard, self.replicas, strict=True):
            shown = visibility.current()
            in_force = {each.id for each in shown.in_force()}
            assert shown.hidden or heard & set(self.standing) <= in_force

    @invariant()
    def a_snapshot_stays_small(self) -> None:
        assert len(self._newest().lifted) <= ceilings.MOST_LIFTED + 1 + len(self._newest().ceilings)

    def teardown(self) -> None:
        for _ in range(3):
            for number in range(3):
                self.look(number, durable=True)
        for _, visibility in self.replicas:
            assert not visibility.current().hidden
            assert {each.id for each in visibility.current().in_force()} == set(self.standing)
            assert visibility.side == ()
        assert self.hot.ceilings == {}


def test_what_was_lifted_stays_so_and_nothing_else_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceilings, "MOST_LIFTED", 3)
    run_state_machine_as_test(House, settings=settings(stateful_step_count=30))


def test_a_version_before_this_one_reads_what_names_all_that_is_lifted() -> None:
    """The new field stands in a document only from when it is used on."""
    before = Snapshot(7, {}, lifted=frozenset({str(number) for number in range(ceilings.MOST_LIFTED)}))
    assert b"lifted_before" not in document_of(before)
    after = following(before)
    assert (after.lifted, after.lifted_before) == (frozenset(), 7) and b'"lifted_before":7' in document_of(after)


def test_a_way_back_that_leads_nowhere_ends() -> None:
    """Nothing is known of what is further back: then it holds."""
    one = Snapshot(9, {}, lifted=frozenset({"a"}), lifted_before=9)
    newest = Snapshot(12, {}, lifted_before=9)
    assert ceilings.lifted_long_ago(newest, ["a", "b"], lambda epoch: one) == {"a"}
    assert ceilings.lifted_long_ago(newest, ["a", "b"], lambda epoch: None) == frozenset()
    assert ceilings.lifted_long_ago(msgspec.structs.replace(newest, lifted_before=0), ["a"], lambda e: one) == set()
