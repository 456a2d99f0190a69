"""A desk of rollouts whose gates are real, on a real store that lets somebody be just before it."""

from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from uuid import UUID

from tests.fakes.approving import DIGEST, JON, MIRA, SERVICE, Approving, person
from tests.fakes.rollout_stores import FakeHere
from tests.fakes.snapshots import SEALER
from wardgate.adapters.sql.database import Database
from wardgate.adapters.sql.snapshots import SqlSnapshotStore
from wardgate.control.audit import AuditStore, Happened
from wardgate.control.changes import RolloutDesk
from wardgate.control.decided import Decided, etag_of
from wardgate.control.ports import Change, KeptSnapshot
from wardgate.domain.admin_tokens import Role
from wardgate.domain.outcomes import Mode
from wardgate.domain.rollout.rollouts import Cohort, Rollout, Snapshot

ADA = person("ada/0c0c0c0c0c0c", Role.ADMIN)
TO_CANARY = {"mode": Mode.CANARY, "cohort": Cohort(percent=5.0)}


class Meanwhile(SqlSnapshotStore):
    """`hooks` run one by one, each just before an append: everything was judged then, and nothing is written."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.hooks: list[Callable[[], object]] = []
        self.tries = 0

    def append(
        self, kept: KeptSnapshot, change: Change, told: Sequence[Happened] = (), judged: int | None = None
    ) -> bool:
        self.tries += 1
        if self.hooks:
            self.hooks.pop(0)()
        return super().append(kept, change, told, judged)


class Stage:
    """The release DIGEST is silent, and approved for canary by Mira and Jon. `audit` and `database` are of one store;
    None: the ground's own."""

    def __init__(self, folder: Path, database: Callable[[Path], Database], audit: AuditStore | None = None) -> None:
        self.approving = Approving(folder, store=audit)
        self.snapshots = Meanwhile(database(self.approving.ground.path))
        self.decided = Decided(self.snapshots, None, SEALER, lambda what: None, FakeHere())
        ids = count(1)
        self.desk = RolloutDesk(
            self.decided,
            self.approving.gates,
            self.approving.ground.trail,
            lambda service, release: None,
            lambda: self.approving.now,
            lambda: str(UUID(int=next(ids))),
            lambda: False,
            lambda: 86400.0,
        )
        self.decide(Rollout(DIGEST, Mode.SILENT, salt="s"))
        for who in (MIRA, JON):
            self.approving.approve(who)

    @property
    def rollout(self) -> Rollout:
        return self.decided.newest().rollouts[SERVICE]

    def decide(self, rollout: Rollout) -> None:
        self.approving.rollout = rollout
        kept = SEALER.seal(Snapshot(self.decided.newest().epoch + 1, {SERVICE: rollout}))
        assert SqlSnapshotStore.append(self.snapshots, kept, Change(self.approving.now, ADA.who, "begin", SERVICE))

    def promote(self) -> None:
        self.desk.change(ADA, SERVICE, TO_CANARY, etag_of(self.rollout))

    def withdraw(self) -> None:
        self.approving.desk.withdraw(MIRA, SERVICE, DIGEST)

    def said(self) -> list[tuple[object, object]]:
        """Actions and results, in the order of the chain; denials, which are spooled, last."""
        self.approving.ground.trail.chain_spooled()
        return [(entry["what"], entry["result"]) for entry in self.approving.ground.said()]

    def close(self) -> None:
        self.approving.close()
        self.snapshots.close()
