"""`control.ports.HotCopy` in Redis: a copy of the newest snapshot, the ceilings beside it, and a channel on which every
replica hears that there is news.

Blocking, for threads of the control plane alone: no call ever waits here. What Redis gives back is believed for its
MAC, and what comes over the channel for nothing but that somebody should look.

    wardgate:snapshot      epoch, document and MAC (MessagePack)
    wardgate:ceilings      hash: id of a ceiling → the sealed ceiling
    wardgate:news          channel
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import msgspec
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, WatchError
from redis.retry import Retry

from wardgate.control.ports import KeptSnapshot, StoreUnavailable
from wardgate.domain.hot import StorePlace

SNAPSHOT, CEILINGS, NEWS = "wardgate:snapshot", "wardgate:ceilings", "wardgate:news"
_TRIES = 10
"""That a snapshot is put again where somebody else put one meanwhile."""


@dataclass(frozen=True, slots=True)
class RedisSnapshotOptions:
    connect: float = 1.0
    """Seconds for connecting and logging in."""
    wait: float = 1.0
    """Seconds for a reply."""
    pause: float = 0.5
    """Seconds between two attempts to hear the channel."""
    silence: float = 5.0
    """Seconds without a word after which the channel is asked whether it is still there."""
    largest: int = 4 * 1024**2
    """Bytes of a snapshot; a larger one is not taken."""
    ceilings: int = 1000
    """That are read at most: the lowest of them all is not known where there are more."""


class RedisSnapshots:
    """Thread-safe."""

    def __init__(
        self,
        place: StorePlace,
        is_sound: Callable[[KeptSnapshot], bool],
        options: RedisSnapshotOptions | None = None,
    ) -> None:
        """`is_sound`: whether this deployment wrote it; one that it did not is replaced by any."""
        self._place, self._is_sound = place, is_sound
        self._options = options or RedisSnapshotOptions()
        self._redis = _client(place, self._options)
        self._stop = threading.Event()

    def put(self, kept: KeptSnapshot) -> None:
        encoded = msgspec.msgpack.encode(kept)
        with _told(), self._redis.pipeline() as pipeline:
            for _ in range(_TRIES):
                pipeline.watch(SNAPSHOT)  # type: ignore[no-untyped-call]
                standing = _read(pipeline.get(SNAPSHOT))
                if standing is not None and standing.epoch > kept.epoch and self._is_sound(standing):
                    return
                pipeline.multi()
                pipeline.set(SNAPSHOT, encoded)
                pipeline.publish(NEWS, str(kept.epoch))
                with suppress(WatchError):
                    pipeline.execute()
                    return
        raise StoreUnavailable("others write to the hot store all the time")

    def get(self) -> KeptSnapshot | None:
        """What is no snapshot at all is one that nobody sealed."""
        with _told():
            if self._length(SNAPSHOT) > self._options.largest:
                return KeptSnapshot(0, b"", "")
            return _read(self._redis.get(SNAPSHOT))

    def lower(self, sealed: bytes, ceiling_id: str) -> None:
        with _told(), self._redis.pipeline() as pipeline:
            pipeline.multi()
            pipeline.hset(CEILINGS, ceiling_id, sealed)
            pipeline.publish(NEWS, "ceiling")
            pipeline.execute()

    def lowered(self) -> Sequence[bytes]:
        with _told():
            number: Any = self._redis.hlen(CEILINGS)
            if number > self._options.ceilings:
                raise StoreUnavailable("the hot store holds more ceilings than anybody sets")
            found: Any = self._redis.hvals(CEILINGS)
        return list(found)

    def forget(self, ceiling_ids: Sequence[str]) -> None:
        if ceiling_ids:
            with _told():
                self._redis.hdel(CEILINGS, *ceiling_ids)

    def listen(self, news: Callable[[], None], up: Callable[[bool], None] = lambda up: None) -> None:
        """Until `close`, in a thread of its own: `news` at each word on the channel, and whenever it is heard again,
        since what was said meanwhile was not heard. `up` at each change of whether it is heard."""
        while not self._stop.is_set():
            with suppress(RedisError, OSError, StoreUnavailable):
                self._hear(news, up)
            up(False)
            self._stop.wait(self._options.pause)

    def close(self) -> None:
        self._stop.set()
        self._redis.close()

    def _hear(self, news: Callable[[], None], up: Callable[[bool], None]) -> None:
        client = _client(self._place, self._options)
        with client, client.pubsub() as channel:  # type: ignore[no-untyped-call]
            channel.subscribe(NEWS)
            asked = False
            while not self._stop.is_set():
                said: Any = channel.get_message(timeout=self._options.silence)
                if said is None:
                    if asked:
                        return  # not even an answer: it is gone
                    channel.ping()
                    asked = True
                    continue
                asked = False
                if said["type"] == "subscribe":
                    up(True)
                if said["type"] in ("subscribe", "message"):
                    news()

    def _length(self, name: str) -> int:
        length: Any = self._redis.strlen(name)
        return int(length)


def _read(value: Any) -> KeptSnapshot | None:
    if value is None:
        return None
    try:
        return msgspec.msgpack.decode(value, type=KeptSnapshot)
    except (msgspec.MsgspecError, UnicodeError):
        return KeptSnapshot(0, b"", "")


def _client(place: StorePlace, options: RedisSnapshotOptions) -> "Redis":
    tls: dict[str, Any] = {}
    if place.tls:
        tls = {
            "ssl": True,
            "ssl_ca_certs": place.ca,
            "ssl_certfile": place.certificate,
            "ssl_keyfile": place.key,
            "ssl_check_hostname": True,
        }
    return Redis(
        host=place.host,
        port=place.port,
        db=place.database,
        username=place.user,
        password=place.password,
        socket_timeout=options.wait,
        socket_connect_timeout=options.connect,
        retry=Retry(NoBackoff(), 1),  # a pooled connection that died meanwhile
        protocol=2,
        driver_info=None,  # as in `line`
        **tls,
    )


@contextmanager
def _told() -> Iterator[None]:
    """The library's messages name hosts and users."""
    try:
        yield
    except (RedisError, OSError):
        raise StoreUnavailable("the hot store does not answer, or does not let this user do what it has to") from None
