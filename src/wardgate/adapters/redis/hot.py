"""The hot store in Redis. A call waits for it once, and never long; what is written, is written off the path.

Two connections, each with a task: reads and claims of the calls that come together travel in one exchange, writes in
batches. After an error, or a reply that did not come in time, the store counts as down, and calls go on without it at
once; the task tries again by itself, so that it is no call that finds out.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from wardgate.adapters.redis.line import PREFIX, REFUSED, Command, Lost, RedisLine, Refused, milliseconds, values_of
from wardgate.adapters.redis.options import RedisHotOptions
from wardgate.adapters.redis.seals import OVERHEAD, Seals, Unusable
from wardgate.adapters.redis.writes import WriteQueue
from wardgate.domain.hot import HotEvent, HotState, HotTold, Refusal, StorePlace

_PROBE = PREFIX + b"probe"
_CLAIMED = b"OK"


class _Wanted:
    """What one call asks for: the values of keys, or to be the first under one."""

    __slots__ = ("arrived", "claim", "future", "keys")

    def __init__(self, keys: Sequence[bytes], claim: Command | None) -> None:
        loop = asyncio.get_running_loop()
        self.keys = keys
        self.claim = claim
        self.arrived = loop.time()
        self.future: asyncio.Future[Any] = loop.create_future()


class RedisHotStore:
    """Meets `gateway.ports.HotStore`; down until `run` has reached Redis. `now` is the wall clock in epoch seconds."""

    def __init__(
        self,
        place: StorePlace,
        seals: Seals,
        now: Callable[[], float],
        told: HotTold,
        news: Callable[[HotState], None] = lambda state: None,
        options: RedisHotOptions | None = None,
    ) -> None:
        """`news` hears how it is, first and at every change, until `run` is cancelled."""
        self._seals = seals
        self._now = now
        self._told = told
        self._news = news
        self._options = options or RedisHotOptions()
        self._reads = RedisLine(place, self._options.connect)
        self._queue = WriteQueue(
            RedisLine(place, self._options.connect), seals, now, told, self._options, self._tell_news
        )
        self._wanted: deque[_Wanted] = deque()
        self._asked = asyncio.Event()
        self._tried = self._hiccup = float("-inf")
        self._standing: bool | None = None
        self._denied = False
        self._announced: HotState | None = None
        self.up = False
        self._beat = False

    @property
    def state(self) -> HotState:
        """At this moment: what is only slow counts as down while calls go on without it."""
        lasting = self._lasting()
        return lasting if self.up or not self._standing else HotState.DOWN

    def _lasting(self) -> HotState:
        if not self._standing:
            return HotState.NO_ACCESS if self._denied else HotState.DOWN
        return HotState.UP if self._queue.refusal is None else HotState.REFUSES_WRITES

    @property
    def refusal(self) -> Refusal | None:
        """Why it takes no writes."""
        return self._queue.refusal

    @property
    def unwritten(self) -> int:
        """Writes that wait."""
        return len(self._queue)

    async def read(self, keys: Sequence[bytes]) -> Sequence[bytes | None] | None:
        if not keys:
            return ()
        sealed = await self._answer(keys, None) if self.up else REFUSED
        if isinstance(sealed, Refused):
            self._told(HotEvent.DOWN, 1)
            return None
        return self._opened(keys, sealed)

    def write(self, key: bytes, value: bytes, ttl: float) -> None:
        self._queue.add(key, value, self._now() + ttl)

    async def claim(self, key: bytes, ttl: float) -> bool | None:
        """A value that somebody else has put there claims, too: whoever asks is then not the first."""
        expires = self._now() + ttl
        command = (b"SET", PREFIX + key, self._seals.seal(key, b"", expires), b"NX", b"PX", milliseconds(ttl))
        reply = await self._answer((), command) if self.up else REFUSED
        if isinstance(reply, Refused):
            self._told(HotEvent.DOWN, 1)
            if reply is not REFUSED:
                self._told(HotEvent.REFUSED, 1)
            return None
        return bool(reply == _CLAIMED)

    async def run(self) -> None:
        """Until cancelled: stay connected, carry what calls want and what they left to be written."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._reading())
                tasks.create_task(self._beating())
                tasks.create_task(self._queue.run())
        finally:
            self._fall()
            await self._reads.close()
            await self._queue.close()

    # --- reads and claims -------------------------------------------------------------------------------------------

    async def _answer(self, keys: Sequence[bytes], claim: Command | None) -> Any:
        """REFUSED: none. Holds no timer of its own: the exchange does, and an exchange that fails answers all."""
        wanted = _Wanted(keys, claim)
        self._wanted.append(wanted)
        self._asked.set()
        return await wanted.future

    def _opened(self, keys: Sequence[bytes], sealed: Sequence[Any]) -> list[bytes | None]:
        now = self._now()
        values = [self._value(key, raw, now) for key, raw in zip(keys, sealed, strict=True)]
        hits = len(values) - values.count(None)
        if hits:
            self._told(HotEvent.HIT, hits)
        if hits < len(values):
            self._told(HotEvent.MISS, len(values) - hits)
        return values

    def _value(self, key: bytes, sealed: Any, now: float) -> bytes | None:
        waiting = self._queue.get(key)
        if waiting is not None:  # newer than what Redis has
            return waiting[0] if now < waiting[1] else None
        if sealed is None:
            return None
        if len(sealed) > self._options.max_value + OVERHEAD:
            self._told(HotEvent.FORGED, 1)  # nobody here writes that much, so it is not even hashed
            return None
        value = self._seals.open(key, sealed, now)
        if isinstance(value, Unusable):
            if value is Unusable.FORGED:
                self._told(HotEvent.FORGED, 1)
            return None
        return value

    async def _reading(self) -> None:
        while True:
            await self._reach()
            self.up = True
            self._announce(True)
            try:
                while True:
                    await self._asked.wait()
                    self._asked.clear()
                    while self._wanted or self._beat:
                        self._beat = False
                        await self._exchange()
                        if not self.up:
                            await self._forgive()
            except (Lost, TimeoutError) as error:
                self._denied = isinstance(error, Lost) and error.denied
            self._fall()
            self._announce(False)
            await self._reads.close()

    async def _reach(self) -> None:
        """Until a connection has answered what a call would ask."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(max(0.0, self._tried + self._options.pause - loop.time()))
            self._tried = loop.time()
            try:
                async with asyncio.timeout(self._options.connect):
                    await self._reads.open()
                    (reply,) = await self._reads.ask([(b"MGET", _PROBE)])
                values_of(reply, 1)
                return
            except (Lost, TimeoutError) as error:
                self._denied = isinstance(error, Lost) and error.denied
                self._announce(False)
            await self._reads.close()

    async def _forgive(self) -> None:
        """After a late reply: once within a while it is a hiccup, as busy machines have; the next time it is slowness,
        and calls are spared it for a while."""
        loop = asyncio.get_running_loop()
        if loop.time() - self._hiccup < self._options.pause:
            self._announce(False)
            await asyncio.sleep(self._options.pause)
            self._announce(True)
        self._hiccup = loop.time()
        self.up = True

    async def _beating(self) -> None:
        """A store that nobody asks for a while is asked by its own task: so health tells the truth, and a call does
        not meet a connection that died meanwhile."""
        while True:
            await asyncio.sleep(self._options.pause)
            self._beat = True
            self._asked.set()

    async def _exchange(self) -> None:
        """One write and its replies, for all that is wanted now. When the calls' time is up, they are answered without;
        the replies are awaited on, since a late one says that Redis is only slow. Raises Lost or TimeoutError."""
        wanted = list(self._wanted)
        names = [PREFIX + key for one in wanted for key in one.keys] if wanted else [_PROBE]
        commands: list[Command] = [(b"MGET", *names)] if names else []
        commands += [one.claim for one in wanted if one.claim is not None]
        limit = asyncio.get_running_loop().call_at(self._due(wanted), self._fall)
        try:
            async with asyncio.timeout(self._options.connect):
                replies = iter(await self._reads.ask(commands))
        finally:
            limit.cancel()
        if not self.up:
            return  # too late: the calls have gone on without
        values = iter(values_of(next(replies), len(names)) if names else ())
        answers = [[next(values) for _ in one.keys] if one.claim is None else next(replies) for one in wanted]
        for one, answer in zip(wanted, answers, strict=True):
            self._wanted.popleft()
            if not one.future.done():
                one.future.set_result(answer)

    def _announce(self, standing: bool) -> None:
        self._standing = standing
        self._tell_news()

    def _tell_news(self) -> None:
        state = self._lasting()
        if self._standing is not None and self._announced is not state:
            self._announced = state
            self._news(state)

    def _due(self, wanted: Sequence[_Wanted]) -> float:
        """When an exchange that begins now must be over. The oldest call gets most of its time; one that has used that
        up behind another exchange gets the rest, and would end Redis's turn for nothing if that were none."""
        now, share = asyncio.get_running_loop().time(), self._options.wait / 5
        arrived = wanted[0].arrived if wanted else now
        return max(arrived + 4 * share, now + share)

    def _fall(self) -> None:
        """Down from here on: whoever waits is told at once."""
        self.up = False
        while self._wanted:
            future = self._wanted.popleft().future
            if not future.done():
                future.set_result(REFUSED)
