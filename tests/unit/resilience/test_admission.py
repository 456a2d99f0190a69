"""Admission: the machine by its properties, and the gate that drives it. What follows the event loop: test_pace."""

import asyncio
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from wardgate.resilience.admission import Admission, AdmissionOptions, Claim, State, Ticket
from wardgate.resilience.gate import Gate
from wardgate.resilience.pace import Brake, BrakeOptions

TOP = 3
CLAIMS = [Claim(rank, group, TOP - rank) for rank in range(TOP + 1) for group in ("a", "b", "c")]
CLAIMS += [Claim(rank, "a", TOP - rank, patience=0) for rank in range(TOP + 1)]
OPTIONS = st.builds(
    AdmissionOptions,
    concurrency=st.integers(1, 12),
    queue=st.integers(0, 6),
    headroom=st.sampled_from([0.0, 0.1, 0.25]),
    below=st.sampled_from([0.1, 0.5, 1.0]),
    each=st.sampled_from([0.0, 0.005, 0.02, 0.1]),
    shared=st.booleans(),
    useful=st.sampled_from([0.2, 0.5]),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), st.sampled_from(CLAIMS)),
        st.tuples(st.just("leave"), st.integers(0, 99)),
        st.tuples(st.just("give up"), st.integers(0, 99)),
        st.tuples(st.just("options"), OPTIONS),
    ),
    max_size=80,
)


class House:
    """The machine, and beside it who is where, kept by the tickets' own words."""

    def __init__(self, options: AdmissionOptions) -> None:
        self.machine = Admission(options)
        self.inside: list[Ticket] = []
        self.waiting: list[Ticket] = []

    def places(self, claim: Claim) -> int:
        options = self.machine.options
        return max(1, options.concurrency - claim.above * int(options.concurrency * options.headroom))

    def room(self, claim: Claim, useful: float | None = None) -> int:
        """Whoever is last has its place when all before it have had theirs."""
        options = self.machine.options
        if not claim.patience:
            return 0
        if options.shared and not claim.above:
            useful = 0.9
        useful = 0.1 * (useful or options.useful) * (options.below if claim.above else 1)
        too_many = max(0, len(self.inside) - self.places(claim))
        return options.queue if not options.each else min(options.queue, ceil(useful / options.each) - too_many)

    def arrive(self, claim: Claim) -> Ticket:
        before, was_waiting = self.machine.would_shed(claim), list(self.waiting)
        ticket = Ticket(claim)
        evicted = self.machine.arrive(ticket)
        assert before == (ticket.state is State.SHED)
        if evicted is not None:
            self.waiting.remove(evicted)
            assert evicted.state is State.SHED
            assert evicted.claim.rank == min(other.claim.rank for other in was_waiting)
            newer = was_waiting[was_waiting.index(evicted) + 1 :]
            assert not any(other.claim == evicted.claim for other in newer), "the newest goes first"
        if ticket.state is State.ADMITTED:
            assert len(self.inside) < self.places(claim)
            self.inside.append(ticket)
        elif ticket.state is State.WAITING:
            assert claim.patience
            self.waiting.append(ticket)
        else:
            assert evicted is None and len(self.inside) >= self.places(claim)
            assert len(self.waiting) >= self.room(claim)
            higher = all(other.claim.rank >= claim.rank for other in self.waiting)
            assert higher or not claim.patience, "somebody lower was there to shed"
        return ticket

    def leave(self, number: int) -> None:
        self.inside.pop(number % len(self.inside))
        self._admitted(self.machine.leave())

    def options(self, options: AdmissionOptions) -> None:
        self.machine.options = options
        self._admitted(self.machine.settle())
        for ticket in self.machine.trim():
            assert len(self.waiting) > self.room(ticket.claim, 0.5)
            assert ticket.claim.rank == min(other.claim.rank for other in self.waiting), "the lowest rank goes first"
            assert ticket.state is State.SHED
            self.waiting.remove(ticket)
        lowest = min((ticket.claim for ticket in self.waiting), key=lambda claim: claim.rank, default=None)
        assert lowest is None or len(self.waiting) <= self.room(lowest, 0.5), "somebody waits in vain"

    def _admitted(self, tickets: list[Ticket]) -> None:
        for ticket in tickets:
            assert ticket.claim.rank == max(other.claim.rank for other in self.waiting), "the highest rank goes first"
            older = self.waiting[: self.waiting.index(ticket)]
            assert not any(other.claim == ticket.claim for other in older), "of one claim the oldest goes first"
            assert len(self.inside) < self.places(ticket.claim)
            self.waiting.remove(ticket)
            self.inside.append(ticket)

    def check(self) -> None:
        assert (self.machine.busy, self.machine.waiting) == (len(self.inside), len(self.waiting))
        assert all(ticket.state is State.ADMITTED for ticket in self.inside)
        assert all(ticket.state is State.WAITING for ticket in self.waiting)
        assert all(len(self.inside) >= self.places(ticket.claim) for ticket in self.waiting), "a free place stays empty"


