"""After a change: whether the alert rate came down, the fallback works, and decisions look as they were decided.

A rate is cards shown of calls answered, with the interval of Wilson (95 %): two rates differ where their intervals do
not meet.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import msgspec

from wardgate.domain.outcomes import Outcome, Step
from wardgate.domain.records import DecisionRecord, EventType
from wardgate.domain.rollout.rollouts import Snapshot
from wardgate.records.archive import AccessEntry, Archive
from wardgate.records.impact import assigned_again

WINDOW = 15 * 60.0
SAMPLES = 5
MOST = 50_000
_Z = 1.96


class Figures(msgspec.Struct):
    """`calls` answered; cards `shown`; `unavailable`: no score and no fallback; by step, who answered."""

    calls: int = 0
    shown: int = 0
    unavailable: int = 0
    model: int = 0
    cached: int = 0
    rule: int = 0
    rate: float | None = None
    low: float | None = None
    high: float | None = None


class Sample(msgspec.Struct, frozen=True):
    """A decision after the change; `unlike` says what is not as it was decided. `wardgate trace` tells the rest."""

    decision_id: str
    at: float
    outcome: str
    mode: str
    release_digest: str | None
    epoch: int | None
    unlike: tuple[str, ...]


class Watched(msgspec.Struct, frozen=True):
    """`alerts`: `down`, `up`, `same` (the intervals meet), or `unknown` (too few calls). `unlike`: how many calls after
    it were not decided as the snapshot says; `late`: by an older snapshot, as calls are that were under way."""

    service: str
    changed_at: float
    now: float
    before: Figures
    after: Figures
    alerts: str
    unlike: int
    late: int
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class WatchDesk:
    """Blocking; not for the loop that answers calls. `snapshot` gives the one of an epoch. Raises ArchiveUnavailable,
    and StoreUnavailable."""

    archive: Archive
    now: Callable[[], float]
    names_sites: Callable[[], frozenset[str]]
    snapshot: Callable[[int], Snapshot | None]

    def of(self, service: str, epoch: int, changed_at: float, who: str) -> Watched:
        """The look is on the access log before anything is given out."""
        now = self.now()
        before = self._figures(service, changed_at - WINDOW, changed_at, lambda record: None)
        seen = _Seen(epoch, self.snapshot, service in self.names_sites())
        after = self._figures(service, changed_at, now, seen.add)
        self.archive.note_access(AccessEntry(now, who, "watch", service, before.calls + after.calls))
        alerts = _compared(before, after)
        return Watched(service, changed_at, now, before, after, alerts, seen.unlike, seen.late, tuple(seen.samples))

    def _figures(self, service: str, since: float, until: float, see: Callable[[DecisionRecord], None]) -> Figures:
        figures = Figures()
        for number, record in enumerate(self.archive.decisions(since, until, service_id=service)):
            if number >= MOST:
                break
            if record.event_type is EventType.SHADOW or record.repeats is not None:
                continue
            see(record)
            if record.outcome in (Outcome.REFUSED, Outcome.SHED):
                continue
            figures.calls += 1
            figures.shown += record.outcome == Outcome.SHOWN and record.visible
            figures.unavailable += record.outcome == Outcome.UNAVAILABLE
            figures.model += record.step == Step.MODEL
            figures.cached += record.step == Step.CACHED
            figures.rule += record.step == Step.RULE
        if figures.calls:
            figures.rate = figures.shown / figures.calls
            figures.low, figures.high = wilson(figures.shown, figures.calls)
        return figures


class _Seen:
    def __init__(self, epoch: int, snapshot: Callable[[int], Snapshot | None], names_sites: bool) -> None:
        self._epoch, self._snapshot, self._names_sites = epoch, snapshot, names_sites
        self._known: dict[int, Snapshot | None] = {}
        self.unlike = self.late = 0
        self.samples: deque[Sample] = deque(maxlen=SAMPLES)

    def add(self, record: DecisionRecord) -> None:
        if record.snapshot_epoch is None or record.outcome in (Outcome.REFUSED, Outcome.SHED):
            return
        if record.snapshot_epoch < self._epoch:
            self.late += 1
            return
        unlike = self._differences(record, record.snapshot_epoch)
        self.unlike += bool(unlike)
        self.samples.append(
            Sample(
                record.decision_id,
                record.at,
                record.outcome,
                record.mode,
                record.release_digest,
                record.snapshot_epoch,
                unlike,
            )
        )

    def _differences(self, record: DecisionRecord, epoch: int) -> tuple[str, ...]:
        if epoch not in self._known:
            self._known[epoch] = self._snapshot(epoch)
        snapshot = self._known[epoch]
        if snapshot is None:
            return ("no such snapshot",)
        assigned = assigned_again(snapshot, record, self._names_sites)
        found = []
        if record.mode != assigned.mode:
            found.append("mode")
        if record.release_digest is not None and record.release_digest != assigned.release:
            found.append("release")
        if record.visible and assigned.withheld is not None:
            found.append("shown")
        return tuple(found)


def wilson(part: int, whole: int) -> tuple[float, float]:
    """The interval of a share, 95 %."""
    share, square = part / whole, _Z * _Z / whole
    middle = (share + square / 2) / (1 + square)
    half = _Z * sqrt(share * (1 - share) / whole + square / (4 * whole)) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


def _compared(before: Figures, after: Figures) -> str:
    if before.low is None or before.high is None or after.low is None or after.high is None:
        return "unknown"
    if after.high < before.low:
        return "down"
    return "up" if after.low > before.high else "same"
