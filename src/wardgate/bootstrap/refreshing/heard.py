"""What this replica has heard, by whatever way: opened, fed to its visibility by one thread at a time, and told of."""

import threading
from collections.abc import Callable, Sequence

from wardgate.control.ports import KeptSnapshot
from wardgate.control.snapshots import Sealer, Unsound
from wardgate.domain.rollout.hidden import Hidden
from wardgate.domain.rollout.rollouts import Ceiling, Snapshot
from wardgate.gateway.visibility import FORGED, Forged, Visibility


class News:
    """What wakes each of a refresher's threads."""

    def __init__(self) -> None:
        self.hot, self.durable, self.copy, self.local = (threading.Event() for _ in range(4))

    def look(self) -> None:
        """At both stores. Never waits; from any thread."""
        self.hot.set()
        self.durable.set()


class Heard:
    def __init__(
        self,
        visibility: Visibility,
        sealer: Sealer,
        monotonic: Callable[[], float],
        changed: Callable[[], None],
        shows: Callable[[int, Hidden | None], None],
    ) -> None:
        """`changed` is called whenever `visibility.current()` is another; `shows` also where only its epoch is, or why
        it hides."""
        self.visibility, self._sealer, self._monotonic = visibility, sealer, monotonic
        self._changed, self._shows = changed, shows
        self.news = News()
        self.feeding, self._telling = threading.Lock(), threading.Lock()
        """`feeding` is held by who feeds the visibility, or reads several things of it that belong together."""
        self._opened: tuple[KeptSnapshot | None, Snapshot | Forged | None] = (None, None)
        self._known_forged: frozenset[bytes] = frozenset()
        self._published: tuple[Snapshot, Hidden | None] | None = None
        self._side_since: dict[str, float] = {}

    def hear(self, kept: KeptSnapshot) -> None:
        """A snapshot that somebody else of this deployment has read or written. Nothing where it is not sound."""
        read = self.open(kept)
        if isinstance(read, Snapshot):
            with self.feeding:
                self.visibility.told(read)
            self.publish()
            self.news.look()

    def lower(self, sealed: Sequence[bytes]) -> None:
        """Ceilings, by whatever way."""
        self.take(sealed)
        self.publish()
        self.news.look()

    def take(self, sealed: Sequence[bytes]) -> None:
        """Ceilings, without telling of it yet."""
        opened = [(each, self.open_ceiling(each)) for each in sealed]
        with self.feeding:
            if any([self.is_new_forgery(each) for each, ceiling in opened if ceiling is None]):
                self.visibility.forged_ceiling()
            self.visibility.lower([ceiling for _, ceiling in opened if ceiling is not None])
            now = self._monotonic()
            known = self._side_since.keys()
            self._side_since = {c.id: self._side_since.get(c.id, now) for c in self.visibility.side}
            if self._side_since.keys() - known:
                self.news.local.set()

    def side_for(self, seconds: float) -> list[Ceiling]:
        """Ceilings beside the snapshots that were heard of so long ago."""
        long_ago = self._monotonic() - seconds
        return [c for c in self.visibility.side if self._side_since.get(c.id, 0.0) <= long_ago]

    def open(self, kept: KeptSnapshot) -> Snapshot | Forged:
        """What was opened last is not opened again."""
        last, opened = self._opened
        if last == kept and opened is not None:
            return opened
        try:
            read: Snapshot | Forged = self._sealer.open(kept)
        except Unsound:
            read = FORGED
        self._opened = (kept, read)
        return read

    def open_ceiling(self, sealed: bytes) -> Ceiling | None:
        try:
            return self._sealer.open_ceiling(sealed)
        except Unsound:
            return None

    def is_new_forgery(self, content: bytes) -> bool:
        """Each hides once: the durable store, read after that, says what counts. Under `feeding`."""
        if content in self._known_forged:
            return False
        self._known_forged = frozenset([*list(self._known_forged)[-100:], content])
        return True

    def publish(self) -> None:
        with self._telling:  # else what one thread saw first might be told last, and stand
            with self.feeding:
                now = (self.visibility.current(), self.visibility.why(self._monotonic()))
                before, self._published = self._published, now
            if before is None or before[0] is not now[0]:
                self._changed()
            if before is None or before[1] is not now[1] or before[0].epoch != now[0].epoch:
                self._shows(now[0].epoch, now[1])
