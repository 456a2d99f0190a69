"""What a replica shows, whatever it hears and in whatever order."""

import dataclasses
from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.snapshots import ceiling, snapshot
from wardgate.domain.outcomes import Mode
from wardgate.domain.rollout.hidden import Hidden
from wardgate.domain.rollout.rollouts import Snapshot
from wardgate.gateway.visibility import FORGED, Visibility

LEASE = 30.0


@dataclass
class World:
    """A replica, and a clock that only goes on."""

    now: float = 1000.0

    def __post_init__(self) -> None:
        self.replica = Visibility(LEASE, lambda: self.now)

    @property
    def why(self) -> Hidden | None:
        return self.replica.why(self.now)

    @property
    def shown(self) -> Snapshot | None:
        current = self.replica.current()
        assert current.hidden is (self.why is not None)
        return None if current.hidden else current

    def durable(self, read: object) -> None:
        self.replica.durable(read, self.now, self.replica.highest)  # type: ignore[arg-type]

    def hot(self, read: object) -> None:
        self.replica.hot(read, self.now, self.replica.hot_highest)  # type: ignore[arg-type]

    def passes(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def world() -> World:
    return World()


def test_before_anything_was_read_nothing_is_shown(world: World) -> None:
    assert world.shown is None and world.why is Hidden.STARTING
    world.durable(snapshot(1))
    assert world.shown == snapshot(1)


def test_an_empty_store_shows_nothing_yet(world: World) -> None:
    world.durable(None)
    assert world.why is Hidden.STARTING


def test_what_could_not_be_read_for_the_lease_hides_and_shows_again(world: World) -> None:
    world.durable(snapshot(1))
    world.passes(LEASE - 0.001)
    assert world.shown == snapshot(1)
    world.passes(0.001)
    assert world.shown is None and world.why is Hidden.LEASE
    assert world.replica.current().epoch == 1 and world.replica.current().rollouts == snapshot(1).rollouts
    world.durable(snapshot(1))
    assert world.shown == snapshot(1)


def test_a_reading_counts_from_when_it_began(world: World) -> None:
    world.durable(snapshot(1))
    began = world.now
    world.passes(LEASE - 1)
    world.replica.durable(snapshot(1), began + 1, 1)  # it took long
    world.passes(2)
    assert world.why is Hidden.LEASE


@pytest.mark.parametrize("read", [snapshot(3), None], ids=["older", "emptied"])
def test_a_store_that_was_put_back_hides_until_a_person_confirms(world: World, read: Snapshot | None) -> None:
    world.durable(snapshot(5))
    world.durable(read)
    assert world.why is Hidden.REWOUND
    world.durable(snapshot(4))  # a change as usual, and another one
    world.hot(snapshot(5))
    world.hot(snapshot(6))
    world.durable(snapshot(5, Mode.CANARY))  # another history has come as far
    assert world.why is Hidden.REWOUND
    world.durable(snapshot(6, Mode.SILENT))
    assert world.shown == snapshot(6, Mode.SILENT)


def test_what_is_not_ours_in_the_durable_store_hides_until_it_is(world: World) -> None:
    world.durable(snapshot(5))
    world.durable(FORGED)
    assert world.why is Hidden.FORGED
    world.hot(snapshot(6))
    assert world.why is Hidden.FORGED
    world.durable(snapshot(6))
    assert world.shown == snapshot(6)


def test_the_hot_copy_brings_a_change_at_once_and_keeps_the_lease(world: World) -> None:
    world.durable(snapshot(1))
    world.hot(snapshot(2, Mode.SILENT))
    assert world.shown == snapshot(2, Mode.SILENT)
    for _ in range(10):
        world.passes(LEASE - 1)
        world.hot(snapshot(2, Mode.SILENT))
        assert world.shown == snapshot(2, Mode.SILENT)
    world.passes(LEASE)
    assert world.why is Hidden.LEASE


def test_a_hot_copy_that_lags_behind_neither_hides_nor_keeps_the_lease(world: World) -> None:
    """Between the durable store and the hot copy of one change; or nobody could write the hot copy."""
    world.hot(snapshot(1))
    world.durable(snapshot(1))
    world.hot(snapshot(1))
    world.durable(snapshot(2))
    world.passes(LEASE - 1)
    world.hot(snapshot(1))
    assert world.shown == snapshot(2)
    world.passes(1)
    world.hot(snapshot(1))
    assert world.why is Hidden.LEASE


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (FORGED, Hidden.HOT_FORGED),
        (snapshot(2), Hidden.HOT_REPLAYED),
        (None, Hidden.HOT_FLUSHED),
        (snapshot(3, Mode.CANARY), Hidden.HOT_FORGED),
    ],
    ids=["forged", "replayed", "flushed", "another of the same epoch"],
)
def test_a_hot_copy_that_is_not_what_it_was_hides_until_the_durable_store_was_read(
    world: World, bad: object, why: Hidden
) -> None:
    world.durable(snapshot(3))
    world.hot(snapshot(3))
    began = world.now
    world.passes(1)
    world.hot(bad)
    assert world.shown is None and world.why is why
    world.replica.durable(snapshot(3), began, 3)  # it began before that
    assert world.why is why
    world.passes(1)
    world.durable(snapshot(3))
    assert world.shown == snapshot(3)
    if bad is None or (isinstance(bad, Snapshot) and bad.epoch == 2):
        world.hot(bad)
        assert world.shown == snapshot(3), "told once; the durable store has been asked since"