@given(OPTIONS, STEPS)
def test_whatever_happens_the_places_and_the_queue_hold(
    options: AdmissionOptions, steps: list[tuple[str, object]]
) -> None:
    """Never more inside than places, none idle while somebody may take it, the lowest shed first, nobody lost."""
    house = House(options)
    largest = options
    for step, what in steps:
        if step == "arrive":
            assert isinstance(what, Claim)
            house.arrive(what)
        elif step == "leave" and house.inside:
            assert isinstance(what, int)
            house.leave(what)
        elif step == "give up" and house.waiting:
            assert isinstance(what, int)
            ticket = house.waiting.pop(what % len(house.waiting))
            house.machine.give_up(ticket)
            assert ticket.state is State.SHED
        elif step == "options":
            assert isinstance(what, AdmissionOptions)
            house.options(what)
            largest = AdmissionOptions(max(largest.concurrency, what.concurrency), max(largest.queue, what.queue))
        house.check()
        assert len(house.inside) <= largest.concurrency and len(house.waiting) <= largest.queue
    while house.inside:
        house.leave(0)
        house.check()
    assert house.waiting == [] and house.machine.busy == 0


def test_groups_of_a_rank_take_turns() -> None:
    """A client that asks ten times as often does not make the other one wait ten times as long."""
    house = House(AdmissionOptions(concurrency=1, queue=20, headroom=0))
    house.arrive(Claim(1, "loud"))
    for _ in range(10):
        house.arrive(Claim(1, "loud"))
    for _ in range(2):
        house.arrive(Claim(1, "quiet"))
    order = []
    for _ in range(6):
        house.leave(0)
        order.append(house.inside[0].claim.group)
    assert order == ["loud", "quiet", "loud", "quiet", "loud", "loud"]


def test_in_a_full_queue_the_group_with_the_most_makes_room() -> None:
    """And only while it waits with more than the newcomer's group would."""
    house = House(AdmissionOptions(concurrency=1, queue=4, headroom=0))
    house.arrive(Claim(1, "loud"))
    for _ in range(4):
        house.arrive(Claim(1, "loud"))
    assert house.arrive(Claim(1, "loud")).state is State.SHED
    assert [house.arrive(Claim(1, "quiet")).state for _ in range(3)] == [State.WAITING, State.WAITING, State.SHED]
    assert sorted(ticket.claim.group for ticket in house.waiting) == ["loud", "loud", "quiet", "quiet"]


def test_the_last_places_are_kept_for_those_above() -> None:
    """A tenth for each rank above; where nobody stands above, all places count."""
    house = House(AdmissionOptions(concurrency=100, queue=0))
    low, high = Claim(1, above=2), Claim(3)
    assert sum(house.arrive(low).state is State.ADMITTED for _ in range(200)) == 80
    assert sum(house.arrive(high).state is State.ADMITTED for _ in range(200)) == 20


async def entering(gate: Gate, claim: Claim, group: asyncio.TaskGroup) -> "asyncio.Task[bool]":
    """A task that has reached the gate."""
    task = group.create_task(gate.enter(claim))
    await asyncio.sleep(0)
    return task


async def test_who_waits_enters_when_somebody_leaves() -> None:
    """The higher rank before the one that came first."""
    gate = Gate(AdmissionOptions(concurrency=1, queue=2, headroom=0))
    assert await gate.enter(Claim(1))
    async with asyncio.TaskGroup() as group:
        low = await entering(gate, Claim(1, patience=60), group)
        high = await entering(gate, Claim(3, patience=60), group)
        gate.leave()
        assert await high and not low.done()
        gate.leave()
        assert await low
    gate.leave()
    assert (gate.machine.busy, gate.machine.waiting) == (0, 0)


