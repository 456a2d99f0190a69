"""A snapshot that this process decides on by itself: sealed, in the durable store and on the audit chain by one
transaction, then in the hot copy."""

from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec

from wardgate.bootstrap.control import ControlStores
from wardgate.control.audit import Happened
from wardgate.control.ports import Change, KeptSnapshot, StoreUnavailable
from wardgate.domain.audit import Deed
from wardgate.domain.rollout.rollouts import Snapshot

FILES = "files"
"""Who made a change that came from an edited file."""


class SnapshotWriter:
    def __init__(self, stores: ControlStores, entry: Callable[[Deed], Happened] | None) -> None:
        self._stores, self._entry = stores, entry

    @property
    def audits(self) -> bool:
        """Whether the audit chain is told."""
        return self._entry is not None

    def append(self, after: Snapshot, change: Change, deeds: Sequence[Deed]) -> KeptSnapshot | None:
        """None: somebody else was first. Raises StoreUnavailable."""
        kept = self._stores.sealer.seal(after)
        if not self._stores.snapshots.append(kept, change, self._happened(deeds)):
            return None
        with suppress(StoreUnavailable):  # whoever reads the durable store next puts it there
            self._stores.hot.put(kept)
        return kept

    def _happened(self, deeds: Sequence[Deed]) -> list[Happened]:
        if self._entry is None:
            return []
        told = []
        for deed in deeds:
            try:
                told.append(self._entry(deed))
            except ValueError:  # a name that the chain does not take: that it happened still stands there
                told.append(self._entry(msgspec.structs.replace(deed, subject="unnamed", before=None, after=None)))
        return told