def test_the_hot_copy_alone_is_not_believed_by_who_never_knew_better(world: World) -> None:
    """An old one may have been put back while this replica did not run."""
    world.hot(snapshot(7))
    assert world.why is Hidden.STARTING
    world.durable(snapshot(9, Mode.SILENT))
    assert world.shown == snapshot(9, Mode.SILENT)


def test_a_restart_goes_on_with_its_own_file_for_what_is_left_of_the_lease(world: World) -> None:
    world.replica.begin(snapshot(5), [ceiling(1)], 20.0)
    assert world.shown == snapshot(5, ceilings=(ceiling(1),))
    world.passes(LEASE - 20)
    assert world.why is Hidden.LEASE
    world.hot(snapshot(5))
    assert world.shown is not None, "the hot copy is no older than what this replica knew"


@pytest.mark.parametrize("age", [None, LEASE, 1e9])
def test_a_file_of_which_nobody_knows_how_old_it_is_shows_nothing(world: World, age: float | None) -> None:
    """The machine was started anew, or the folder came from another one. What it knew counts all the same."""
    world.replica.begin(snapshot(5), [], age)
    reasons = [world.why]
    world.durable(snapshot(4))
    reasons.append(world.why)
    assert reasons == [Hidden.LEASE, Hidden.REWOUND]
    world.durable(snapshot(6))
    assert world.shown == snapshot(6)


def test_a_ceiling_holds_from_when_it_is_heard_of_until_it_is_lifted(world: World) -> None:
    world.durable(snapshot(1))
    world.replica.lower([ceiling(1)])
    assert world.shown == snapshot(1, ceilings=(ceiling(1),))
    world.durable(snapshot(1))
    assert world.shown == snapshot(1, ceilings=(ceiling(1),))
    world.durable(snapshot(2, ceilings=(ceiling(1),)))  # folded
    assert world.shown == snapshot(2, ceilings=(ceiling(1),)) and world.replica.side == ()
    world.durable(snapshot(3, lifted=frozenset({ceiling(1).id})))
    world.replica.lower([ceiling(1)])  # a late copy
    assert world.shown == snapshot(3, lifted=frozenset({ceiling(1).id}))


def test_a_ceiling_that_is_not_ours_hides_as_a_snapshot_does(world: World) -> None:
    world.durable(snapshot(1))
    world.passes(1)
    world.replica.forged_ceiling()
    assert world.why is Hidden.HOT_FORGED
    world.passes(1)
    world.durable(snapshot(1))
    assert world.shown == snapshot(1)


def test_the_same_snapshot_is_the_same_object(world: World) -> None:
    """Whoever holds it sees by its identity that nothing has changed."""
    world.durable(snapshot(1))
    world.replica.lower([ceiling(1)])
    first = world.replica.current()
    world.passes(1)
    world.durable(snapshot(1))
    assert world.replica.current() is first
    world.passes(LEASE)
    hidden = world.replica.current()
    world.passes(1)
    assert world.replica.current() is hidden is not first


# --- whatever the order -----------------------------------------------------------------------------------------------

MODES = [Mode.OFF, Mode.SHADOW, Mode.SILENT, Mode.ACTIVE]


