"""A desk of rollouts on stores in memory, with switches, and a real audit chain."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from uuid import UUID

from tests.fakes.audit import AuditGround
from tests.fakes.rollout_stores import FakeHere, FakeHotCopy, FakeSnapshots
from tests.fakes.snapshots import SEALER
from wardgate.control.askers import Asker
from wardgate.control.changes import RolloutDesk
from wardgate.control.decided import Decided, etag_of
from wardgate.control.ports import Change, HotCopy, SnapshotStore
from wardgate.domain.admin_tokens import Role
from wardgate.domain.gates import GateLine, Verdict
from wardgate.domain.outcomes import Mode
from wardgate.domain.rollout.rollouts import Rollout, Snapshot

HOUR, DAY = 3600.0, 86400.0
ONE, TWO, THREE = (f"sha256:{number:064x}" for number in (1, 2, 3))
SERVICE = "kidney-failure"
OPERATOR = Asker(who="olga/0000000000aa", roles=frozenset({Role.OPERATOR}), reason="alert_rate")
OTHER = Asker(who="omar/0000000000bb", roles=frozenset({Role.OPERATOR}), reason="fixed")
ADMIN = Asker(who="ada/0000000000cc", roles=frozenset({Role.ADMIN}), reason="promotion")
VIEWER = Asker(who="vera/0000000000dd", roles=frozenset({Role.VIEWER}))


class House:
    """A desk on stores in memory and a real audit chain; silent, with the release ONE."""

    def __init__(self, folder: Path, store: SnapshotStore | None = None, hot: HotCopy | None = None) -> None:
        """`store` and `hot`: real ones in place of those in memory."""
        self.now = 1_790_000_000.0
        self.audit = AuditGround(folder)
        self.audit.store.last()  # opened: whoever lowers waits for no new tables
        self.store, self.hot = FakeSnapshots(self.audit.store), FakeHotCopy()
        self.failing_gates: list[str] = []
        self.asked: list[tuple[str, Mode]] = []
        self.approvals = {(SERVICE, ONE), (SERVICE, TWO)}
        self.unproven: str | None = None
        self.insecure_demo = False
        ids = count(1)
        self.here = FakeHere()
        self.highest = 0
        """That a replica has seen."""
        self.decided = decided = Decided(
            store or self.store,
            hot or self.hot,
            SEALER,
            lambda what: None,
            self.here,
            highest=lambda: self.highest,
        )
        self.desk = RolloutDesk(
            decided,
            self,
            self.audit.trail,
            lambda service, release: self.unproven,
            lambda: self.now,
            lambda: str(UUID(int=next(ids))),
            lambda: self.insecure_demo,
            lambda: DAY,
        )
        self.decide(Rollout(ONE, Mode.SILENT, salt="s"))

    def gates_of(self, service: str, digest: str, step: Mode, who: str) -> Sequence[GateLine]:
        self.asked.append((digest, step))
        return [GateLine(name, "more", "less", Verdict.FAIL) for name in self.failing_gates]

    def approvals_of(self, service: str, digest: str, mode: Mode) -> Sequence[GateLine]:
        holds = (service, digest) in self.approvals
        return [GateLine("approvals", "1", "1" if holds else "0", Verdict.PASS if holds else Verdict.FAIL)]

    def decide(self, rollout: Rollout, by: str = "ada/0000000000cc") -> None:
        epoch = self.epoch + 1
        kept = SEALER.seal(Snapshot(epoch, {SERVICE: rollout}))
        self.here.hear(kept)
        assert self.store.append(kept, Change(self.now, by, "rollout.change", SERVICE))

    @property
    def epoch(self) -> int:
        return self.store.kept[-1][0].epoch if self.store.kept else 0

    @property
    def snapshot(self) -> Snapshot:
        return SEALER.open(self.store.kept[-1][0])

    @property
    def rollout(self) -> Rollout:
        return self.snapshot.rollouts[SERVICE]

    @property
    def etag(self) -> str:
        return etag_of(self.rollout)

    def said(self) -> list[tuple[object, object, object]]:
        """In no order: what is spooled is chained after what was required."""
        self.audit.trail.chain_spooled()
        return [(entry["what"], entry["result"], entry["reason"]) for entry in self.audit.said()]
