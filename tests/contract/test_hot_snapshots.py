"""One suite for every hot copy of what was decided: in process, and in a real Redis; and what Redis may do to it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
import pytest

from tests.fakes.redis_server import RedisServer
from tests.fakes.snapshots import OTHERS, SEALER, ceiling, kept, snapshot
from wardgate.adapters.memory.snapshots import MemorySnapshots
from wardgate.adapters.redis.snapshots import NEWS, SNAPSHOT, RedisSnapshotOptions, RedisSnapshots
from wardgate.control.ports import HotCopy, KeptSnapshot, StoreUnavailable
from wardgate.domain.hot import StorePlace

PATIENT = RedisSnapshotOptions(connect=10, wait=10, pause=0.05, silence=0.3)


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.fixture
def redis(server: RedisServer) -> RedisServer:
    """Empty, and awake."""
    server.command("FLUSHALL")
    return server


@contextmanager
def copy_in(place: StorePlace, options: RedisSnapshotOptions = PATIENT) -> Iterator[RedisSnapshots]:
    copy = RedisSnapshots(place, SEALER.is_sound, options)
    yield copy
    copy.close()


@pytest.fixture(params=["memory", "redis"])
def copy(request: pytest.FixtureRequest) -> Iterator[HotCopy]:
    if request.param == "memory":
        yield MemorySnapshots()
        return
    redis: RedisServer = request.getfixturevalue("redis")
    with copy_in(redis.place) as made:
        yield made


class Heard:
    """A thread that listens."""

    def __init__(self, copy: RedisSnapshots) -> None:
        self.news, self.up = threading.Semaphore(0), list[bool]()
        self._copy = copy
        self._thread = threading.Thread(target=copy.listen, args=(self.news.release, self.up.append), daemon=True)

    def __enter__(self) -> "Heard":
        self._thread.start()
        assert self.soon()
        return self

    def __exit__(self, *error: object) -> None:
        self._copy.close()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def soon(self, seconds: float = 60.0) -> bool:
        return self.news.acquire(timeout=seconds)


def eventually(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_an_empty_copy_has_nothing(copy: HotCopy) -> None:
    assert copy.get() is None and list(copy.lowered()) == []
    copy.forget([])
    copy.forget([ceiling().id])


def test_a_copy_gives_what_was_put(copy: HotCopy) -> None:
    copy.put(kept(1))
    assert copy.get() == kept(1)
    copy.put(kept(2))
    assert copy.get() == kept(2)


def test_an_earlier_snapshot_replaces_no_later_one(copy: HotCopy) -> None:
    """Two that write at once, of whom the second one was first."""
    copy.put(kept(2))
    copy.put(kept(1))
    assert copy.get() == kept(2)


def test_ceilings_stand_beside_it_until_they_are_forgotten(copy: HotCopy) -> None:
    sealed = [SEALER.seal_ceiling(ceiling(number)) for number in (1, 2)]
    copy.lower(sealed[0], ceiling(1).id)
    copy.lower(sealed[1], ceiling(2).id)
    copy.lower(sealed[1], ceiling(2).id)
    assert sorted(copy.lowered()) == sorted(sealed)
    copy.forget([ceiling(1).id])
    assert list(copy.lowered()) == [sealed[1]] and copy.get() is None


def test_the_copy_in_process_tells_at_once() -> None:
    told: list[int] = []
    copy = MemorySnapshots(lambda: told.append(1))
    copy.put(kept(1))
    copy.lower(b"sealed", "id")
    assert len(told) == 2


# --- Redis ------------------------------------------------------------------------------------------------------------


def test_what_somebody_else_wrote_is_replaced_by_any(redis: RedisServer) -> None:
    """A forged snapshot of a far epoch must not keep ours out for ever."""
    forged = (
        msgspec.msgpack.encode(OTHERS.seal(snapshot(10**9))),
        msgspec.msgpack.encode(KeptSnapshot(10**9, kept(3).document, kept(3).mac)),
        b"\xc1garbage",
        b"",
    )
    with copy_in(redis.place) as copy:
        for value in forged:
            redis.command("SET", SNAPSHOT, value)
            standing = copy.get()
            assert standing is not None and not SEALER.is_sound(standing)
            copy.put(kept(3))
            assert copy.get() == kept(3)


def test_something_huge_is_not_taken(redis: RedisServer) -> None:
    with copy_in(redis.place, RedisSnapshotOptions(largest=10_000, ceilings=20)) as copy:
        redis.command("SET", SNAPSHOT, b"x" * 10_001)
        standing = copy.get()
        assert standing is not None and not SEALER.is_sound(standing)
        for number in range(21):
            copy.lower(SEALER.seal_ceiling(ceiling(number)), ceiling(number).id)
        with pytest.raises(StoreUnavailable):
            copy.lowered()


def test_a_value_of_another_kind_is_no_answer(redis: RedisServer) -> None:
    redis.command("LPUSH", SNAPSHOT, "x")
    with copy_in(redis.place) as copy, pytest.raises(StoreUnavailable):
        copy.get()


def test_every_listener_hears_of_each_change(redis: RedisServer) -> None:
    with copy_in(redis.place) as writer, copy_in(redis.place) as one, copy_in(redis.place) as other:
        with Heard(one) as first, Heard(other) as second:
            for change in range(1, 4):
                writer.put(kept(change))
                assert first.soon() and second.soon()
            writer.lower(SEALER.seal_ceiling(ceiling()), ceiling().id)
            assert first.soon() and second.soon()
            assert first.up == [True]


def test_many_that_write_at_once_leave_the_latest(redis: RedisServer) -> None:
    with copy_in(redis.place) as copy:

        def put(start: int) -> None:
            for epoch in range(start, 80, 4):
                copy.put(kept(epoch))

        writers = [threading.Thread(target=put, args=(start,)) for start in (1, 2, 3, 4)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert copy.get() == kept(79)


def test_who_lost_the_channel_listens_again_and_looks(redis: RedisServer) -> None:
    """What was said meanwhile was not heard, so there may be news."""
    with copy_in(redis.place) as copy, Heard(copy) as heard:
        redis.kill()
        eventually(lambda: heard.up[-1] is False)
        redis.start()
        assert heard.soon()
        assert heard.up[-1] is True
        copy.put(kept(1))
        assert heard.soon()


def test_a_redis_that_falls_silent_is_noticed(redis: RedisServer) -> None:
    options = RedisSnapshotOptions(connect=0.3, wait=0.3, pause=0.05, silence=0.2)
    with copy_in(redis.place, options) as copy, Heard(copy) as heard:
        redis.hang()
        try:
            began = time.monotonic()
            with pytest.raises(StoreUnavailable) as unavailable:
                copy.get()
            assert time.monotonic() - began < 5
            assert "127.0.0.1" not in unavailable.value.meaning and "gateway" not in unavailable.value.meaning
            eventually(lambda: heard.up[-1] is False)
        finally:
            redis.wake()
        assert heard.soon()
        copy.put(kept(1))
        assert copy.get() == kept(1)


def test_a_user_without_the_right_to_listen_is_told_so(redis: RedisServer) -> None:
    """It polls: nothing else depends on the channel."""
    redis.command("ACL", "SETUSER", "gateway", "-subscribe")
    try:
        with copy_in(redis.place) as copy:
            up: list[bool] = []
            thread = threading.Thread(target=copy.listen, args=(lambda: None, up.append), daemon=True)
            thread.start()
            eventually(lambda: up[:1] == [False])
            copy.put(kept(1))
            assert copy.get() == kept(1)
            copy.close()
            thread.join(10)
    finally:
        redis.command("ACL", "SETUSER", "gateway", "+subscribe")


def test_what_anybody_says_on_the_channel_is_no_more_than_a_reason_to_look(redis: RedisServer) -> None:
    with copy_in(redis.place) as copy, Heard(copy) as heard:
        redis.command("PUBLISH", NEWS, b"\xff" * 5000)
        assert heard.soon()
        assert copy.get() is None
