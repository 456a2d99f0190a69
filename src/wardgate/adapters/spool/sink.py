"""The spool as the gateway sees it: a record is acknowledged within its time, or its card is withheld."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

import msgspec

from wardgate.adapters.spool.frames import LARGEST, Entry
from wardgate.adapters.spool.writer import Slip, SpoolWriter, Tell
from wardgate.domain.errors import RecordUnavailable
from wardgate.domain.records import DecisionRecord, withheld
from wardgate.domain.spool import SpoolEvent, SpoolState, SpoolTold
from wardgate.records.archive import FeedbackEntry

_encode = msgspec.msgpack.Encoder().encode


def teller(loop: asyncio.AbstractEventLoop, waited: Callable[[float], None], monotonic: Callable[[], float]) -> Tell:
    """For the writer: the waiting ones of a group are told in one turn of the loop. `waited` hears how many seconds the
    first of them has waited."""

    def settle(slips: Sequence[Slip]) -> None:
        waited(monotonic() - slips[0].since)
        for slip in slips:
            if slip.future is not None and not slip.future.done():
                slip.future.set_result(slip.written is True)

    def tell(slips: Sequence[Slip]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, slips)

    return tell


class SpoolSink:
    """Meets `gateway.ports.RecordSink` and `FeedbackSink`; for the thread of the loop."""

    def __init__(self, writer: SpoolWriter, told: SpoolTold, monotonic: Callable[[], float]) -> None:
        self._writer = writer
        self._told = told
        self._monotonic = monotonic

    async def append(self, record: DecisionRecord, seconds: float, longest: float) -> None:
        if self._writer.state is SpoolState.STUCK:  # nobody need wait to see that
            self.note(withheld(record))
            raise RecordUnavailable
        slip = self._slip(Entry.DECISION, _encode(record), waits=True)
        if await self._written(slip, seconds, longest):
            return
        if slip.written is None:  # it may be written yet, and must not say then that a card left
            self._told(SpoolEvent.LATE, 1)
            self._put(self._slip(Entry.WITHHELD, record.decision_id.encode()))
        raise RecordUnavailable

    def note(self, record: DecisionRecord) -> None:
        self._put(self._slip(Entry.DECISION, _encode(record)))

    async def add(self, entries: Sequence[FeedbackEntry], seconds: float) -> None:
        *first, last = entries
        for entry in first:
            if not self._put(self._slip(Entry.FEEDBACK, _encode(entry))):
                raise RecordUnavailable
        if not await self._written(self._slip(Entry.FEEDBACK, _encode(last), waits=True), seconds, seconds):
            raise RecordUnavailable

    def _slip(self, kind: Entry, payload: bytes, waits: bool = False) -> Slip:
        future = asyncio.get_running_loop().create_future() if waits else None
        return Slip(kind, payload, self._monotonic(), future)

    def _put(self, slip: Slip) -> bool:
        if len(slip.payload) <= LARGEST and self._writer.put(slip):  # a larger one would be found damaged
            return True
        self._told(SpoolEvent.LOST, 1)
        return False

    async def _written(self, slip: Slip, seconds: float, longest: float) -> bool:
        """Whether it is written by the time that `append` allows."""
        future = slip.future
        assert future is not None
        if not self._put(slip):
            slip.written = False
            return False
        loop, until = future.get_loop(), slip.since + longest
        timer: asyncio.TimerHandle

        def time_is_up() -> None:
            nonlocal timer
            if future.done():
                return
            left = min(seconds - self._writer.writing_for(), until - self._monotonic())
            if slip.written is None and left > 0:
                timer = loop.call_later(left, time_is_up)
            else:  # a loop that is late itself finds its timer before an answer that was there in time
                future.set_result(slip.written is True)

        timer = loop.call_later(seconds, time_is_up)
        try:
            return await future
        finally:
            timer.cancel()
