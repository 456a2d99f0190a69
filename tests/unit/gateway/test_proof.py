"""What has been proven: the machine against a world in which processes are replaced while calls and rounds travel."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from wardgate.gateway.proof import Evidence, Proof


@dataclass
class Process:
    pinned: bool


@dataclass
class World:
    """One address. A process answers on the connections that were opened to it until it ends, and for ever where it is
    replaced in order."""

    now: Process = field(default_factory=lambda: Process(True))
    connections: dict[int, Process] = field(default_factory=dict)
    opened: int = 0
    lost: int = 0

    def connection(self, which: int, oldest: int) -> int:
        """One of the pool that is no older, or a new one."""
        usable = [number for number in self.connections if number >= oldest and number > self.lost]
        if usable and which < len(usable):
            return usable[which]
        self.opened += 1
        self.connections[self.opened] = self.now
        return self.opened

    def replace(self, pinned: bool, in_order: bool) -> None:
        self.now = Process(pinned)
        if not in_order:
            self.connections.clear()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["call", "call", "round", "round", "replace", "doubt"]),
        st.integers(0, 4),
        st.booleans(),
        st.booleans(),
    ),
    max_size=40,
)


@given(steps=STEPS)
def test_a_process_that_was_never_proven_is_never_believed(steps: list[tuple[str, int, bool, bool]]) -> None:
    """Whichever connections calls and rounds come over, and however processes are replaced between them: a reply that
    is believed came from a pinned model. Rounds are prompt: the listening process is the same from a reply that has to
    wait until its round has ended."""
    world, evidence, owed = World(), Evidence(), 0

    def prove(which: int) -> None:
        begun = evidence.begin()
        number = world.connection(which, owed)
        if world.connections[number].pinned:
            assert evidence.end(begun, Proof.PASSED, number)
        else:
            world.lost = world.opened
            assert evidence.end(begun, Proof.FAILED, world.opened)

    for step, which, one, other in steps:
        if step == "replace":
            world.replace(pinned=one, in_order=other)
        elif step == "doubt":
            evidence.doubt()
        elif step == "round":
            prove(which)
        else:
            number = world.connection(which, 0)
            answered = world.connections[number]
            if not evidence.believes(number):
                owed = max(owed, number)
                prove(which)
            assert answered.pinned or not evidence.believes(number)


def test_a_doubt_that_arises_during_a_round_outlives_it() -> None:
    """The round may have asked the process that has just gone; that it failed is believed all the same."""
    evidence = Evidence()
    begun = evidence.begin()
    evidence.doubt()
    assert not evidence.end(begun, Proof.PASSED, 1) and not evidence.believes(1)
    assert evidence.end(begun, Proof.FAILED, None) and not evidence.believes(1)
    assert evidence.end(evidence.begin(), Proof.PASSED, 1) and evidence.believes(1)


def test_a_late_reply_of_whoever_failed_is_not_believed_after_its_successor_has_passed() -> None:
    """It was on its way meanwhile, over a connection that there was when the round failed."""
    evidence = Evidence()
    evidence.end(evidence.begin(), Proof.FAILED, 3)
    evidence.end(evidence.begin(), Proof.PASSED, 4)
    assert [evidence.believes(number) for number in (2, 3, 4, 5)] == [False, False, True, False]


def test_a_round_that_could_not_be_made_says_nothing_of_any_connection() -> None:
    """Nor does one over a connection without a number, of those that have one."""
    evidence = Evidence()
    evidence.end(evidence.begin(), Proof.PENDING, 3)
    evidence.end(evidence.begin(), Proof.PASSED, None)
    assert evidence.believes(None) and not evidence.believes(1)
    evidence.end(evidence.begin(), Proof.PASSED, 4)
    assert evidence.believes(2)


def test_only_a_proof_that_held_can_be_in_doubt() -> None:
    """Where nothing was proven, there is no round to wait for; and each change is told once."""
    told: list[Proof] = []
    evidence = Evidence(told.append)
    evidence.doubt()
    assert not evidence.doubted
    evidence.end(evidence.begin(), Proof.PASSED, None)
    evidence.doubt()
    evidence.doubt()
    assert evidence.doubted and not evidence.believes(None)
    evidence.end(evidence.begin(), Proof.PENDING, None)
    assert not evidence.doubted
    assert told == [Proof.PASSED, Proof.PENDING]
