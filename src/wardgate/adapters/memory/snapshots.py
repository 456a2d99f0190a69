"""`control.ports.HotCopy` in process: for one replica."""

import threading
from collections.abc import Callable, Sequence

from wardgate.control.ports import KeptSnapshot


class MemorySnapshots:
    """Thread-safe. `news` is called after each change, in the thread of whoever made it."""

    def __init__(self, news: Callable[[], None] = lambda: None) -> None:
        self.news = news
        self._lock = threading.Lock()
        self._kept: KeptSnapshot | None = None
        self._lowered: dict[str, bytes] = {}

    def put(self, kept: KeptSnapshot) -> None:
        with self._lock:
            if self._kept is None or self._kept.epoch <= kept.epoch:
                self._kept = kept
        self.news()

    def get(self) -> KeptSnapshot | None:
        return self._kept

    def lower(self, sealed: bytes, ceiling_id: str) -> None:
        with self._lock:
            self._lowered[ceiling_id] = sealed
        self.news()

    def lowered(self) -> Sequence[bytes]:
        with self._lock:
            return list(self._lowered.values())

    def forget(self, ceiling_ids: Sequence[str]) -> None:
        with self._lock:
            for name in ceiling_ids:
                self._lowered.pop(name, None)
