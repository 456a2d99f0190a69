"""Each deed of the control plane, in a process that dies by SIGKILL at a place that is told: before its n-th write,
commit or file operation, or right after a commit.

    python -m tests.fakes.crashing PLACE SPOOL STEP…      a line a life: the deed, the step, and 1 if it died there

A life is a fork, so that a hundred of them take no longer than a few starts. What one does bears its number: the
ticket, the name of a site, the id of a token.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from uuid import uuid4

import msgspec
from sqlalchemy import Engine, Pool, event

from tests.fakes.clock import FakeClock
from tests.fakes.rollout_stores import FakeHotCopy
from tests.fakes.snapshots import SEALER
from wardgate.adapters.files.pending import PendingFolder
from wardgate.adapters.sql.chain import SqlAuditStore
from wardgate.adapters.sql.postgres import Postgres
from wardgate.adapters.sql.releases import SqlReleaseStore
from wardgate.adapters.sql.snapshots import SqlReplicas, SqlSnapshotStore
from wardgate.adapters.sql.sqlite import Sqlite
from wardgate.adapters.sql.tokens import SqlTokenStore
from wardgate.bootstrap.control import ControlStores
from wardgate.bootstrap.refresher import Refresher, RefreshOptions
from wardgate.control.askers import Asker
from wardgate.control.audit import AuditTrail
from wardgate.control.beginning import Beginning, Files
from wardgate.control.chain_reader import ChainReader
from wardgate.control.changes import RolloutDesk
from wardgate.control.decided import Decided
from wardgate.control.ports import Change, Content
from wardgate.control.releases import By, ReleaseDesk
from wardgate.control.tokens import TokenDesk
from wardgate.domain.admin_tokens import Role
from wardgate.domain.audit import Action, Deed
from wardgate.domain.durable import PostgresPlace, SqlitePlace
from wardgate.domain.gates import GateLine
from wardgate.domain.outcomes import Mode
from wardgate.domain.rollout.hidden import Hidden
from wardgate.domain.rollout.rollouts import Ceiling, Rollout, Scope, Snapshot
from wardgate.gateway.visibility import Visibility

SERVICE = "kidney-failure"
BEGINNING = 1_790_000_000.0
ADMIN = Asker(who="ada/0000000000cc", roles=frozenset({Role.ADMIN, Role.OPERATOR}), reason="promotion")
SECOND = "olga/0000000000aa"
CLOCK = FakeClock(BEGINNING)


class Crash:
    """Kills its process before the n-th step since it was armed; 0: never. A step is what writes, its commit, and what
    comes right after that; or what is done to a file of the spool."""

    def __init__(self, spool: Path) -> None:
        self._spool, self._left, self._wrote = str(spool), 0, False
        event.listen(Engine, "before_cursor_execute", self._statement)
        event.listen(Engine, "commit", lambda connection: self._ended())
        event.listen(Pool, "checkin", lambda *args: self._ended(over=True))
        sys.addaudithook(self._file)

    def arm(self, step: int) -> None:
        self._left = step

    def _statement(self, connection: object, cursor: object, statement: str, *more: object) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            self._wrote = True
            self._step()

    def _ended(self, over: bool = False) -> None:
        if self._wrote:
            self._wrote = not over
            self._step()

    def _file(self, name: str, args: tuple[object, ...]) -> None:
        if self._left and name in ("open", "os.rename", "os.remove") and str(args[0]).startswith(self._spool):
            self._step()

    def _step(self) -> None:
        if self._left:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)


class NoGates:
    """Everything passes."""

    def gates_of(self, service: str, digest: str, step: Mode, who: str) -> Sequence[GateLine]:
        return ()

    def approvals_of(self, service: str, digest: str, mode: Mode) -> Sequence[GateLine]:
        return ()

    def policy(self) -> str:
        return ""


class Life:
    """The desks, on one real store; `number` is that of the life, and of all that it does."""

    def __init__(self, place: SqlitePlace | PostgresPlace, spool: Path, number: int) -> None:
        database = Sqlite(place) if isinstance(place, SqlitePlace) else Postgres(place)
        self.number, self.digest = number, f"sha256:{number:064x}"
        self.snapshots, self.replicas, self.audit = (
            SqlSnapshotStore(database),
            SqlReplicas(database),
            SqlAuditStore(database),
        )
        self.trail = AuditTrail(
            self.audit, PendingFolder(spool), CLOCK.now, lambda: str(uuid4()), lambda: os.urandom(32)
        )
        hot = FakeHotCopy()
        stores = ControlStores(self.snapshots, self.replicas, hot, SEALER, None, False)
        self.decided = Decided(self.snapshots, hot, SEALER, lambda what: None)
        self.desk = RolloutDesk(
            self.decided,
            NoGates(),
            self.trail,
            lambda service, release: None,
            CLOCK.now,
            lambda: str(uuid4()),
            lambda: True,
            lambda: 86400.0,
        )
        self.releases = ReleaseDesk(
            SqlReleaseStore(database),
            self.trail,
            self.decided,
            lambda content: None,
            lambda: BEGINNING,
            lambda subject: bool(ChainReader(self.audit).read().authors(subject)),
        )
        self.tokens = TokenDesk(
            SqlTokenStore(database), self.trail, CLOCK.now, lambda: f"{number:012x}", lambda: f"{number:043}"
        )
        self.visibility = Visibility(1000.0, CLOCK.monotonic)
        self.refresher = Refresher(
            self.visibility,
            stores,
            None,
            CLOCK,
            CLOCK.monotonic,
            self._files,
            None,
            lambda epoch: epoch,
            Unheard(),
            lambda: None,
            partial(self.trail.entry, lowers=True),
            RefreshOptions(fold=0.0),
        )
        self.asker = msgspec.structs.replace(ADMIN, ticket=f"T-{number}")
        self.by = By("os:ada", "", f"T-{number}")
        self.content = Content(self.digest, SERVICE, "kfre", f"1.{number}.0", {"services/a.yaml": b"id: a\n"})

    def _files(self) -> Files:
        begins = Rollout(self.digest, Mode.SILENT)
        name = f"service-{self.number}"
        return Files({name: begins}, {name: frozenset({self.digest})}, False)

    def begin(self) -> Snapshot:
        """There is a snapshot."""
        if self.snapshots.newest() is None:
            begun = Snapshot(1, {SERVICE: Rollout("sha256:a", Mode.ACTIVE, salt="s")})
            self.snapshots.append(SEALER.seal(begun), Change(BEGINNING, "x", "begin", SERVICE))
        return self.decided.newest()


class Unheard:
    """What a refresher says, to nobody; a fault ends the life."""

    def shows(self, epoch: int, why: Hidden | None) -> None: ...

    def store(self, up: bool) -> None: ...

    def channel(self, up: bool) -> None: ...

    def local(self, state: str) -> None: ...

    def begun(self, begun: Beginning) -> None: ...

    def fault(self, error: BaseException) -> None:
        raise error


def _raise(life: Life) -> Callable[[], object]:
    _, etag = life.desk.rollout(SERVICE)
    wanted = {"preview": frozenset({f"user:{life.number}"})}
    return lambda: life.desk.change(life.asker, SERVICE, wanted, etag)


def _lower(life: Life) -> Callable[[], object]:
    return lambda: life.desk.change(life.asker, SERVICE, {"mode": Mode.SHADOW})


def _narrow(life: Life) -> Callable[[], object]:
    return lambda: life.desk.change(life.asker, SERVICE, {"preview": frozenset()})


def _kill(life: Life) -> Callable[[], object]:
    return lambda: life.desk.kill(life.asker, Scope.SITE, f"site-{life.number}")


def _lift(life: Life) -> Callable[[], object]:
    killed = life.desk.kill(life.asker, Scope.SITE, f"site-{life.number}").ceiling
    assert killed is not None
    other = msgspec.structs.replace(life.asker, who=SECOND)
    return lambda: life.desk.lift(other, killed.id)


def _isolate(life: Life) -> Callable[[], object]:
    return lambda: life.desk.isolate(life.asker, SERVICE, f"1.{life.number}.0", True)


def _confirm(life: Life) -> Callable[[], object]:
    return lambda: life.desk.confirm(life.asker, 0)


def _files(life: Life) -> Callable[[], object]:
    return lambda: life.refresher.take_up(life._files())


def _fold(life: Life) -> Callable[[], object]:
    read = life.decided.newest()
    life.visibility.begin(read, [], None)
    site = Ceiling(str(uuid4()), Scope.SITE, f"folded-{life.number}", set_by=SECOND)
    life.refresher.lower([SEALER.seal_ceiling(site)])
    return lambda: life.refresher._side.fold(read)


def _submit(life: Life) -> Callable[[], object]:
    return lambda: life.releases.submit(life.by, life.content, "sha256:f")


def _announce(life: Life) -> Callable[[], object]:
    entry = life.releases.submit(life.by, life.content, "sha256:f")
    return lambda: life.releases.announce(life.by, entry, BEGINNING + 60)


def _retire(life: Life) -> Callable[[], object]:
    entry = life.releases.submit(life.by, life.content, "sha256:f")
    return lambda: life.releases.retire(life.by, entry)


def _give(life: Life) -> Callable[[], object]:
    return lambda: life.tokens.new("os:root", "mira", [Role.VIEWER], None, 86400.0)


def _revoke(life: Life) -> Callable[[], object]:
    token, _ = life.tokens.new("os:root", "mira", [Role.VIEWER], None, 86400.0)
    return lambda: life.tokens.revoke("os:root", token.id)


def _erase(life: Life) -> Callable[[], object]:
    said = life.trail.entry(Deed(who="os:ada", what=Action.RELOAD, subject="configuration"), "a remark")
    life.audit.append([said], BEGINNING)
    erased = Deed(who="os:ada", what=Action.REMARK_ERASE, subject=said.event.id)
    return lambda: life.audit.erase_remark(said.event.id, life.trail.entry(erased))


DEEDS = (
    _retire,  # reads what was decided of all services ever: first, while that is little
    _raise,
    _lower,
    _narrow,
    _kill,
    _lift,
    _isolate,
    _confirm,
    _files,
    _fold,
    _submit,
    _announce,
    _give,
    _revoke,
    _erase,
)


def main(place: SqlitePlace | PostgresPlace, spool: Path, steps: Iterable[int]) -> None:
    """Each deed with each of these steps, until one is further than it goes."""
    crash, numbers = Crash(spool), count(1)
    for deed in DEEDS:
        for step in steps:
            number = next(numbers)
            child = os.fork()
            if child == 0:
                life = Life(place, spool, number)
                life.begin()
                do = deed(life)
                crash.arm(step)
                do()
                os._exit(0)
            _, status = os.waitpid(child, 0)
            died = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
            assert died or status == 0, (deed.__name__, step, status)
            print(deed.__name__, step, int(died), flush=True)
            if not died:
                break


if __name__ == "__main__":
    main(eval(sys.argv[1]), Path(sys.argv[2]), [int(step) for step in sys.argv[3:]])
