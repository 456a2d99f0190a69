"""Ceilings beside the snapshots: those that were set while the durable store was away, folded into it; and those that
were lifted long ago, dropped."""

import msgspec

from wardgate.bootstrap.control import ControlStores
from wardgate.bootstrap.refreshing.heard import Heard
from wardgate.bootstrap.refreshing.snapshot_writer import FILES, SnapshotWriter
from wardgate.control.ports import Change, StoreUnavailable
from wardgate.control.transitions import subject_of
from wardgate.domain.audit import Action, Deed
from wardgate.domain.rollout.ceilings import lifted_long_ago, unfolded, with_ceilings
from wardgate.domain.rollout.rollouts import Snapshot
from wardgate.gateway.ports import Clock


class SideCeilings:
    def __init__(self, stores: ControlStores, heard: Heard, writer: SnapshotWriter, clock: Clock, left: float) -> None:
        """`left`: seconds that a ceiling is left to whoever set it, before any replica folds it into a snapshot."""
        self._stores, self._heard, self._visibility, self._writer = stores, heard, heard.visibility, writer
        self._clock, self._left = clock, left
        self._never_lifted: tuple[int, frozenset[str]] = (0, frozenset())
        """Those that no snapshot from this epoch back says are lifted."""

    def drop_lifted(self, read: Snapshot) -> bool:
        """Of ceilings that the snapshot does not know, what was lifted long before it. False: not known yet."""
        before, asked = self._never_lifted
        asked = asked if before == read.lifted_before else frozenset()
        new = {ceiling.id for ceiling in self._visibility.side} - asked
        if new and read.lifted_before:
            try:
                found = lifted_long_ago(read, new, self._at)
            except StoreUnavailable:
                return False
            self._never_lifted = (read.lifted_before, asked | new - found)
            with self._heard.feeding:
                self._visibility.lifted(found)
            self._heard.publish()
        return True

    def _at(self, epoch: int) -> Snapshot | None:
        kept = self._stores.snapshots.at(epoch)
        read = None if kept is None else self._heard.open(kept)
        return read if isinstance(read, Snapshot) else None

    def fold(self, read: Snapshot) -> None:
        """Ceilings that were set while the durable store was away: from here on it holds them."""
        added = unfolded(read, self._heard.side_for(self._left))
        if not added or not self._writer.audits:
            return
        after = msgspec.structs.replace(with_ceilings(read, added), epoch=read.epoch + 1)
        subject = subject_of(added[0].scope, added[0].name)
        change = Change(self._clock.now(), added[0].set_by or FILES, Action.KILL.value, subject)
        deeds = [
            Deed(
                who=ceiling.set_by or FILES,
                what=Action.KILL,
                subject=subject_of(ceiling.scope, ceiling.name),
                after=f"at most {ceiling.mode.value}, taken over into the durable store",
                reason=ceiling.reason,
            )
            for ceiling in added
        ]
        try:
            if self._stores.seen() > read.epoch:
                return  # somebody was first, or the store is older than it was: a person's to confirm
            if self._writer.append(after, change, deeds) is not None:
                self._heard.news.durable.set()
        except StoreUnavailable:
            return
