"""What calls leave to be written: a queue that nobody waits for, and the task that carries it to Redis in batches."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from wardgate.adapters.redis.line import PREFIX, Command, Lost, RedisLine, Refused, milliseconds, values_of
from wardgate.adapters.redis.options import RedisHotOptions
from wardgate.adapters.redis.seals import Seals
from wardgate.domain.hot import HotEvent, HotTold, Refusal

_PROBE, _PROBE_SECONDS = b"probe", 0.001

Entry = tuple[bytes, float]
"""A value, and when it expires (epoch seconds); 0: nothing, in place of what was there."""


class WriteQueue:
    """Bounded by number and bytes; of one key, the newest. What Redis does not take waits, as long as there is room."""

    def __init__(
        self,
        line: RedisLine,
        seals: Seals,
        now: Callable[[], float],
        told: HotTold,
        options: RedisHotOptions,
        judged: Callable[[], None],
    ) -> None:
        """`judged` is called when `refusal` has changed."""
        self._line = line
        self._seals = seals
        self._now = now
        self._told = told
        self._options = options
        self._waiting: OrderedDict[bytes, Entry] = OrderedDict()
        self._waiting_bytes = 0
        self._written = asyncio.Event()
        self.refusal: Refusal | None = None
        """Why Redis takes no writes, as far as is known."""
        self._judged = judged
        self._tried = False  # whether a write has been answered since Redis was last reached
        self._held_up = True  # since Redis was last reached; before it ever was, nobody knows

    def __len__(self) -> int:
        return len(self._waiting)

    def get(self, key: bytes) -> Entry | None:
        return self._waiting.get(key)

    def add(self, key: bytes, value: bytes, expires: float) -> None:
        replaced = self._waiting.pop(key, None)
        if replaced is not None:
            self._waiting_bytes -= len(replaced[0])
        if len(value) > self._options.max_value:
            self._told(HotEvent.DROPPED, 1)
            value, expires = b"", 0.0  # rather nothing than what it should have replaced
        self._waiting[key] = (value, expires)
        self._waiting_bytes += len(value)
        while len(self._waiting) > self._options.waiting or self._waiting_bytes > self._options.waiting_bytes:
            _, (dropped, _) = self._waiting.popitem(last=False)
            self._waiting_bytes -= len(dropped)
            self._told(HotEvent.DROPPED, 1)
        self._written.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._something_to_write()
            await asyncio.sleep(self._options.gather)
            self._written.clear()
            while self._waiting:
                batch: list[tuple[bytes, Entry]] = list(islice(self._waiting.items(), self._options.batch))
                unused = self._line.is_open  # since the last batch; it may have died meanwhile, and that says nothing
                try:
                    async with asyncio.timeout(self._options.write):
                        await self._line.open()
                        if self._held_up:
                            batch = await self._without_outdated(batch)
                        replies = await self._line.ask([self._set(key, *entry) for key, entry in batch])
                except (Lost, TimeoutError):
                    self._held_up, self._tried = True, False
                    await self._line.close()
                    if not unused:
                        await asyncio.sleep(self._options.pause)
                    continue  # what waits stays, as long as there is room
                self._settle(batch, replies)
            self._held_up = False

    async def _something_to_write(self) -> None:
        """Until then, while nobody knows whether Redis takes writes, or it does not, it is tried once in a while: so
        health tells the truth also where nobody writes."""
        while not self._written.is_set():
            if self._tried and self.refusal is None:
                await self._written.wait()
                return
            try:
                async with asyncio.timeout(self._options.pause):
                    await self._written.wait()
            except TimeoutError:
                await self._try_out()

    async def _try_out(self) -> None:
        expires = self._now() + _PROBE_SECONDS
        try:
            async with asyncio.timeout(self._options.write):
                await self._line.open()
                self._judge(await self._line.ask([self._set(_PROBE, b"", expires)]))
        except (Lost, TimeoutError):
            await self._line.close()

    def _judge(self, replies: Sequence[Any]) -> None:
        refusals = [reply.why for reply in replies if isinstance(reply, Refused)]
        before, self.refusal, self._tried = self.refusal, refusals[0] if refusals else None, True
        if self.refusal is not before:
            self._judged()

    async def _without_outdated(self, batch: list[tuple[bytes, Entry]]) -> list[tuple[bytes, Entry]]:
        """What has waited for Redis to come back may be older than what another replica has written meanwhile."""
        (found,) = await self._line.ask([(b"MGET", *(PREFIX + key for key, _ in batch))])
        due = []
        for (key, entry), sealed in zip(batch, values_of(found, len(batch)), strict=True):
            if sealed is not None and entry[1] and self._seals.outlives(key, sealed, entry[1]):
                self._done_with(key, entry)
            else:
                due.append((key, entry))
        return due

    def _set(self, key: bytes, value: bytes, expires: float) -> Command:
        """What has expired while it waited is sent all the same: it replaces an older value, and is never taken."""
        left = milliseconds(expires - self._now())
        return (b"SET", PREFIX + key, self._seals.seal(key, value, expires), b"PX", left)

    def _settle(self, batch: Sequence[tuple[bytes, Entry]], replies: Sequence[Any]) -> None:
        for (key, entry), reply in zip(batch, replies, strict=True):
            if isinstance(reply, Refused):
                self._told(HotEvent.DROPPED, 1)
                self._told(HotEvent.REFUSED, 1)
            self._done_with(key, entry)
        self._judge(replies)

    def _done_with(self, key: bytes, entry: Entry) -> None:
        """It waits no longer."""
        if self._waiting.get(key) is entry:  # else it was dropped, or replaced by a newer one
            del self._waiting[key]
            self._waiting_bytes -= len(entry[0])

    async def close(self) -> None:
        await self._line.close()
