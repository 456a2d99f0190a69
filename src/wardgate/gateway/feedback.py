"""Feedback on its way in: kept for joining to its card, and counted once."""

from collections.abc import Iterable

from wardgate.domain.feedback import Feedback
from wardgate.gateway.ports import FeedbackSink, Meter


class FeedbackDesk:
    def __init__(self, sink: FeedbackSink, meter: Meter) -> None:
        self._sink = sink
        self._meter = meter

    def take(self, reports: Iterable[Feedback]) -> None:
        """A report that is known already is no error, and counts nothing (FB-6)."""
        for report in reports:
            if self._sink.add(report):
                self._meter.feedback_given(report.service_id, report.outcome, report.override)