async def test_who_is_evicted_learns_it_at_once() -> None:
    """Its patience is not over, its place in the queue is."""
    gate = Gate(AdmissionOptions(concurrency=1, queue=1, headroom=0))
    assert await gate.enter(Claim(1))
    async with asyncio.TaskGroup() as group:
        low = await entering(gate, Claim(1, patience=60), group)
        assert gate.turns_away(Claim(1)) and not gate.turns_away(Claim(3))
        assert not await gate.enter(Claim(1))
        high = await entering(gate, Claim(3, patience=60), group)
        assert await low is False
        gate.leave()
        assert await high


async def test_patience_ends() -> None:
    """Nobody waits longer than a claim says, and the place in the queue is free again."""
    gate = Gate(AdmissionOptions(concurrency=1, queue=1))
    assert await gate.enter(Claim(1))
    assert not await gate.enter(Claim(1, patience=0.001))
    assert (gate.machine.busy, gate.machine.waiting) == (1, 0)


async def test_a_cancelled_wait_leaves_nothing_behind() -> None:
    """Neither in the queue nor inside, also where it was let in at that very moment."""
    gate = Gate(AdmissionOptions(concurrency=1, queue=2))
    assert await gate.enter(Claim(1))
    async with asyncio.TaskGroup() as group:
        waiting = await entering(gate, Claim(1, patience=60), group)
        waiting.cancel()
        await asyncio.sleep(0)
        assert gate.machine.waiting == 0
        admitted = await entering(gate, Claim(1, patience=60), group)
        gate.leave()
        admitted.cancel()  # it holds the place, and does not know it yet
    assert (gate.machine.busy, gate.machine.waiting) == (0, 0)


async def test_more_places_are_taken_at_once() -> None:
    """New limits need no call to end before they hold."""
    gate = Gate(AdmissionOptions(concurrency=1, queue=2))
    assert await gate.enter(Claim(1))
    async with asyncio.TaskGroup() as group:
        waiting = await entering(gate, Claim(1, patience=60), group)
        gate.adapt(AdmissionOptions(concurrency=2, queue=2))
        assert await waiting


async def test_the_gate_follows_its_brake() -> None:
    """Also the limits of a reload: the brake is told what is allowed now."""
    asked: list[tuple[int, int]] = []
    looked = asyncio.Event()

    class Scripted(Brake):
        def places(self, lag: float, busy: int, concurrency: int) -> int:
            asked.append((busy, concurrency))
            looked.set()
            return min(concurrency, 2)

    gate = Gate(AdmissionOptions(concurrency=8, queue=0))
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(gate.keep_time(Scripted(BrakeOptions(every=0.001))))
        await looked.wait()
        assert [await gate.enter(Claim(1)) for _ in range(3)] == [True, True, False]
        gate.adapt(AdmissionOptions(concurrency=1, queue=0))
        looked.clear()
        await looked.wait()
        watching.cancel()
    assert asked[0] == (0, 8) and asked[-1] == (2, 1)
    assert gate.machine.options.concurrency == 1


async def test_whoever_is_turned_away_waits_for_a_few_calls_only() -> None:
    """Of a hundred that come at once with places for all, two begin before the loop has answered anybody else."""
    gate, begun = Gate(AdmissionOptions(concurrency=100, queue=0)), 0

    async def call() -> None:
        nonlocal begun
        assert await gate.enter(Claim(1))
        begun += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(100):
            group.create_task(call())
        turns = []
        while begun < 100:
            await asyncio.sleep(0)
            turns.append(begun)
        assert max(after - before for before, after in zip(turns, turns[1:], strict=False)) <= 2
        assert not await gate.enter(Claim(1)) and gate.machine.busy == 100


async def test_who_came_through_the_door_counts_before_it_has_come_to_the_machine() -> None:
    """A hundred heads that are read in one turn of the loop: as many of each rank come through as are let in or may
    wait, and the others are told before anything is made for them. In the next turn the machine knows better."""
    gate = Gate(AdmissionOptions(concurrency=10, queue=5))
    low, high = Claim(1, above=1), Claim(3)
    assert [gate.lets_through(low) for _ in range(100)] == [True] * 14 + [False] * 86, "nine places, five may wait"
    assert [gate.lets_through(Claim(1, "other", above=1)) for _ in range(100)].count(True) == 14, "its own turn"
    assert [gate.lets_through(high) for _ in range(100)].count(True) == 15, "whoever is below makes room"
    assert not gate.lets_through(low)
    await asyncio.sleep(0)
    assert gate.lets_through(low)


