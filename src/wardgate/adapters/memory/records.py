"""Decision records in memory: bounded, newest kept. They go with the process."""

from collections import deque

from wardgate.domain.records import DecisionRecord

_KEPT = 10_000


class MemoryRecordSink:
    """Meets `gateway.ports.RecordSink`. Bounded, so that a gateway that runs for months stays flat."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._records: deque[DecisionRecord] = deque(maxlen=kept)

    def append(self, record: DecisionRecord) -> None:
        self._records.append(record)

    def newest(self, count: int) -> list[DecisionRecord]:
        """Up to `count` records, newest first."""
        return [record for _, record in zip(range(count), reversed(self._records), strict=False)]
