"""Circuits that are kept out of use: those that the snapshot names, for all replicas, and those of this process alone,
while no store takes it."""

from collections.abc import Callable, Iterable

from wardgate.bootstrap.models import Models
from wardgate.domain.rollout.rollouts import Snapshot
from wardgate.gateway.probes import ProvenModel
from wardgate.web.admin import Circuit


class Circuits:
    """By service and version."""

    def __init__(
        self, models: Models, running: Callable[[], Iterable[ProvenModel]], snapshot: Callable[[], Snapshot]
    ) -> None:
        self._models, self._running, self._snapshot = models, running, snapshot
        self._by_hand: frozenset[tuple[str, str]] = frozenset()

    def states(self) -> dict[tuple[str, str], str]:
        return self._models.circuits(self._running())

    async def all(self) -> dict[tuple[str, str], Circuit]:
        return {name: Circuit(state) for name, state in self.states().items()}

    async def isolate(self, service: str, release: str, away: bool) -> Circuit | None:
        """What was decided for all replicas stands already; the rest is this process's own, until it ends. None: there
        is no such circuit."""
        circuit = (service, release)
        if circuit not in self.states():
            return None
        by_hand = away and circuit not in self._snapshot().isolated
        self.keep_away(self._by_hand | {circuit} if by_hand else self._by_hand - {circuit})
        return Circuit(self.states()[circuit])

    def keep_away(self, circuits: frozenset[tuple[str, str]]) -> None:
        """From now on no call reaches these, nor those of the snapshot, whatever is reloaded; all others may be
        asked."""
        self._by_hand = circuits
        self.obey()

    def obey(self) -> None:
        """The snapshot is another, or the models are."""
        self._models.isolate(self._by_hand | self._snapshot().isolated)
