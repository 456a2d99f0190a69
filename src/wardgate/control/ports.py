"""What the control plane needs from the world: places that hold what was decided, and word from the replicas.

All of these block, are thread-safe and bounded in time, and raise StoreUnavailable, which says nothing but what is
wrong with the store.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from wardgate.control.audit import Happened
from wardgate.domain.rollout.rollouts import Ceiling, Snapshot


class StoreUnavailable(Exception):
    """Nothing was written or read. `meaning` is for a person."""

    def __init__(self, meaning: str) -> None:
        super().__init__("a store of the control plane is not available")
        self.meaning = meaning


class WriteUnsure(StoreUnavailable):
    """It may have been written all the same, or will be once the store goes on."""


class Overtaken(Exception):
    """Nothing was written: what it was judged by is not the newest any more. To be judged anew."""


OLDER = "it is older than what replicas have seen, and a person has to confirm what it says"
"""Of a durable store that was put back from a backup."""


class KeptSnapshot(msgspec.Struct, frozen=True):
    """A snapshot as stores hold it: canonical JSON, and a MAC over epoch and JSON under a key of the deployment."""

    epoch: int
    document: bytes
    mac: str


class Change(msgspec.Struct, frozen=True):
    """Who made a snapshot of the one before it, and why."""

    at: float  # epoch seconds
    by: str
    what: str  # of `domain.audit.Action`
    subject: str
    reason: str = ""
    ticket: str = ""


class SnapshotStore(Protocol):
    """The durable one. Append-only: all snapshots there ever were are its history."""

    def newest(self) -> KeptSnapshot | None: ...

    def at(self, epoch: int) -> KeptSnapshot | None: ...

    def append(
        self, kept: KeptSnapshot, change: Change, told: Sequence[Happened] = (), judged: int | None = None
    ) -> bool:
        """Whether it is there now, through a power cut, and what is told of it on the audit chain: both or neither.
        False: there is one of this epoch, or a later one, already; then somebody else was first, and nothing was
        written. `judged`: the entry of the chain up to which approvals, policy and retirements were looked at; raises
        Overtaken where one that bears on these (`domain.approvals.bears`) stands after it."""
        ...

    def history(self, subject: str | None = None, limit: int = 100) -> Sequence[tuple[int, Change]]:
        """Epochs with their changes, the newest first."""
        ...


class HotCopy(Protocol):
    """Where replicas see at once what was decided: Redis, or this process's memory. Also for a lowering while the
    durable store is away."""

    def put(self, kept: KeptSnapshot) -> None:
        """And tells all replicas that there is news. Nothing where it has a sound one of a later epoch."""
        ...

    def get(self) -> KeptSnapshot | None: ...

    def lower(self, sealed: bytes, ceiling_id: str) -> None:
        """A sealed ceiling, beside the snapshot; and tells all replicas."""
        ...

    def lowered(self) -> Sequence[bytes]: ...

    def forget(self, ceiling_ids: Sequence[str]) -> None:
        """Ceilings that the durable store holds by now, or has lifted."""
        ...


class LocalSeen(msgspec.Struct, frozen=True):
    """What a replica's own file says. `age`: seconds since that was last known to be the newest; None: nobody knows."""

    snapshot: Snapshot
    ceilings: tuple[Ceiling, ...]
    age: float | None


class LocalCopy(Protocol):
    """This replica's own file: what it saw last, so that a restart shows no more than that. For one thread."""

    def save(self, kept: KeptSnapshot, ceilings: Sequence[Ceiling], fresh: float) -> None:
        """`ceilings` are those that no snapshot holds yet; `fresh`: when this was last known to be the newest, on the
        copy's clock. Raises OSError."""
        ...

    def load(self) -> LocalSeen | None:
        """None: there is none yet. Raises ValueError where it is damaged or forged, and OSError."""
        ...


class Replica(msgspec.Struct, frozen=True):
    """One process that answers calls, as the durable store knows it."""

    id: str
    name: str  # for a person: host and worker
    began: float  # epoch seconds
    seen: float  # by the store's clock
    epoch: int  # of the snapshot by which it answers now
    drained: int  # every call of an older snapshot than this epoch has ended
    config: str  # digest of its files
    releases: tuple[str, ...]  # digests that it could show
    hidden: str = ""  # why it shows nothing; empty: it does
    highest: int = 0  # epoch that it has ever seen: what stands in a store that was put back from a backup may be older


class Replicas(Protocol):
    def beat(self, replica: Replica) -> None:
        """There it is, and this is where it stands; `seen` is the store's to say."""
        ...

    def leave(self, replica_id: str) -> None:
        """It ended in order."""
        ...

    def all(self) -> Sequence[Replica]: ...

    def now(self) -> float:
        """The store's clock, by which `seen` goes."""
        ...


MAX_CONTENT = 32 * 1024 * 1024
"""Bytes of all files of a release together: what a store keeps for ever."""


class Content(msgspec.Struct, frozen=True):
    """The files of a release, whole: what its digest covers. `files` maps a place, seen from the folder of
    `wardgate.yaml` with its default paths, to the bytes that stood there."""

    digest: str
    service: str
    model: str
    version: str
    files: Mapping[str, bytes]


class ReleaseState(StrEnum):
    SUBMITTED = "submitted"
    RETIRING = "retiring"  # announced: nothing may be raised to it any more
    RETIRED = "retired"


class ReleaseEntry(msgspec.Struct, frozen=True):
    digest: str
    service: str
    model: str
    version: str
    file: str  # digest of the release file alone, which never changes under its version
    submitted_at: float  # epoch seconds
    submitted_by: str
    retires_at: float | None = None  # from when on it may be retired; None: nobody has announced it
    retired_at: float | None = None

    @property
    def state(self) -> ReleaseState:
        if self.retired_at is not None:
            return ReleaseState.RETIRED
        return ReleaseState.SUBMITTED if self.retires_at is None else ReleaseState.RETIRING


class ReleaseStore(Protocol):
    """Content that was submitted for approval, by digest. Never changed; kept when a release is retired. What is done
    is chained with `told`, both or neither; nothing is chained where nothing was done."""

    def put(self, content: Content, entry: ReleaseEntry, told: Happened) -> ReleaseEntry | None:
        """None: it is there now. Else what stands in its way, and stays as it is: the same content, or a release of
        this model and version whose file is another. Of several at once, one is first."""
        ...

    def content(self, digest: str) -> Content | None: ...

    def entries(self, service: str | None = None) -> Sequence[ReleaseEntry]:
        """The oldest first."""
        ...

    def announce(self, digest: str, retires_at: float | None, told: Happened) -> bool:
        """None takes it back. False: there is no such release, or it is retired."""
        ...

    def retire(self, digest: str, now: float, told: Happened, decided: int) -> bool:
        """For good. False: there is no such release, or it is retired already. `decided`: epoch of the snapshot that
        was looked at for what depends on it (0: there was none); raises Overtaken where that is not the newest one."""
        ...
