"""Key sets that are fetched: how often, how long a call waits, and what stays when a fetch fails (trap T-11)."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.waiting import until
from wardgate.domain.errors import Unauthenticated
from wardgate.domain.token_faults import Fetched, TokenFault
from wardgate.gateway.key_sets import FetchedKeys, FetchFailed, FixedKeys, KeyName, KeySetOptions

LONG = 5.0


@dataclass
class Key:
    name: str
    slow: bool = False

    def verify(self, signed: bytes, signature: bytes) -> bool:
        return True


@dataclass
class Host:
    """`keys` are published; None: it is down. Answers once it is let."""

    keys: list[str] | None = field(default_factory=lambda: ["one"])
    fetches: int = 0
    answers: asyncio.Event = field(default_factory=asyncio.Event)

    async def fetch(self) -> Mapping[KeyName, Key]:
        self.fetches += 1
        await self.answers.wait()
        if self.keys is None:
            raise FetchFailed(Fetched.UNREACHABLE)
        return {(name, "ES384"): Key(name) for name in self.keys}


class Keys:
    def __init__(self, again: float = 0.0, refresh: float = 60.0) -> None:
        self.host, self.clock, self.told = Host(), FakeClock(), list[Fetched]()
        self.host.answers.set()
        options = KeySetOptions(refresh, again)
        self.fetched = FetchedKeys(self.host.fetch, self.clock.monotonic, self.told.append, options)

    async def find(self, name: str, patience: float = LONG) -> str | TokenFault:
        try:
            return (await self.fetched.find((name, "ES384"), patience)).name
        except Unauthenticated as refused:
            return refused.fault

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.get_running_loop().create_task(self.fetched.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])


@pytest.mark.requirement("SEC-13")
async def test_the_first_call_waits_for_the_first_fetch() -> None:
    """One fetch for all that wait; then none."""
    keys = Keys()
    async with keys.running():
        assert await asyncio.gather(*[keys.find("one") for _ in range(20)]) == ["one"] * 20
        assert await keys.find("one") == "one"
    assert keys.host.fetches == 1 and keys.told == [Fetched.GOOD]


@pytest.mark.requirement("SEC-13")
async def test_a_rotated_key_is_fetched_when_it_is_first_used() -> None:
    """By the call that brings it; the key that was withdrawn is then gone."""
    keys = Keys()
    async with keys.running():
        await keys.find("one")
        keys.host.keys = ["two"]
        assert await keys.find("one") == "one"
        assert await keys.find("two") == "two"
        assert await keys.find("one") is TokenFault.KEY_UNKNOWN


async def test_invented_keys_do_not_make_us_knock() -> None:
    """However many ids come, and however fast: one fetch in so many seconds, and the others are refused at once."""
    keys = Keys(again=10.0)
    async with keys.running():
        await keys.find("one")
        assert {await keys.find(f"invented {number}") for number in range(500)} == {TokenFault.KEY_UNKNOWN}
        assert keys.host.fetches == 1
        keys.clock.advance(9.9)
        assert await keys.find("invented") is TokenFault.KEY_UNKNOWN
        assert keys.host.fetches == 1


async def test_a_fetch_is_asked_for_once() -> None:
    """By all invented ids that come while it is under way."""
    keys = Keys()
    async with keys.running():
        await keys.find("one")
        keys.host.answers.clear()
        waiting = [asyncio.get_running_loop().create_task(keys.find(f"invented {n}")) for n in range(50)]
        await until(lambda: keys.host.fetches == 2)
        keys.host.answers.set()
        assert set(await asyncio.gather(*waiting)) == {TokenFault.KEY_UNKNOWN}
        assert keys.host.fetches == 2


async def test_a_call_waits_no_longer_than_it_may() -> None:
    """A key host that hangs costs the call its patience and no more (law 1); who has a known key does not wait."""
    keys = Keys()
    async with keys.running():
        await keys.find("one")
        keys.host.answers.clear()
        assert await keys.find("two", 0.01) is TokenFault.KEY_UNKNOWN
        assert await keys.find("one", 0.0) == "one"
        keys.host.keys = ["two"]
        keys.host.answers.set()
        assert await keys.find("two") == "two"


async def test_nothing_was_ever_fetched() -> None:
    """Told apart from a key that is not in the set; the host is tried again, and once it answers all is well."""
    keys = Keys()
    keys.host.keys = None
    async with keys.running():
        assert await keys.find("one") is TokenFault.KEYS_UNAVAILABLE
        keys.host.keys = ["one"]
        await until(lambda: Fetched.GOOD in keys.told)
        assert await keys.find("one") == "one"
    assert set(keys.told) == {Fetched.UNREACHABLE, Fetched.GOOD}


async def test_the_last_good_set_is_kept() -> None:
    """While the host is down, for as long as that takes."""
    keys = Keys(refresh=0.0)
    async with keys.running():
        await keys.find("one")
        keys.host.keys = None
        await until(lambda: keys.told.count(Fetched.UNREACHABLE) >= 3)
        assert await keys.find("one") == "one"
        assert await keys.find("two") is TokenFault.KEY_UNKNOWN


@pytest.mark.requirement("SEC-13")
async def test_it_is_refreshed_when_nobody_asks() -> None:
    """So a key that was withdrawn does not stay for ever."""
    keys = Keys(refresh=0.001)
    async with keys.running():
        await keys.find("one")
        keys.host.keys = ["two"]
        fetches = keys.host.fetches
        await until(lambda: keys.host.fetches > fetches + 1)
        assert await keys.find("two", 0) == "two"


async def test_who_waits_when_it_ends_is_let_go() -> None:
    """A reload that takes the client away, in the middle of a fetch."""
    keys = Keys()
    keys.host.answers.clear()
    async with keys.running():
        waiting = asyncio.get_running_loop().create_task(keys.find("one"))
        await until(lambda: keys.host.fetches == 1)
    assert await waiting is TokenFault.KEYS_UNAVAILABLE


async def test_cancelled_calls_leave_the_others_waiting() -> None:
    """One hung up; the fetch goes on for the rest."""
    keys = Keys()
    keys.host.answers.clear()
    async with keys.running():
        one, other = (asyncio.get_running_loop().create_task(keys.find("one")) for _ in range(2))
        await until(lambda: keys.host.fetches == 1)
        one.cancel()
        keys.host.answers.set()
        assert await other == "one"


@pytest.mark.requirement("SEC-10")
async def test_keys_of_a_file_are_what_they_are() -> None:
    """Nothing is fetched, whatever a token names."""
    fixed = FixedKeys({("one", "ES384"): Key("one")})
    assert (await fixed.find(("one", "ES384"), 0)).name == "one"
    for name in (("one", "RS384"), ("two", "ES384")):
        with pytest.raises(Unauthenticated):
            await fixed.find(name, 0)
