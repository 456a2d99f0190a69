"""One suite for every hot store: what `HotStore` promises; and what Redis may do to it, against a real one."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.redis_server import PASSWORD, RIGHTS, USER, RedisServer
from tests.fakes.waiting import until
from wardgate.adapters.memory.hot import MemoryHotOptions, MemoryHotStore
from wardgate.adapters.redis.hot import RedisHotStore
from wardgate.adapters.redis.line import PREFIX
from wardgate.adapters.redis.options import RedisHotOptions
from wardgate.adapters.redis.seals import Seals
from wardgate.domain.hot import HotEvent, HotState, Refusal, StorePlace
from wardgate.domain.pseudonyms import KeyRing, Pseudonyms, Purpose
from wardgate.gateway.hot import HotCache
from wardgate.gateway.ports import HotStore

SEALS = Seals(KeyRing([b"s" * 32]).keys(Purpose.STORE))
PATIENT = RedisHotOptions(wait=4.0, pause=0.05)
"""A busy machine answers late; only the tests of lateness keep the default."""


@dataclass
class Told:
    """What a store has told of itself."""

    events: Counter[HotEvent] = field(default_factory=Counter)
    states: list[HotState] = field(default_factory=list)

    @property
    def news(self) -> list[bool]:
        return [state is HotState.UP for state in self.states]

    def __call__(self, event: HotEvent, count: int) -> None:
        self.events[event] += count


@dataclass
class Subject:
    """A store under test. `settled` waits until what was written can be seen by others."""

    store: HotStore
    clock: FakeClock
    told: Told
    settled: Callable[[], Awaitable[None]]


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.fixture
def redis(server: RedisServer) -> RedisServer:
    """Empty, and awake."""
    server.command("FLUSHALL")
    return server


@asynccontextmanager
async def connected(
    place: StorePlace, options: RedisHotOptions = PATIENT, seals: Seals = SEALS, wait: bool = True
) -> AsyncIterator[tuple[RedisHotStore, Told, FakeClock]]:
    told, clock = Told(), FakeClock()
    store = RedisHotStore(place, seals, clock.now, told, told.states.append, options)
    task = asyncio.get_running_loop().create_task(store.run())
    try:
        if wait:
            await until(lambda: store.up)
        yield store, told, clock
    finally:
        task.cancel()
        await asyncio.wait([task])


async def written(store: RedisHotStore) -> None:
    await until(lambda: store.unwritten == 0)


@pytest.fixture(params=["memory", "redis"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if request.param == "memory":
        clock, told = FakeClock(), Told()

        async def at_once() -> None:
            return

        yield Subject(MemoryHotStore(clock.monotonic, told), clock, told, at_once)
        return
    running: RedisServer = request.getfixturevalue("redis")
    async with connected(running.place) as (store, told, clock):
        yield Subject(store, clock, told, lambda: written(store))


# --- what both promise ----------------------------------------------------------------------------------------------


async def test_values_come_back_in_the_order_of_the_keys(subject: Subject) -> None:
    """One read for all; what is not there is None, and an empty value is not that."""
    subject.store.write(b"a", b"1", 60)
    subject.store.write(b"b", b"", 60)
    await subject.settled()
    assert await subject.store.read([b"b", b"x", b"a", b"a"]) == [b"", None, b"1", b"1"]
    assert subject.told.events == {HotEvent.HIT: 3, HotEvent.MISS: 1}
    assert list(await subject.store.read([]) or ()) == []


async def test_a_written_value_is_seen_at_once(subject: Subject) -> None:
    """By whoever wrote it, before it has travelled anywhere; the newest one counts."""
    subject.store.write(b"a", b"1", 60)
    subject.store.write(b"a", b"2", 60)
    assert await subject.store.read([b"a"]) == [b"2"]
    await subject.settled()
    assert await subject.store.read([b"a"]) == [b"2"]


async def test_a_value_ends_with_its_time(subject: Subject) -> None:
    """To the clock that the gateway has, whatever the store thinks of it."""
    subject.store.write(b"a", b"1", 64)
    await subject.settled()
    subject.clock.advance(63.75)
    assert await subject.store.read([b"a"]) == [b"1"]
    subject.clock.advance(0.25)
    assert await subject.store.read([b"a"]) == [None]


async def test_the_first_claim_wins(subject: Subject) -> None:
    """One of many at the same time; under another key it is another claim."""
    claims = await asyncio.gather(*[subject.store.claim(b"jti", 60) for _ in range(20)])
    assert sorted(claims, key=bool) == [False] * 19 + [True]
    assert await subject.store.claim(b"other", 60) is True


async def test_any_bytes_are_a_value(subject: Subject) -> None:
    """Line ends and zeros are nothing special, in keys too."""
    key, value = b"k\r\n\x00 \xff", bytes(range(256)) * 16
    subject.store.write(key, value, 60)
    await subject.settled()
    assert await subject.store.read([key]) == [value]


async def test_a_huge_value_is_dropped_with_what_it_should_have_replaced(subject: Subject) -> None:
    """Rather nothing than an old one."""
    subject.store.write(b"a", b"old", 60)
    await subject.settled()
    subject.store.write(b"a", b"x" * (64 * 1024 + 1), 60)
    await subject.settled()
    assert await subject.store.read([b"a"]) == [None]
    assert subject.told.events[HotEvent.DROPPED] == 1


async def test_a_rotated_secret_finds_what_the_old_one_wrote(subject: Subject) -> None:
    """Reads try the current key, then the previous one; new values go under the current one."""
    old = HotCache(subject.store, Pseudonyms(KeyRing([b"o" * 32]), Purpose.CACHE))
    new = HotCache(subject.store, Pseudonyms(KeyRing([b"n" * 32, b"o" * 32]), Purpose.CACHE))
    later = HotCache(subject.store, Pseudonyms(KeyRing([b"n" * 32]), Purpose.CACHE))
    name = ("score", "ehr", "https://fhir", "patient-1")

    old.write(old.key(*name), b"1", 60)
    await subject.settled()
    assert await new.read([new.key(*name), new.key("score", "ehr", "https://fhir", "2")]) == [b"1", None]
    new.write(new.key(*name), b"2", 60)
    await subject.settled()
    assert await new.read([new.key(*name)]) == [b"2"]
    assert await later.read([later.key(*name)]) == [b"2"]
    assert await old.claim(old.key("jti", "ehr", None, "x"), 60) is True
    assert await new.claim(new.key("jti", "ehr", None, "x"), 60) is False
    assert await new.claim(new.key("jti", "ehr", None, "y"), 60) is True


async def test_a_thousand_calls_at_a_time(subject: Subject) -> None:
    """Each gets its own values; some give up while they wait, and harm nobody."""
    for number in range(1000):
        subject.store.write(b"k%d" % number, b"v%d" % number, 60)
    await subject.settled()
    calls = [asyncio.ensure_future(subject.store.read([b"k%d" % n, b"no"])) for n in range(1000)]  # noqa: TID251
    await asyncio.sleep(0)
    for call in calls[::7]:
        call.cancel()
    results = await asyncio.gather(*calls, return_exceptions=True)
    for number, result in enumerate(results):
        if not isinstance(result, asyncio.CancelledError):
            assert result == [b"v%d" % number, None]
    assert await subject.store.read([b"k7"]) == [b"v7"]


# --- the one in process ---------------------------------------------------------------------------------------------


async def test_the_one_not_asked_for_the_longest_goes_first() -> None:
    """Bounded by entries; what was read, or written again, stays."""
    told, clock = Told(), FakeClock()
    store = MemoryHotStore(clock.monotonic, told, MemoryHotOptions(entries=3))
    for key in (b"a", b"b", b"c"):
        store.write(key, key, 60)
    await store.read([b"a"])
    store.write(b"b", b"again", 60)
    store.write(b"d", b"d", 60)
    assert await store.read([b"a", b"b", b"c", b"d"]) == [b"a", b"again", None, b"d"]
    assert len(store) == 3 and told.events[HotEvent.EVICTED] == 1


async def test_many_large_values_make_room_too() -> None:
    """Bounded by bytes; a replaced value is counted once."""
    told, clock = Told(), FakeClock()
    store = MemoryHotStore(clock.monotonic, told, MemoryHotOptions(bytes=100))
    for _ in range(50):
        store.write(b"a", b"x" * 60, 60)
    assert told.events[HotEvent.EVICTED] == 0
    store.write(b"b", b"x" * 60, 60)
    assert await store.read([b"a", b"b"]) == [None, b"x" * 60]


async def test_what_had_expired_is_not_counted_as_evicted() -> None:
    """Nobody loses anything by it."""
    told, clock = Told(), FakeClock()
    store = MemoryHotStore(clock.monotonic, told, MemoryHotOptions(entries=1))
    store.write(b"a", b"1", 60)
    clock.advance(60)
    store.write(b"b", b"1", 60)
    assert len(store) == 1 and told.events[HotEvent.EVICTED] == 0


# --- Redis ----------------------------------------------------------------------------------------------------------


async def test_keys_say_nothing_and_expire(redis: RedisServer) -> None:
    """In Redis stand the prefix, the kind, the key's id and a digest; never a name or an id of the caller's."""
    async with connected(redis.place) as (store, _, _):
        cache = HotCache(store, Pseudonyms(KeyRing([b"o" * 32]), Purpose.CACHE))
        cache.write(cache.key("score", "ward-ehr", "https://fhir", "patient-1"), b"1", 60)
        await written(store)
    (key,) = redis.keys()
    assert key.startswith(b"wardgate:score:") and len(key) == len(b"wardgate:score:") + 8 + 1 + 40
    assert b"ward-ehr" not in key and b"patient-1" not in key
    assert 0 < int(redis.command("PTTL", key)[1:]) <= 60_000


async def test_an_evicted_value_is_a_miss(redis: RedisServer) -> None:
    """Redis drops values when its memory is full; a store that refuses writes drops them, and is not down."""
    async with connected(redis.place) as (store, told, _):
        store.write(b"a", b"1", 60)
        await written(store)
        redis.command("DEL", "wardgate:a")
        assert await store.read([b"a"]) == [None]
        redis.command("CONFIG", "SET", "maxmemory", "1")
        try:
            store.write(b"b", b"1", 60)
            await written(store)
            assert await store.read([b"b"]) == [None] and store.up
        finally:
            redis.command("CONFIG", "SET", "maxmemory", "0")
        assert told.events[HotEvent.DROPPED] == 1 and told.events[HotEvent.DOWN] == 0


@pytest.mark.parametrize(
    ("ill", "well", "why"),
    [
        (
            [("CONFIG", "SET", "maxmemory", "1mb"), ("CONFIG", "SET", "maxmemory-policy", "noeviction")],
            [("CONFIG", "SET", "maxmemory", "0")],
            Refusal.MEMORY,
        ),
        ([("ACL", "SETUSER", USER, "-set")], [("ACL", "SETUSER", USER, "+set")], Refusal.RIGHT),
        ([("REPLICAOF", "127.0.0.1", "1")], [("REPLICAOF", "NO", "ONE")], Refusal.READ_ONLY),
        (
            [("CONFIG", "SET", "min-replicas-to-write", "1")],
            [("CONFIG", "SET", "min-replicas-to-write", "0")],
            Refusal.REPLICAS,
        ),
    ],
    ids=["memory", "right", "replica", "replicas"],
)
async def test_a_redis_that_refuses_writes_is_not_up(
    redis: RedisServer, ill: list[tuple[str, ...]], well: list[tuple[str, ...]], why: Refusal
) -> None:
    """It is said why, at the first write or before anybody writes; what it has, it gives; and it is up again by itself
    when it takes writes again, also where nobody writes."""
    async with connected(redis.place) as (store, told, _):
        store.write(b"a", b"1", 60)
        await written(store)
        assert store.state is HotState.UP and store.refusal is None
        try:
            for command in ill:
                assert redis.command(*command).startswith(b"+OK")
            store.write(b"b", b"1", 60)
            await until(lambda: store.state is HotState.REFUSES_WRITES)
            assert store.refusal is why and told.events[HotEvent.REFUSED] == 1
            assert await store.read([b"a"]) == [b"1"]
            assert await store.claim(b"c", 60) is None and told.events[HotEvent.REFUSED] == 2
            async with connected(redis.place) as (another, _, _):
                await until(lambda: another.state is HotState.REFUSES_WRITES)
        finally:
            for command in well:
                redis.command(*command)
        await until(lambda: store.state is HotState.UP)
        assert told.states == [HotState.UP, HotState.REFUSES_WRITES, HotState.UP]


@pytest.mark.parametrize("change", ["password", "read", "off"])
async def test_a_redis_that_lets_nobody_in_is_not_only_down(redis: RedisServer, change: str) -> None:
    """A wrong password, a user who may not read, one who is switched off: somebody has to mend it."""
    place = replace(redis.place, password="wrong") if change == "password" else redis.place
    ill = {"password": ("PING",), "read": ("ACL", "SETUSER", USER, "-mget"), "off": ("ACL", "SETUSER", USER, "off")}
    redis.command(*ill[change])
    try:
        async with connected(place, wait=False) as (store, told, _):
            await until(lambda: store.state is HotState.NO_ACCESS)
            assert told.states == [HotState.NO_ACCESS] and await store.read([b"a"]) is None
            if change != "password":
                redis.command("ACL", "SETUSER", USER, "on", "+mget")
                await until(lambda: store.state is HotState.UP)
    finally:
        redis.command("ACL", "SETUSER", USER, "on", "+mget")


async def test_what_somebody_else_wrote_is_a_miss(redis: RedisServer) -> None:
    """Garbage, another type, a value of another key, a changed bit, a prolonged life, a seal of another secret, and
    something huge: no error and no value."""
    async with connected(redis.place) as (store, told, clock):
        genuine = SEALS.seal(b"a", b"1", clock.now() + 60)
        forged: list[bytes] = [
            b"garbage",
            b"",
            SEALS.seal(b"b", b"1", clock.now() + 60),
            genuine[:-1] + b"2",
            genuine[:16] + (2**63).to_bytes(8) + genuine[24:],
            Seals(KeyRing([b"x" * 32]).keys(Purpose.STORE)).seal(b"a", b"1", clock.now() + 60),
            b"x" * 1_000_000,
            SEALS.seal(b"a", b"x" * (64 * 1024 + 1), clock.now() + 60),
        ]
        for number, value in enumerate(forged, 1):
            redis.command("SET", "wardgate:a", value)
            assert await store.read([b"a"]) == [None]
            assert told.events[HotEvent.FORGED] == number
        redis.command("SET", "wardgate:a", genuine)
        assert await store.read([b"a"]) == [b"1"]
        redis.command("DEL", "wardgate:a")
        redis.command("LPUSH", "wardgate:a", "x")
        assert await store.read([b"a"]) == [None] and store.up
        redis.command("SET", "wardgate:jti", "garbage")
        assert await store.claim(b"jti", 60) is False


async def test_a_value_outlives_a_rotation_under_its_seal(redis: RedisServer) -> None:
    """The seal of a previous secret opens, as long as it is named."""
    rotated = Seals(KeyRing([b"n" * 32, b"s" * 32]).keys(Purpose.STORE))
    async with connected(redis.place) as (store, _, _):
        store.write(b"a", b"1", 60)
        await written(store)
    async with connected(redis.place, seals=rotated) as (store, _, _):
        assert await store.read([b"a"]) == [b"1"]
    async with connected(redis.place, seals=Seals(KeyRing([b"n" * 32]).keys(Purpose.STORE))) as (store, told, _):
        assert await store.read([b"a"]) == [None] and told.events[HotEvent.FORGED] == 1


async def test_a_hanging_redis_costs_some_calls_ten_milliseconds(redis: RedisServer) -> None:
    """Those that were under way when it began to hang; from then on nobody waits, until it answers again."""
    options = RedisHotOptions(connect=0.2, pause=0.2)
    async with connected(redis.place, options) as (store, told, _):
        redis.hang()
        try:
            assert await asyncio.gather(*[store.read([b"a"]) for _ in range(50)]) == [None] * 50
            assert not store.up and told.events[HotEvent.DOWN] == 50
            began = time.perf_counter()
            for _ in range(10_000):
                assert await store.read([b"a"]) is None
            each = (time.perf_counter() - began) / 10_000
            assert await store.claim(b"c", 60) is None
            store.write(b"late", b"1", 60)
        finally:
            redis.wake()
        assert each < options.wait / 10
        await until(lambda: store.up)
        assert await asyncio.wait_for(store.read([b"late"]), 5) == [b"1"]
        await written(store)


async def test_the_longest_wait_for_a_hanging_redis(redis: RedisServer) -> None:
    """Most of `wait`, and no more. A busy machine adds its own, so it is tried until it once adds less than is left."""
    for _ in range(50):
        async with connected(redis.place, RedisHotOptions(pause=5)) as (store, _, _):
            redis.hang()
            began = time.perf_counter()
            try:
                assert await store.read([b"a"]) is None
                waited = time.perf_counter() - began
            finally:
                redis.wake()
        assert waited > 0.007
        if waited < 0.010:
            return
    raise AssertionError("it waited longer each time")


async def test_a_hiccup_is_forgiven_once_in_a_while(redis: RedisServer) -> None:
    """A late reply opens the store again at once; a second one soon after spares calls the third for a while. A busy
    machine adds hiccups of its own, so it is tried until it once adds none."""
    seen: list[object] = []
    while [[True], [True, False], None, [True, False, True], [None]] not in seen:
        assert len(seen) < 10, seen
        seen.append(await _two_hiccups(redis))


async def _two_hiccups(redis: RedisServer) -> list[object]:
    """The news after each and what a call gets then; the same once calls are not spared any more."""
    seen: list[object] = []
    async with connected(redis.place, RedisHotOptions(connect=10, pause=3)) as (store, told, _):
        for _ in range(2):
            redis.hang()
            try:
                assert await store.read([b"a"]) is None
            finally:
                redis.wake()
            await until(lambda: store.up or len(told.news) > 1)
            seen.append(list(told.news))
        seen.append(await store.read([b"a"]))
        await until(lambda: store.up)
        return [*seen, list(told.news), await store.read([b"a"])]


async def test_a_hang_is_noticed_without_a_call(redis: RedisServer) -> None:
    """And its end too: health tells the truth while nobody asks."""
    async with connected(redis.place, RedisHotOptions(connect=0.2, pause=0.1)) as (store, told, _):
        redis.hang()
        try:
            await until(lambda: not store.up)
        finally:
            redis.wake()
        await until(lambda: store.up)
        assert told.events[HotEvent.DOWN] == 0


async def test_killed_and_restarted_under_load(redis: RedisServer) -> None:
    """No call fails: each has values or None. What was left to be written arrives when it is back."""
    stop, answers, wrong = False, 0, 0

    async def load(store: RedisHotStore, number: int) -> None:
        nonlocal answers, wrong
        key = b"k%d" % number
        while not stop:
            store.write(key, key, 600)
            value = await store.read([key, b"none"])
            answers += 1
            wrong += value not in ([key, None], None)
            await store.claim(b"c%d" % answers, 60)
            await asyncio.sleep(0.001)

    async with connected(redis.place) as (store, told, _), asyncio.TaskGroup() as tasks:
        for number in range(8):
            tasks.create_task(load(store, number))
        for _ in range(3):
            await asyncio.sleep(0.1)
            redis.kill()
            await until(lambda: not store.up)
            before = answers
            await until(lambda before=before: answers > before + 100)  # type: ignore[misc]
            redis.start()
            await until(lambda: store.up)
        stop = True
        await written(store)
        assert await store.read([b"k0"]) == [b"k0"]
    assert answers > 300 and wrong == 0
    assert told.news == [True, False, True, False, True, False, True]


async def test_a_value_replaced_while_it_travels_is_written_too(redis: RedisServer) -> None:
    """Acknowledging the older one says nothing of the newer."""
    async with connected(redis.place, replace(PATIENT, write=10)) as (store, _, _):
        redis.hang()
        try:
            store.write(b"a", b"old", 60)
            await asyncio.sleep(0.1)
            store.write(b"a", b"new", 60)
        finally:
            redis.wake()
        await written(store)
    async with connected(redis.place) as (store, _, _):
        assert await store.read([b"a"]) == [b"new"]


async def test_writes_of_a_moment_wait_for_each_other(redis: RedisServer) -> None:
    """None of them has left yet, and their own process reads them all the same."""
    async with connected(redis.place, replace(PATIENT, gather=60.0)) as (store, _, _):
        for number in range(20):
            store.write(b"gathered %d" % number, b"v", 60)
            await asyncio.sleep(0)
        assert await store.read([b"gathered 0", b"gathered 19"]) == [b"v", b"v"]
        assert store.unwritten == 20 and not any(b"gathered" in key for key in redis.keys())


async def test_a_restart_does_not_hold_writes_up(redis: RedisServer) -> None:
    """A connection that died while nobody used it is replaced at once; only a failed attempt is followed by a pause."""
    async with connected(redis.place, RedisHotOptions(pause=60)) as (store, _, _):
        store.write(b"a", b"1", 60)
        await written(store)
        redis.kill()
        redis.start()
        store.write(b"b", b"1", 60)
        await written(store)
    assert redis.command("EXISTS", "wardgate:b") == b":1"


async def test_room_is_given_back(redis: RedisServer) -> None:
    """By what was replaced while it waited, and by what was written."""
    options = replace(PATIENT, waiting_bytes=100)
    async with connected(redis.place, options) as (store, told, _):
        for number in range(20):
            store.write(b"a", b"x" * 60, 60)
            store.write(b"a", b"y" * 60, 60)
            await written(store)
            store.write(b"b%d" % number, b"x" * 60, 60)
            await written(store)
        assert told.events[HotEvent.DROPPED] == 0


async def test_the_newest_writes_wait_for_a_redis_that_is_down() -> None:
    """Bounded by number and by bytes; each that is dropped is counted, and nothing here blocks."""
    nobody = StorePlace("127.0.0.1", 9)
    async with connected(nobody, RedisHotOptions(waiting=10, waiting_bytes=50), wait=False) as (store, told, _):
        for number in range(100):
            store.write(b"%d" % number, b"x", 60)
        assert store.unwritten == 10 and told.events[HotEvent.DROPPED] == 90
        store.write(b"long", b"x" * 49, 60)
        assert store.unwritten == 2
        assert await store.read([b"99"]) is None and await store.claim(b"c", 60) is None


async def test_tls_and_its_certificate() -> None:
    """A certificate that is not trusted is no connection; with its authority named, all is as without TLS."""
    with RedisServer(tls=True) as server:
        async with connected(server.place) as (store, _, _):
            store.write(b"a", b"1", 60)
            await written(store)
            assert await store.read([b"a"]) == [b"1"]
        async with connected(replace(server.place, ca=None), wait=False) as (store, told, _):
            await until(lambda: told.news == [False])
            assert not store.up and await store.read([b"a"]) is None


@pytest.mark.parametrize("user, password", [(USER, "wrong"), ("nobody", PASSWORD), (None, None)])
async def test_a_stranger_is_let_down_quietly(redis: RedisServer, user: str | None, password: str | None) -> None:
    """A wrong word, an unknown user, or none: the store is down, and says nothing more."""
    async with connected(replace(redis.place, user=user, password=password), wait=False) as (store, told, _):
        await until(lambda: told.news == [False])
        assert not store.up and await store.read([b"a"]) is None


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"$-99\r\n", b"*1\r\n:5\r\n", b"+OK\r\n", b""])
async def test_something_else_than_redis(answer: bytes) -> None:
    """Garbage, the wrong shape, a closed door: down, without an exception; asked again after a pause, not at once."""

    asked: list[float] = []

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(100):
            asked.append(asyncio.get_running_loop().time())
        writer.write(answer)
        writer.close()

    listener = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with listener:
        place = StorePlace("127.0.0.1", listener.sockets[0].getsockname()[1])
        async with connected(place, RedisHotOptions(pause=0.1), wait=False) as (store, _, _):
            await until(lambda: len(asked) > 4)
            assert asked[4] - asked[0] > 0.2
            assert not store.up and await store.read([b"a"]) is None


def test_the_page_names_the_rights_that_are_tried_here() -> None:
    """So that an operator's user may do what the store does, and no more."""
    page = Path(__file__).parents[2] / "docs" / "stores.md"
    assert f"user gateway on >PASSWORD {RIGHTS}\n" in page.read_text(encoding="utf-8")