def history(upto: int) -> list[Snapshot]:
    """What was really decided, by epoch - 1: the modes go round, and a ceiling is lifted at its end."""
    return [snapshot(epoch, MODES[epoch % 4]) for epoch in range(1, upto + 1)]


class _Reading(msgspec.Struct, frozen=True):
    """One that began, and comes back later."""

    place: str
    read: Snapshot | None
    began: float
    seen: int


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["decide", "put", "begin_durable", "begin_hot", "end", "end_last", "lower", "pass"]),
        st.integers(0, 40),
    ),
    max_size=60,
)


@given(EVENTS)
@settings(max_examples=200)
def test_honest_stores_never_take_a_replica_back_and_never_alarm_it(events: list[tuple[str, int]]) -> None:
    """The durable store and a hot copy that lags behind it by any time; readings that overtake each other. The epoch
    never goes down, nothing but time hides, every ceiling that was heard of holds, and what is shown was the newest in
    one of them within the lease."""
    world, decided, put = World(), history(60), 0
    newest, epoch = 1, 0
    under_way: list[_Reading] = []
    ended_at, left_at = dict[int, float](), dict[int, float]()  # when the epoch was followed by another, there and here
    lowered: set[str] = set()
    world.durable(decided[0])
    for what, number in events:
        if what == "decide" and newest < 60:
            ended_at[newest] = world.now
            newest += 1
        elif what == "put":
            left_at[put] = world.now
            put = newest
        elif what == "begin_durable":
            under_way.append(_Reading("durable", decided[newest - 1], world.now, world.replica.highest))
        elif what == "begin_hot":
            under_way.append(_Reading("hot", decided[put - 1] if put else None, world.now, world.replica.hot_highest))
        elif what in ("end", "end_last") and under_way:
            # one thread for each place: what began first there ends first
            wanted = (
                under_way[0] if what == "end" else next(each for each in under_way if each.place == under_way[-1].place)
            )
            under_way.remove(wanted)
            feed = world.replica.durable if wanted.place == "durable" else world.replica.hot
            feed(wanted.read, wanted.began, wanted.seen)
        elif what == "lower":
            world.replica.lower([ceiling(number)])
            lowered.add(ceiling(number).id)
        elif what == "pass":
            world.passes(number)
        assert world.why in (None, Hidden.LEASE)
        current = world.replica.current()
        assert current.epoch >= epoch
        epoch = current.epoch
        assert current.rollouts == decided[epoch - 1].rollouts
        assert {each.id for each in current.ceilings} == lowered
        if world.shown is not None:
            known = max(ended_at.get(epoch, world.now), world.now if put == epoch else left_at.get(epoch, 0.0))
            assert world.now - known < LEASE


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("durable"), st.integers(1, 9) | st.sampled_from([0, -1])),
            st.tuples(st.just("hot"), st.integers(1, 9) | st.sampled_from([0, -1])),
            st.tuples(st.just("told"), st.integers(1, 9)),
            st.tuples(st.just("forge"), st.just(0)),
            st.tuples(st.just("pass"), st.integers(0, 40)),
        ),
        max_size=60,
    )
)
@settings(max_examples=200)
def test_whatever_the_stores_do_nothing_older_is_ever_shown(events: list[tuple[str, int]]) -> None:
    """0: nothing is there; -1: a forgery. Stores that are put back, emptied, forged, replayed in any order: a snapshot
    that is shown is never older than one that was shown before, and the durable store has always had it last."""
    world, decided = World(), history(9)
    highest, last = 0, 0
    for what, number in events:
        read = FORGED if number == -1 else None if number == 0 else decided[min(number, 9) - 1]
        if what == "durable":
            world.durable(read)
            last = number
        elif what == "hot":
            world.hot(read)
        elif what == "told":
            world.replica.told(decided[number - 1])
        elif what == "forge":
            world.replica.forged_ceiling()
        else:
            world.passes(number)
        shown = world.shown
        if shown is not None:
            assert shown.epoch >= highest
            assert last > 0
            highest = shown.epoch
        assert world.replica.highest >= highest
        if what == "durable" and 0 < number < world.replica.highest:
            assert world.why is Hidden.REWOUND


def test_a_world_has_no_wall_clock() -> None:
    """A jump of it can change nothing: the machine is given one clock alone, that of the lease."""
    assert {each.name for each in dataclasses.fields(World)} == {"now"}
    assert "time" not in Visibility.__init__.__globals__ and "datetime" not in Visibility.__init__.__globals__
