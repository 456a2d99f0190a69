"""Stores of the control plane in memory, with switches."""

import threading
from collections.abc import Sequence

from tests.fakes.snapshots import SEALER
from wardgate.control.audit import AuditStore, AuditUnavailable, Happened
from wardgate.control.ports import Change, KeptSnapshot, Overtaken, Replica, StoreUnavailable
from wardgate.domain.approvals import bears
from wardgate.domain.rollout.ceilings import unfolded
from wardgate.domain.rollout.rollouts import Ceiling, Snapshot


class Hanging:
    """What a store does that hangs: nothing, until it is let go, and then it is away."""

    def __init__(self) -> None:
        self._hung, self._go = False, threading.Event()

    def hang(self) -> None:
        self._hung = True

    def let_go(self) -> None:
        self._go.set()

    def wait(self) -> None:
        if self._hung:
            self._go.wait(20)
            raise StoreUnavailable("it hung")


class FakeSnapshots:
    """A durable store, with `chain` as its audit chain. `first` runs before the next append: whoever else is first."""

    def __init__(self, chain: AuditStore | None = None) -> None:
        self._chain = chain
        self.kept: list[tuple[KeptSnapshot, Change]] = []
        self.down, self.hangs = False, Hanging()
        self.first: list[Snapshot] = []

    def newest(self) -> KeptSnapshot | None:
        self._up()
        return self.kept[-1][0] if self.kept else None

    def at(self, epoch: int) -> KeptSnapshot | None:
        self._up()
        return next((kept for kept, _ in self.kept if kept.epoch == epoch), None)

    def append(
        self, kept: KeptSnapshot, change: Change, told: Sequence[Happened] = (), judged: int | None = None
    ) -> bool:
        self._up()
        while self.first:
            self.kept.append((SEALER.seal(self.first.pop(0)), Change(0.0, "somebody", "rollout.change", "x")))
        if self.kept and self.kept[-1][0].epoch >= kept.epoch:
            return False
        if self._chain is not None:
            try:
                if judged is not None and any(bears(entry.text) for entry in self._chain.entries(judged)):
                    raise Overtaken
                self._chain.append(told, change.at)
            except AuditUnavailable as error:
                raise StoreUnavailable(error.meaning) from None
        self.kept.append((kept, change))
        return True

    def history(self, subject: str | None = None, limit: int = 100) -> Sequence[tuple[int, Change]]:
        self._up()
        found = [(kept.epoch, change) for kept, change in reversed(self.kept) if subject in (None, change.subject)]
        return found[:limit]

    def _up(self) -> None:
        self.hangs.wait()
        if self.down:
            raise StoreUnavailable("it is away")


class FakeHere:
    """A process that heard `seen` last, and what ceilings it has heard of."""

    def __init__(self) -> None:
        self.seen: Snapshot | None = None
        self.sealed: list[bytes] = []

    def hear(self, kept: KeptSnapshot) -> None:
        self.seen = SEALER.open(kept)

    def lower(self, sealed: bytes) -> None:
        self.sealed.append(sealed)

    def newest(self) -> Snapshot | None:
        return self.seen

    def side(self) -> tuple[Ceiling, ...]:
        return () if self.seen is None else unfolded(self.seen, map(SEALER.open_ceiling, self.sealed))


class FakeHotCopy:
    def __init__(self) -> None:
        self.snapshot: KeptSnapshot | None = None
        self.ceilings: dict[str, bytes] = {}
        self.down, self.hangs = False, Hanging()
        self.told = 0

    def put(self, kept: KeptSnapshot) -> None:
        self._up()
        self.snapshot = kept
        self.told += 1

    def get(self) -> KeptSnapshot | None:
        self._up()
        return self.snapshot

    def lower(self, sealed: bytes, ceiling_id: str) -> None:
        self._up()
        self.ceilings[ceiling_id] = sealed
        self.told += 1

    def lowered(self) -> Sequence[bytes]:
        self._up()
        return list(self.ceilings.values())

    def forget(self, ceiling_ids: Sequence[str]) -> None:
        self._up()
        for ceiling_id in ceiling_ids:
            self.ceilings.pop(ceiling_id, None)

    def _up(self) -> None:
        self.hangs.wait()
        if self.down:
            raise StoreUnavailable("it is away")


class FakeReplicas:
    def __init__(self, *replicas: Replica) -> None:
        self.replicas = {replica.id: replica for replica in replicas}
        self.clock, self.down = 1000.0, False

    def beat(self, replica: Replica) -> None:
        self.replicas[replica.id] = replica

    def leave(self, replica_id: str) -> None:
        self.replicas.pop(replica_id, None)

    def all(self) -> Sequence[Replica]:
        if self.down:
            raise StoreUnavailable("it is away")
        return list(self.replicas.values())

    def now(self) -> float:
        return self.clock
