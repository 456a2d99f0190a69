"""Feedback on its way in: kept for joining to its card, and counted once.

What joins it to its card is a keyed hash: whether there is such a card is not known here, and the client may have sent
an id of her own.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from wardgate.domain import record_names
from wardgate.domain.errors import Overloaded, RecordUnavailable
from wardgate.domain.feedback import DOUBT, Feedback, FeedbackEntry
from wardgate.domain.record_names import RecordNames
from wardgate.gateway.ports import Clock, FeedbackSink, Meter


@dataclass(frozen=True, slots=True)
class FeedbackOptions:
    a_minute: int = 6000
    """Reports of one client, on average; a batch is taken whole or not at all, and a larger one is paid off later."""
    wait: float = 1.0
    """Seconds for the acknowledgement; no clinician waits for this."""
    at_once: int = 200
    """Reports between two turns of the loop: a large batch must not hold up a hook call (law 1)."""
    known: int = 10_000
    """Reports that are remembered, so that a repeated one is counted once."""
    oldest: float = 31 * 86400.0
    """Seconds that an action may lie back. What is beyond, or in the future, is no time of an action, and may be any
    date of a patient's (law 4): such a report is kept without it."""


class FeedbackDesk:
    def __init__(
        self,
        sink: FeedbackSink,
        names: RecordNames,
        clock: Clock,
        meter: Meter,
        options: FeedbackOptions | None = None,
    ) -> None:
        self._sink = sink
        self._names = names
        self._clock = clock
        self._meter = meter
        self._options = options or FeedbackOptions()
        self._known: OrderedDict[Feedback, None] = OrderedDict()
        self._budgets: dict[str, tuple[float, float]] = {}  # by client: reports left, and when that was so

    async def take(self, reports: Sequence[Feedback]) -> None:
        """Kept when it returns; raises Overloaded where it is not, and the same batch may be sent again. A report that
        is known already is no error, and counts nothing (FB-6)."""
        if reports:
            self._charge(reports[0].client, len(reports))
        for first in range(0, len(reports), self._options.at_once):
            some = self._new(reports[first : first + self._options.at_once])
            entries = [entry for entry in map(self._entry, some) if entry is not None]
            try:
                if entries:
                    await self._sink.add(entries, self._options.wait)
            except RecordUnavailable:
                raise Overloaded("The feedback could not be kept; send it again in a moment.") from None
            for report in some:
                self._remember(report)
                if self._time(report) is None:
                    self._meter.feedback_untimed(report.service_id)
                self._meter.feedback_given(report.service_id, report.outcome, report.override)
            await asyncio.sleep(0)

    def _charge(self, client: str, number: int) -> None:
        now, most = self._clock.monotonic(), float(self._options.a_minute)
        left, before = self._budgets.get(client, (most, now))
        left = min(left + (now - before) * most / 60, most)
        if left <= 0:
            raise Overloaded("There is more feedback than is taken in a minute; send it again in a moment.")
        self._budgets[client] = (left - number, now)

    def _entry(self, report: Feedback) -> FeedbackEntry | None:
        """None: of a card that cannot be ours, so that there is nothing to join it to."""
        if report.card is None:
            return None
        name, coding = self._names.of, None if report.reason is None else report.reason.coding
        current, *earlier = self._names.all_of(record_names.card(report.card))
        return FeedbackEntry(
            current,
            report.service_id,
            report.client,
            report.outcome.value,
            self._time(report),
            self._clock.now(),
            tuple([name(record_names.suggestion(uuid)) for uuid in report.suggestions]),
            None if coding is None else coding.system,
            None if coding is None else coding.code,
            report.override,
            earlier_keys=tuple(earlier),
        )

    def _time(self, report: Feedback) -> float | None:
        now = self._clock.now()
        return report.at if now - self._options.oldest <= report.at <= now + DOUBT else None

    def _new(self, reports: Sequence[Feedback]) -> list[Feedback]:
        """Those that were not taken before. What says nothing of its card cannot be told apart, and is new."""
        seen: set[Feedback] = set()
        new = []
        for report in reports:
            if report.card is not None:
                if report in seen or report in self._known:
                    continue
                seen.add(report)
            new.append(report)
        return new

    def _remember(self, report: Feedback) -> None:
        if report.card is not None:
            self._known[report] = None
            if len(self._known) > self._options.known:
                self._known.popitem(last=False)
