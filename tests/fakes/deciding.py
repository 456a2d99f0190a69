"""Somebody who decides, and asks nobody whether she may: what the desk writes in the end."""

from collections.abc import Callable
from contextlib import suppress

import msgspec

from wardgate.bootstrap.control import ControlStores
from wardgate.control.ports import Change, KeptSnapshot, StoreUnavailable
from wardgate.domain.rollout.rollouts import Snapshot


def decide(stores: ControlStores, make: Callable[[Snapshot], Snapshot], change: Change) -> KeptSnapshot:
    """In the durable store, and in the hot copy where that answers. There must be a snapshot already."""
    while True:
        kept = stores.snapshots.newest()
        assert kept is not None
        before = stores.sealer.open(kept)
        made = stores.sealer.seal(msgspec.structs.replace(make(before), epoch=before.epoch + 1))
        if stores.snapshots.append(made, change):
            with suppress(StoreUnavailable):
                stores.hot.put(made)
            return made
