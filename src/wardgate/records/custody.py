"""Whom a pseudonym stands for, noted for the custodian: where a hospital wants that, of patients who had a card.

Off the path, and sealed before it is kept. What is noted waits in memory for the store: a process that is killed loses
the last moments' of it, and so may a store that is down for long; the patient is noted again when she is next seen.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wardgate.domain.record_names import Named
from wardgate.records.archive import Archive, ArchiveUnavailable, RecordRefused, SealedIdentity

Seal = Callable[[str, Named], bytes]
"""Pseudonym and identity, sealed for the custodian."""


@dataclass(frozen=True, slots=True)
class CustodyOptions:
    every: float = 2.0
    """Seconds between two writes."""
    again: float = 86400.0
    """Seconds for which a patient is not noted again; then `noted` moves on, which her retention counts from."""
    known: int = 100_000
    """Patients that are remembered as noted."""
    waiting: int = 10_000
    """Identities that may wait for the store; the oldest goes first."""


class Custody:
    def __init__(
        self,
        archive: Archive,
        seal: Seal,
        now: Callable[[], float],
        lost: Callable[[int], None],
        options: CustodyOptions | None = None,
    ) -> None:
        """`lost` hears of identities that could not be kept."""
        self._archive, self._seal, self._now, self._lost = archive, seal, now, lost
        self._options = options or CustodyOptions()
        self._noted: OrderedDict[str, float] = OrderedDict()
        self._waiting: OrderedDict[str, tuple[Named, float]] = OrderedDict()
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="custody", daemon=True)

    def begin(self) -> None:
        self._thread.start()

    def end(self, seconds: float = 2.0) -> None:
        """What waits is written once more; a store that hangs is not waited for."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def note(self, pseudonym: str, named: Named) -> None:
        """From the loop: a dictionary's worth of work, a patient a day."""
        now = self._now()
        if now < self._noted.get(pseudonym, 0.0) + self._options.again:
            return
        self._noted[pseudonym] = now
        self._noted.move_to_end(pseudonym)
        if len(self._noted) > self._options.known:
            self._noted.popitem(last=False)
        with self._lock:
            self._waiting[pseudonym] = (named, now)
            too_many = len(self._waiting) > self._options.waiting
            if too_many:
                self._waiting.popitem(last=False)
        if too_many:
            self._lost(1)

    def _run(self) -> None:
        sealed: list[SealedIdentity] = []
        ended = False
        while not ended:
            ended = self._stop.wait(self._options.every)
            with self._lock:
                waiting, self._waiting = self._waiting, OrderedDict()
            sealed += [SealedIdentity(name, self._seal(name, named), noted) for name, (named, noted) in waiting.items()]
            excess = len(sealed) - self._options.waiting
            if excess > 0:
                self._lost(excess)
                del sealed[:excess]
            if self._written(sealed):
                sealed = []

    def _written(self, sealed: Sequence[SealedIdentity]) -> bool:
        try:
            if sealed:
                self._archive.add_identities(sealed)
        except ArchiveUnavailable:
            return False
        except RecordRefused:
            self._lost(len(sealed))
        return True
