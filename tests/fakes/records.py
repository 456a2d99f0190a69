"""Where records and feedback go in tests that need no disk: lists, with a switch; and what makes them."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.fakes.hot import RING
from wardgate.adapters.aead.fingerprints import KeyedFingerprints
from wardgate.domain.errors import RecordUnavailable
from wardgate.domain.feedback import FeedbackEntry
from wardgate.domain.pseudonyms import KeyRing, Purpose
from wardgate.domain.record_names import RecordNames
from wardgate.domain.records import DecisionRecord
from wardgate.gateway.ports import Clock
from wardgate.gateway.recording import Recorder

_KEPT = 20_000


@dataclass
class FakeRecordSink:
    """Meets `gateway.ports.RecordSink`; while `full`, it takes nothing."""

    full: bool = False
    records: deque[DecisionRecord] = field(default_factory=lambda: deque(maxlen=_KEPT))
    waits: list[tuple[float, float]] = field(default_factory=list)

    async def append(self, record: DecisionRecord, seconds: float, longest: float) -> None:
        self.waits.append((seconds, longest))
        if self.full:
            raise RecordUnavailable
        self.records.append(record)

    def note(self, record: DecisionRecord) -> None:
        if not self.full:
            self.records.append(record)

    def newest(self, count: int) -> list[DecisionRecord]:
        """Up to `count` records, newest first."""
        return list(reversed(self.records))[:count]


@dataclass
class FakeFeedbackSink:
    """Meets `gateway.ports.FeedbackSink`; while `full`, it takes nothing."""

    full: bool = False
    entries: deque[FeedbackEntry] = field(default_factory=lambda: deque(maxlen=_KEPT))

    async def add(self, entries: Sequence[FeedbackEntry], seconds: float) -> None:
        if self.full:
            raise RecordUnavailable
        self.entries += entries

    def newest(self, count: int) -> list[FeedbackEntry]:
        """Up to `count` entries, newest first."""
        return list(reversed(self.entries))[:count]


def recorder_of(clock: Clock, ring: KeyRing = RING) -> Recorder:
    return Recorder(RecordNames(ring), KeyedFingerprints(ring.keys(Purpose.LOG)), clock, "test", f"sha256:{'0' * 64}")
