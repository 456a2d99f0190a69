"""A durable store of records in memory, with the switches that a test needs."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from wardgate.domain.feedback import FeedbackEntry
from wardgate.domain.records import DecisionRecord
from wardgate.records.archive import ArchiveUnavailable, RecordRefused, Trouble


@dataclass
class FakeArchive:
    """`refuses` picks entries that it never takes. While `down` it says so; while `open` is clear it hangs."""

    down: bool = False
    refuses: Callable[[DecisionRecord | FeedbackEntry], bool] = lambda entry: False
    error: Callable[[], Exception] = RecordRefused
    decisions: dict[str, DecisionRecord] = field(default_factory=dict)
    feedback: dict[FeedbackEntry, None] = field(default_factory=dict)
    asked: int = 0
    open: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.open.set()

    def add_decisions(self, records: Sequence[DecisionRecord]) -> int:
        self._take(records)
        before = len(self.decisions)
        for record in records:
            self.decisions.setdefault(record.decision_id, record)
        return len(self.decisions) - before

    def add_feedback(self, entries: Sequence[FeedbackEntry]) -> int:
        self._take(entries)
        before = len(self.feedback)
        self.feedback.update(dict.fromkeys(entries))
        return len(self.feedback) - before

    def _take(self, entries: Sequence[DecisionRecord | FeedbackEntry]) -> None:
        self.asked += 1
        self.open.wait()
        if self.down:
            raise ArchiveUnavailable(Trouble.DOWN)
        if any(map(self.refuses, entries)):
            raise self.error()
