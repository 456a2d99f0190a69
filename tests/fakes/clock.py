"""A clock that stands still until it is told to move."""


class FakeClock:
    """Meets `gateway.ports.Clock`; both readings move together."""

    def __init__(self, now: float = 1_790_000_000.0) -> None:
        self._now = now
        self._monotonic = 1000.0

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def jump(self, seconds: float) -> None:
        """The wall clock alone, as when somebody sets it."""
        self._now += seconds

    def advance(self, seconds: float) -> None:
        self._now += seconds
        self._monotonic += seconds
