"""Whether a change has taken effect everywhere: the replicas say so themselves, or have been silent for so long that
their lease hides what they had."""

from collections.abc import Sequence

import msgspec

from wardgate.control.ports import Replica


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


def effect_of(epoch: int, replicas: Sequence[Replica], now: float, silence: float) -> Effect:
    """`now` by the clock that `Replica.seen` goes by; `silence` in seconds: lease + longest deadline + 1."""
    done, silent, waiting = [], [], []
    for replica in sorted(replicas, key=lambda one: one.name):
        if replica.drained >= epoch:
            done.append(replica.name)
        elif now - replica.seen > silence:
            silent.append(replica.name)
        else:
            waiting.append(replica.name)
    return Effect(epoch, tuple(done), tuple(silent), tuple(waiting))