async def test_without_patience_few_come_through_the_door_in_a_turn() -> None:
    """As many as begin in one: the others would be turned away behind it, at twice the price. None while the loop is
    late."""
    gate = Gate(AdmissionOptions(concurrency=100, queue=5))
    hurried = Claim(3, patience=0)
    assert [gate.lets_through(hurried) for _ in range(9)].count(True) == 2
    await asyncio.sleep(0)
    gate.machine.options = AdmissionOptions(concurrency=50, queue=5)
    assert not gate.lets_through(hurried) and not await gate.enter(hurried)
    assert gate.lets_through(Claim(3))


async def test_a_call_that_is_cancelled_before_its_turn_gives_its_place_back() -> None:
    """As does one that waits for a place; the others begin."""
    gate = Gate(AdmissionOptions(concurrency=20, queue=0))
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(gate.enter(Claim(1))) for _ in range(20)]
        await asyncio.sleep(0)
        waiting = [call for call in calls if not call.done()]
        assert len(waiting) == 18
        waiting[0].cancel()
    assert gate.machine.busy == 19 and all(call.done() for call in calls)


def test_lower_ranks_have_less_patience_while_places_are_few() -> None:
    """The highest keeps all of it: only when its own would be too long a wait do those below make room."""
    machine = Admission(AdmissionOptions(concurrency=100, queue=64).now(20, each=0.0011, shared=True, sheds=False))
    low, high = Claim(1, above=1), Claim(2)
    assert (machine.patience(low), machine.patience(high)) == (0.1 * 0.5 * 0.2, 0.1)
    tickets = [Ticket(low) for _ in range(40)]
    for ticket in tickets:
        machine.arrive(ticket)
    assert (machine.busy, machine.waiting) == (18, 5) and machine.would_shed(low)
    above = [Ticket(high) for _ in range(66)]
    evicted = [machine.arrive(ticket) for ticket in above]
    assert (machine.busy, machine.waiting) == (20, 64)
    assert [ticket for ticket in evicted if ticket] == tickets[22:17:-1], "only when all of the queue is full"
    assert not [ticket for ticket in above if ticket.state is State.SHED]


def test_the_queue_is_as_long_as_places_are_handed_on_in_time() -> None:
    """One each 13 ms, and 50 ms to wait, 70 for the highest rank: nobody waits for
    what will not come; whoever is too many inside goes first."""
    machine = Admission(AdmissionOptions(concurrency=4, queue=64, headroom=0, each=0.013))
    tickets = [Ticket(Claim(1, above=1)) for _ in range(12)]
    for ticket in tickets:
        machine.arrive(ticket)
    assert (machine.busy, machine.waiting) == (4, 4)
    assert machine.would_shed(Claim(1, above=1)) and not machine.would_shed(Claim(2))
    machine.arrive(highest := Ticket(Claim(2)))
    machine.arrive(last := Ticket(Claim(2)))
    assert machine.waiting == 6 and highest.state is last.state is State.WAITING
    machine.give_up(highest)
    machine.give_up(last)
    machine.options = AdmissionOptions(concurrency=2, queue=64, headroom=0, each=0.013)
    assert machine.settle() == [] and machine.trim() == [tickets[7], tickets[6]]
    assert (machine.busy, machine.waiting) == (4, 2)
    machine.options = AdmissionOptions(concurrency=4, queue=64, headroom=0, each=0.5)
    assert machine.trim() == [tickets[5]], "one may wait: its place is the next"


def test_without_patience_there_is_a_place_now_or_none() -> None:
    """Nobody makes room for it, however low."""
    machine = Admission(AdmissionOptions(concurrency=1, queue=4, headroom=0))
    hurried = Claim(3, patience=0)
    first, low, third = Ticket(hurried), Ticket(Claim(1, above=1)), Ticket(hurried)
    machine.arrive(first)
    machine.arrive(low)
    assert machine.would_shed(hurried) and machine.arrive(third) is None
    assert [ticket.state for ticket in (first, low, third)] == [State.ADMITTED, State.WAITING, State.SHED]
