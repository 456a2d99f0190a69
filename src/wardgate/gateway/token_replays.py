"""Which tokens were used before: each counts once (CDS Hooks 2.0.1, `jti`; trap T-10).

An id is remembered until its token counts no more, under a keyed hash, by this process and, where there are several,
by the store that they share. While that is down, each process knows what it saw itself: counted, and too little for a
client that is `strict`. Where there is no such store, nobody knows what was used before the process began.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass

from wardgate.domain.errors import Unauthenticated
from wardgate.domain.pseudonyms import Pseudonyms
from wardgate.domain.registrations import Registration, Replay
from wardgate.domain.token_faults import TokenFault
from wardgate.domain.tokens import Token
from wardgate.gateway.hot import HotCache

_KIND = "jti"


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    entries: int = 200_000
    """Ids that a process remembers at most: a quarter of an hour at 200 calls a second. In a full memory the one whose
    token ends first makes room, and is counted."""


class UsedIds:
    """The pure machine: ids, each until its time, in epoch seconds."""

    def __init__(self, options: ReplayOptions | None = None) -> None:
        self._options = options or ReplayOptions()
        self._used: dict[bytes, float] = {}
        self._ending: list[tuple[float, bytes]] = []
        self.evicted = 0
        """Ids that made room before their time."""

    def __len__(self) -> int:
        return len(self._used)

    def claim(self, name: bytes, until: float, now: float) -> bool:
        """Whether it is new."""
        while self._ending and self._ending[0][0] <= now:
            self._pop()
        if name in self._used:
            return False
        if len(self._used) >= self._options.entries:
            self._pop()
            self.evicted += 1
        self._used[name] = until
        heapq.heappush(self._ending, (until, name))
        return True

    def _pop(self) -> None:
        _, name = heapq.heappop(self._ending)
        del self._used[name]


class TokenReplays:
    """`shared` None: this process is the only one, as the configuration has it. Its keys are those of `names`."""

    def __init__(
        self,
        names: Pseudonyms,
        shared: HotCache | None,
        unshared: Callable[[Registration], None],
        options: ReplayOptions | None = None,
        began: float = 0.0,
    ) -> None:
        """`unshared` hears of each token that was taken on this process's word alone, since the store was down.
        `began`: when this process did, in epoch seconds; without a store it knows nothing of what was before."""
        self._names, self._shared, self._unshared, self._began = names, shared, unshared, began
        self.used = UsedIds(options)

    async def claim(self, registration: Registration, token: Token, until: float, now: float) -> None:
        """Raises Unauthenticated where the token was used before, or where that must be known and is not."""
        if registration.replay is Replay.ALLOW:
            return
        names = self._names.all(_KIND, registration.client.name, None, token.id)
        if not self.used.claim(names[0], until, now):
            raise Unauthenticated(TokenFault.REPLAYED)
        if self._shared is None:
            if registration.replay is Replay.STRICT and token.issued < self._began:
                raise Unauthenticated(TokenFault.REPLAY_UNKNOWN)
            return
        first = await self._shared.claim(names, until - now)
        if first is None and registration.replay is Replay.STRICT:
            raise Unauthenticated(TokenFault.REPLAY_UNKNOWN)
        if first is None:
            self._unshared(registration)
        elif not first:
            raise Unauthenticated(TokenFault.REPLAYED)
