"""Feedback in memory: bounded, newest kept. It goes with the process."""

from collections import OrderedDict

from wardgate.domain.feedback import Feedback

_KEPT = 10_000


class MemoryFeedbackSink:
    """Meets `gateway.ports.FeedbackSink`. Bounded, so that a gateway that runs for months stays flat; a report that is
    repeated after so many others counts as new."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._reports: OrderedDict[Feedback, None] = OrderedDict()  # its oldest is found without a walk

    def add(self, feedback: Feedback) -> bool:
        if feedback.card is not None and feedback in self._reports:
            return False
        self._reports[feedback] = None
        if len(self._reports) > self._kept:
            self._reports.popitem(last=False)
        return True

    def newest(self, count: int) -> list[Feedback]:
        """Up to `count` reports, newest first."""
        return [report for _, report in zip(range(count), reversed(self._reports), strict=False)]
