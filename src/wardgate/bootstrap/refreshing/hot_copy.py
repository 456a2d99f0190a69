"""The hot copy of what is decided: looked at, and made again where it is gone, older or not ours."""

from collections.abc import Callable, Sequence

from wardgate.bootstrap.control import ControlStores
from wardgate.bootstrap.refreshing.heard import Heard
from wardgate.control.ports import KeptSnapshot, StoreUnavailable
from wardgate.domain.rollout.hidden import Hidden
from wardgate.domain.rollout.rollouts import Snapshot
from wardgate.gateway.visibility import FORGED, Forged


class HotCopyKeeper:
    def __init__(self, stores: ControlStores, heard: Heard, monotonic: Callable[[], float]) -> None:
        self._stores, self._heard, self._visibility = stores, heard, heard.visibility
        self._monotonic = monotonic
        self._standing: tuple[KeptSnapshot, Snapshot] | None = None
        """What the durable store says, until the hot copy was held against it."""

    def look(self) -> None:
        began, highest, before = self._monotonic(), self._visibility.hot_highest, self._visibility.highest
        try:
            kept, sealed = self._stores.hot.get(), self._stores.hot.lowered()
            self._heard.take(sealed)
            self._lower_again(sealed)
        except StoreUnavailable:
            return
        read = None if kept is None else self._heard.open(kept)
        with self._heard.feeding:
            if self._stores.listen is None:  # this process's own memory: it says nothing of what others have decided
                if isinstance(read, Snapshot):
                    self._visibility.told(read)
            elif not isinstance(read, Forged):
                self._visibility.hot(read, began, highest)
            elif kept is not None and self._heard.is_new_forgery(kept.document):
                self._visibility.hot(FORGED, began, highest)
        why = self._visibility.why(self._monotonic())
        if self._visibility.highest != before or why in (
            Hidden.HOT_FORGED,
            Hidden.HOT_FLUSHED,
            Hidden.HOT_REPLAYED,
        ):
            self._heard.news.durable.set()

    def _lower_again(self, sealed: Sequence[bytes]) -> None:
        """A ceiling that was set while the hot copy was away: with that back, and the durable store not, others would
        be fresh by it and never hear of this one."""
        if self._stores.listen is None:
            return
        there = {ceiling.id for ceiling in map(self._heard.open_ceiling, sealed) if ceiling is not None}
        for ceiling in self._visibility.side:
            if ceiling.id not in there:
                self._stores.hot.lower(self._stores.sealer.seal_ceiling(ceiling), ceiling.id)

    def stands(self, kept: KeptSnapshot, read: Snapshot) -> None:
        """In the durable store: `heal` holds the hot copy against it, in a thread of its own."""
        self._standing = kept, read
        self._heard.news.copy.set()

    def heal(self) -> None:
        """The hot copy is a copy: where it is gone, older or not ours, it is made again."""
        due, self._standing = self._standing, None
        if due is None:
            return
        kept, read = due
        hot = self._stores.hot
        try:
            standing = hot.get()
            if standing is None or standing.epoch < kept.epoch or isinstance(self._heard.open(standing), Forged):
                hot.put(kept)
            opened = [self._heard.open_ceiling(each) for each in hot.lowered()]
            held = {ceiling.id for ceiling in opened if ceiling is not None}
            known = read.lifted | self._visibility.over | {ceiling.id for ceiling in read.ceilings}
            hot.forget(sorted(held & known))
        except StoreUnavailable:
            return
