"""What the files say of rollouts, taken up into what is decided: at the start, after each edit, and once a store that
was away is back."""

from collections.abc import Callable
from contextlib import suppress
from uuid import uuid4

import msgspec

from wardgate.bootstrap.control import ControlStores, draw_salt
from wardgate.bootstrap.refreshing.heard import Heard
from wardgate.bootstrap.refreshing.snapshot_writer import FILES, SnapshotWriter
from wardgate.control.beginning import Beginning, Files, beginning
from wardgate.control.decided import told as _said
from wardgate.control.ports import OLDER, Change, KeptSnapshot, StoreUnavailable
from wardgate.domain.audit import LONGEST, Action, Deed
from wardgate.domain.rollout.modes import is_lower
from wardgate.domain.rollout.rollouts import Ceiling, Scope, Snapshot
from wardgate.gateway.ports import Clock
from wardgate.gateway.visibility import Forged

_TRIES = 20


class EditedFiles:
    def __init__(
        self,
        files: Callable[[], Files] | None,
        stores: ControlStores,
        heard: Heard,
        writer: SnapshotWriter,
        clock: Clock,
        begun: Callable[[Beginning], None],
    ) -> None:
        """Without `files`, another process sees to what they say."""
        self._files, self._stores, self._heard, self._writer = files, stores, heard, writer
        self._clock, self._told_begun = clock, begun
        self.due, self._anew, self._edits = files is not None, True, 0
        """`due`: what they say is not taken up yet."""
        self._stand_in: frozenset[str] = frozenset()
        """Ceilings that stand for what the files say, until that is taken up."""

    def changed(self) -> None:
        """What they say is taken up by the next look at the durable store that gets an answer."""
        self._edits += 1
        self.due = self._files is not None

    def take_up(self, files: Files) -> KeptSnapshot | None:
        """What edited files say, before they are gone by; None: nothing of it changes what is decided. Raises
        StoreUnavailable; then it is done once the store is back, and what lowers a mode has a ceiling until then."""
        self.changed()
        try:
            return self._take_up(files)
        except StoreUnavailable:
            self._lower_by(files)
            raise

    def _take_up(self, files: Files) -> KeptSnapshot | None:
        for _ in range(_TRIES):
            seen = self._stores.seen()
            kept = self._stores.snapshots.newest()
            read = None if kept is None else self._heard.open(kept)
            if isinstance(read, Forged):
                raise StoreUnavailable("what stands there was not written by this deployment")
            if seen > (0 if read is None else read.epoch):
                raise StoreUnavailable(OLDER)
            begun = beginning(read, files, draw_salt)
            if begun.snapshot is None or (appended := self._append(begun, read)) is not None:
                self._told_begun(begun)
                self.due = False
                return None if begun.snapshot is None else appended
        raise StoreUnavailable("others change what is decided all the time")

    def _lower_by(self, files: Files) -> None:
        """An edit that takes something out of sight waits for no store (law 3)."""
        newest = self._heard.visibility.newest
        after = None if newest is None else beginning(newest, files, draw_salt)
        if newest is None or after is None or after.snapshot is None:
            return
        for service in after.taken:
            mode = after.snapshot.rollouts[service].mode
            if not is_lower(mode, newest.rollouts[service].mode):
                continue
            ceiling = Ceiling(str(uuid4()), Scope.SERVICE, service, mode, self._clock.now(), FILES, "file_edited")
            self._stand_in |= {ceiling.id}
            sealed = self._stores.sealer.seal_ceiling(ceiling)
            self._heard.lower([sealed])
            with suppress(StoreUnavailable):  # who reads it again finds that it does not have it
                self._stores.hot.lower(sealed, ceiling.id)

    def begin(self, kept: KeptSnapshot | None, read: Snapshot | Forged | None, highest: int) -> KeptSnapshot | None:
        """Their part in what the durable store says, where that is not older than `highest`, the epoch that any replica
        has seen; what it says then. Raises StoreUnavailable."""
        return self._begin(kept, read) if self._may_begin(read, highest) else kept

    def _may_begin(self, read: Snapshot | Forged | None, highest: int) -> bool:
        if isinstance(read, Forged):
            return self._stores.own_key and self._anew
        return highest == 0 if read is None else read.epoch >= highest

    def _begin(self, kept: KeptSnapshot | None, read: Snapshot | Forged | None) -> KeptSnapshot | None:
        """What a key that is gone has sealed is begun anew."""
        assert self._files is not None
        for _ in range(_TRIES):
            edits = self._edits
            before = None if isinstance(read, Forged) else read
            begun = beginning(before, self._files(), draw_salt)
            if begun.snapshot is None:
                break
            if before is None and kept is not None:
                begun = Beginning(msgspec.structs.replace(begun.snapshot, epoch=kept.epoch + 1), begun.begun)
            appended = self._append(begun, before)
            if appended is not None:
                kept = appended
                break
            kept = self._stores.snapshots.newest()
            read = None if kept is None else self._heard.open(kept)
            if isinstance(read, Forged) and not self._stores.own_key:
                return kept
        else:
            return kept  # others change it all the time: the next look begins
        self.due = self._anew = False
        if self._edits != edits:  # another edit came meanwhile
            self.due = True
        self._told_begun(begun)
        return kept

    def _append(self, begun: Beginning, before: Snapshot | None) -> KeptSnapshot | None:
        """None: somebody else was first."""
        assert begun.snapshot is not None
        services = begun.changed
        subject = services[0] if len(services) == 1 else "services"
        change = Change(self._clock.now(), FILES, Action.ROLLOUT_CHANGE.value, subject)
        lifted = begun.snapshot.lifted | self._stand_in
        deeds = [
            Deed(
                who=FILES,
                what=Action.ROLLOUT_CHANGE,
                subject=service,
                before=_said(None if before is None else before.rollouts.get(service))[:LONGEST] or None,
                after=_said(begun.snapshot.rollouts[service])[:LONGEST],
                reason="insecure_demo_ended" if service in begun.lowered else "",
            )
            for service in services
        ]
        kept = self._writer.append(msgspec.structs.replace(begun.snapshot, lifted=lifted), change, deeds)
        if kept is not None:
            self._stand_in = frozenset()
        return kept