def test_nothing_of_the_place_is_printed() -> None:
    """The password is in no representation."""
    assert PASSWORD not in repr(StorePlace("h", user=USER, password=PASSWORD))


async def test_what_waited_for_redis_does_not_replace_what_another_replica_wrote_later(redis: RedisServer) -> None:
    """Nor does it give way to what is older, forged, or there in place of nothing."""
    keys = [b"later", b"earlier", b"forged", b"large"]
    async with connected(redis.place) as (other, _, clock):
        other.write(b"earlier", b"of the other", 60)
        other.write(b"large", b"of the other", 60)
        redis.command("SET", PREFIX + b"forged", b"x" * 100)
        clock.advance(1)
        waiting = RedisHotStore(redis.place, SEALS, clock.now, Told(), options=PATIENT)
        for key in keys[:3]:
            waiting.write(key, b"waited", 60)
        waiting.write(b"large", b"x" * (PATIENT.max_value + 1), 60)
        clock.advance(1)
        other.write(b"later", b"of the other", 60)
        await written(other)
        task = asyncio.get_running_loop().create_task(waiting.run())  # now it reaches Redis
        await written(waiting)
        assert await other.read(keys) == [b"of the other", b"waited", b"waited", None]
        waiting.write(b"later", b"newest", 60)
        await written(waiting)
        assert await other.read([b"later"]) == [b"newest"]
        task.cancel()
        await asyncio.wait([task])
