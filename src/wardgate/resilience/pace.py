"""How much at a time: machines that follow the event loop.

How many places there are follows how late it is: while it is late, it has more to do than it can, and every further
call makes all of them slower. A call that waits for somebody else does not make it late.

Who has a place begins when it is its turn: a few calls in each turn of the event loop, so that whoever is turned away
need not wait for the work of all who came with it.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import exp

_FORGOTTEN = 1e-3  # of a call


@dataclass(frozen=True, slots=True)
class BrakeOptions:
    lag: float = 0.005
    """Seconds by which the event loop, or the work of a call that has a place, may be late."""
    every: float = 0.01
    """Seconds between two looks at it."""
    fall: float = 0.8
    """What is left of the places that are in use when it is later than that, and nothing taken is still in use."""
    rise: float = 0.08
    """By which share of them they grow at each look when it is not: a small step where few are left."""
    least: int = 16
    """Places that are never taken away."""


class Brake:
    """The pure machine: a share more where there is time, a share less where there is none."""

    def __init__(self, options: BrakeOptions | None = None) -> None:
        self.options = options or BrakeOptions()
        self._places: float | None = None

    def places(self, lag: float, busy: int, concurrency: int) -> int:
        """How many there are from now on, of the `concurrency` that are allowed."""
        options, places = self.options, concurrency if self._places is None else self._places
        if lag <= options.lag:
            places *= 1 + options.rise
        elif busy <= places:
            places = max(busy * options.fall, options.least)
        self._places = min(places, concurrency)
        return int(self._places)


class Turnover:
    """The pure machine: how soon places are handed on. By Little's law from how long they are held: the places that
    were in use, over the calls that left them. And whether those of lower ranks get any. It forgets in `memory`
    seconds; whether lower ranks got any, in `shared`: so long those above may need to catch up after a halt.

    More than `halt` seconds in which less happened than otherwise were taken by somebody else, who had the processor:
    a neighbour, a collection, a thread. That says nothing of how soon places will be handed on now."""

    def __init__(self, memory: float = 0.1, shared: float = 1.0, halt: float = 0.03) -> None:
        self._memory, self._sharing, self._halt = memory, shared, halt
        self._held = 0.0  # seconds of places
        self._left = 0.0  # calls
        self._unshared, self._served = shared, memory  # seconds

    def look(self, seconds: float, busy: int, left: int, below: int, shed: int) -> None:
        """Since the last look so many seconds have passed, and so many calls have left; so many are inside. Meanwhile
        so many of lower ranks were let in, and so many of all were turned away."""
        seconds = min(seconds, self._halt + left * self.each(busy))
        kept = exp(-seconds / self._memory)
        self._held = self._held * kept + busy * seconds
        self._left = self._left * kept + left
        self._unshared = 0.0 if below else self._unshared + seconds
        self._served = 0.0 if shed else self._served + seconds

    @property
    def shared(self) -> bool:
        """Whether any of a lower rank was let in lately."""
        return self._unshared < self._sharing

    @property
    def sheds(self) -> bool:
        """Whether any was turned away lately."""
        return self._served < self._memory

    def each(self, busy: int) -> float:
        """Seconds from one place that becomes free to the next while so many are in use; 0: nobody has left lately."""
        return self._held / self._left / busy if busy and self._left > _FORGOTTEN else 0.0


class Pace:
    """The pure machine: who begins in this turn of the event loop, and who in a later one."""

    def __init__(self, a_turn: int = 4) -> None:
        """`a_turn`: calls that begin in one; the work of so many is what a turn takes."""
        self._a_turn = a_turn
        self._begun = 0
        self._waiting: deque[tuple[float, Callable[[], None]]] = deque()

    @property
    def begun(self) -> int:
        """In this turn."""
        return self._begun

    def pressed(self, coming: int = 0) -> bool:
        """Whether one more would make this turn long: half of those that may have begun, or are coming."""
        return 2 * (self._begun + coming) >= self._a_turn or bool(self._waiting)

    def begins(self) -> bool:
        """Whether one more begins now; where not, it has to `wait`."""
        if self._begun >= self._a_turn or self._waiting:
            return False
        self._begun += 1
        return True

    def wait(self, now: float, begin: Callable[[], None]) -> None:
        """`begin` is called when its turn comes, also where nobody waits for it any more."""
        self._waiting.append((now, begin))

    def turn(self) -> None:
        """The event loop begins another turn."""
        self._begun = min(self._a_turn, len(self._waiting))
        for _ in range(self._begun):
            self._waiting.popleft()[1]()

    def lag(self, now: float) -> float:
        """Seconds that the first one has waited."""
        return now - self._waiting[0][0] if self._waiting else 0.0
