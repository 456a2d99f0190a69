"""A token counts once: in one process, in several, and while the store between them is down (trap T-10)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.clock import FakeClock
from tests.fakes.hot import DownStore
from tests.fakes.tokens import NOW, registration, token
from wardgate.adapters.memory.hot import MemoryHotStore
from wardgate.domain.errors import Unauthenticated
from wardgate.domain.pseudonyms import KeyRing, Pseudonyms, Purpose
from wardgate.domain.registrations import Registration, Replay
from wardgate.domain.token_faults import TokenFault
from wardgate.domain.tokens import read_token
from wardgate.gateway.hot import HotCache
from wardgate.gateway.ports import HotStore
from wardgate.gateway.token_replays import ReplayOptions, TokenReplays, UsedIds

OLD, NEW = b"the secret of last year, 32 bytes", b"the secret of this year, 32 bytes"


class Keeping(MemoryHotStore):
    """Shows its keys."""

    def keys(self) -> list[bytes]:
        return list(self._entries)


def store(clock: FakeClock) -> Keeping:
    return Keeping(clock.monotonic, lambda event, count: None)


class Replica:
    def __init__(self, shared: HotStore | None, secrets: tuple[bytes, ...] = (NEW,)) -> None:
        names = Pseudonyms(KeyRing(secrets), Purpose.CACHE)
        self.unshared: list[str] = []
        cache = None if shared is None else HotCache(shared, names)
        self.replays = TokenReplays(names, cache, lambda one: self.unshared.append(one.client.name))

    async def claim(self, number: int = 1, terms: Registration | None = None, **changes: Any) -> TokenFault | None:
        try:
            read = read_token(token(number=number, **changes))
            await self.replays.claim(terms or registration(), read, NOW + 360, NOW)
        except Unauthenticated as refused:
            return refused.fault
        return None


@pytest.mark.requirement("SEC-12")
async def test_a_token_counts_once() -> None:
    """In this process; of each client for itself, as ids are unique for an issuer alone."""
    replica = Replica(None)
    assert await replica.claim(1) is None and await replica.claim(2) is None
    assert await replica.claim(1) is TokenFault.REPLAYED
    assert await replica.claim(1, registration("other")) is None


@pytest.mark.requirement("SEC-12")
async def test_a_token_counts_once_in_all_replicas() -> None:
    """What one has seen, the others refuse; the store holds a keyed hash for as long as the token counts."""
    clock = FakeClock()
    shared = store(clock)
    one, other = Replica(shared), Replica(shared)
    assert await one.claim(1) is None
    assert await other.claim(1) is TokenFault.REPLAYED
    assert await other.claim(2) is None and not one.unshared
    assert all(name.startswith(b"jti:") and len(name) == len(b"jti:") + 8 + 1 + 40 for name in shared.keys())
    clock.advance(359)
    assert await Replica(shared).claim(1) is TokenFault.REPLAYED
    clock.advance(2)
    assert await Replica(shared).claim(1) is None


async def test_while_the_key_of_pseudonyms_rotates() -> None:
    """What was seen under the previous secret is known to whoever has it."""
    shared = store(FakeClock())
    assert await Replica(shared, (OLD,)).claim(1) is None
    assert await Replica(shared, (NEW, OLD)).claim(1) is TokenFault.REPLAYED


@pytest.mark.parametrize(
    ("replay", "first", "second", "unshared"),
    [
        (Replay.REJECT, None, TokenFault.REPLAYED, 1),
        (Replay.STRICT, TokenFault.REPLAY_UNKNOWN, TokenFault.REPLAYED, 0),
        (Replay.ALLOW, None, None, 0),
    ],
)
async def test_the_store_is_down(replay: Replay, first: object, second: object, unshared: int) -> None:
    """`reject` goes by what this process saw, and that is counted; `strict` refuses; `allow` does not ask."""
    replica, terms = Replica(DownStore()), registration(replay=replay)
    assert await replica.claim(1, terms) is first
    assert await replica.claim(1, terms) is second
    assert len(replica.unshared) == unshared


async def test_after_a_restart_nobody_knows_what_was_used_before() -> None:
    """Without a store that outlives it. `reject` takes the risk; `strict` takes only tokens that were made since."""
    names = Pseudonyms(KeyRing((NEW,)), Purpose.CACHE)
    for replay, before in ((Replay.STRICT, TokenFault.REPLAY_UNKNOWN), (Replay.REJECT, None)):
        replica, terms = Replica(None), registration(replay=replay)
        replica.replays = TokenReplays(names, None, lambda one: None, began=NOW + 10)
        assert await replica.claim(1, terms) is before
        assert await replica.claim(2, terms, iat=NOW + 10) is None
        assert await replica.claim(2, terms, iat=NOW + 10) is TokenFault.REPLAYED


async def test_allow_takes_a_token_again() -> None:
    """For a test client; another client's tokens still count once."""
    replica, terms = Replica(store(FakeClock())), registration(replay=Replay.ALLOW)
    assert [await replica.claim(1, terms) for _ in range(3)] == [None] * 3
    assert [await replica.claim(1) for _ in range(2)] == [None, TokenFault.REPLAYED]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 20), st.integers(0, 5)), max_size=60))
def test_an_id_is_new_unless_it_is_remembered(steps: list[tuple[int, int, int]]) -> None:
    """Against a list that forgets nothing before its time."""
    used, now, known = UsedIds(), 0.0, dict[bytes, float]()
    for number, lives, waits in steps:
        now += waits
        name = b"%d" % number
        known = {each: until for each, until in known.items() if until > now}
        assert used.claim(name, now + lives, now) is (name not in known)
        known.setdefault(name, now + lives)
        assert len(used) == len(known)


def test_a_full_memory_forgets_what_ends_first() -> None:
    """And says so; it never holds more."""
    used = UsedIds(ReplayOptions(entries=3))
    for number, until in enumerate((30.0, 10.0, 20.0, 40.0, 50.0)):
        assert used.claim(b"%d" % number, until, 0.0)
    assert len(used) == 3 and used.evicted == 2
    assert [used.claim(b"%d" % number, 60.0, 0.0) for number in (0, 3, 4)] == [False, False, False]
