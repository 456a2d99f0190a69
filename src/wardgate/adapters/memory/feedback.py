"""Feedback in memory: bounded, newest kept. It goes with the process."""

from wardgate.domain.feedback import Feedback

_KEPT = 10_000


class MemoryFeedbackSink:
    """Meets `gateway.ports.FeedbackSink`. Bounded, so that a gateway that runs for months stays flat; a report that is
    repeated after so many others counts as new."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._reports: dict[Feedback, None] = {}

    def add(self, feedback: Feedback) -> bool:
        if feedback.card is not None and feedback in self._reports:
            return False
        self._reports[feedback] = None
        if len(self._reports) > self._kept:
            del self._reports[next(iter(self._reports))]
        return True

    def newest(self, count: int) -> list[Feedback]:
        """Up to `count` reports, newest first."""
        return [report for _, report in zip(range(count), reversed(self._reports), strict=False)]
