"""Whether a change has taken effect everywhere: the replicas say so themselves, or have been silent for so long that
their lease hides what they had.

Silent is who does not reach the durable store. Where replicas share a hot copy, such a one may still read that, and its
lease with it: so its silence counts only once the hot copy has had the change for as long, as far as was seen.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import msgspec

from wardgate.control.patience import Patience
from wardgate.control.ports import HotCopy, KeptSnapshot, Replica, StoreUnavailable


class Effect(msgspec.Struct, frozen=True):
    """`verified`: every registered replica answers by the snapshot and has ended its older calls (`done`), or has been
    silent for so long that it can show nothing (`silent`). `waiting` has not answered yet. All by name. Without a
    single replica nothing is verified."""

    epoch: int
    done: tuple[str, ...]
    silent: tuple[str, ...]
    waiting: tuple[str, ...]

    @property
    def verified(self) -> bool:
        return not self.waiting and bool(self.done or self.silent)


class HotWitness:
    """Since when the hot copy has had a snapshot or one after it, without a break in what was seen. Thread-safe."""

    _KEPT = 1000
    _WAIT = 0.3
    """Seconds for the hot copy; one that does not answer is no witness."""

    def __init__(self, hot: HotCopy, is_sound: Callable[[KeptSnapshot], bool], monotonic: Callable[[], float]) -> None:
        self._hot, self._is_sound, self._monotonic = hot, is_sound, monotonic
        self._seen: deque[tuple[int, float]] = deque(maxlen=self._KEPT)
        self._patience, self._lock = Patience(4), threading.Lock()

    def holds(self, epoch: int) -> float:
        """For how many seconds, up to now; below 0: it does not, or does not answer."""
        return self.holds_each([epoch])[0]

    def holds_each(self, epochs: Sequence[int]) -> list[float]:
        """By one look."""
        began = self._monotonic()
        try:
            kept = self._patience.ask(self._hot.get, self._WAIT)
        except StoreUnavailable:
            return [-1.0 for _ in epochs]
        with self._lock:
            if kept is None or not self._is_sound(kept) or (self._seen and kept.epoch < self._seen[-1][0]):
                self._seen.clear()
            elif not self._seen or kept.epoch > self._seen[-1][0]:
                self._seen.append((kept.epoch, began))
            return [next((began - since for seen, since in self._seen if seen >= epoch), -1.0) for epoch in epochs]


def effect_of(
    epoch: int,
    replicas: Sequence[Replica],
    now: float,
    silence: float,
    held: float = float("inf"),
    forgotten: Mapping[str, float] | None = None,
) -> Effect:
    """`now` by the clock that `Replica.seen` goes by; `silence` in seconds: lease + longest deadline + 1. `held`:
    seconds that the hot copy has had it, where replicas share one. `forgotten`: ids that were, and for how many seconds
    the hot copy has said so; such a one that is silent is none of them any more."""
    done, silent, waiting = [], [], []
    for replica in sorted(replicas, key=lambda one: one.name):
        if now - replica.seen > silence and (forgotten or {}).get(replica.id, -1.0) > silence:
            continue
        if replica.drained >= epoch:
            done.append(replica.name)
        elif now - replica.seen > silence and held > silence:
            silent.append(replica.name)
        else:
            waiting.append(replica.name)
    return Effect(epoch, tuple(done), tuple(silent), tuple(waiting))
