"""One connection to Redis: commands out in one write, their replies back in order. redis-py's errors end here."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import hiredis
from redis.asyncio.connection import Connection, SSLConnection
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError

from wardgate.domain.hot import Refusal, StorePlace

Command = tuple[bytes, ...]

PREFIX = b"wardgate:"
"""Before every key: what an ACL rule names (`~wardgate:*`)."""


class Lost(Exception):
    """The connection is of no use any more; `denied`: since we are not let in, or not allowed to read. Says nothing
    else: the library's messages name hosts and users."""

    def __init__(self, denied: bool = False) -> None:
        super().__init__("denied" if denied else "lost")
        self.denied = denied


@dataclass(frozen=True, slots=True)
class Refused:
    """Redis understood a command and did not carry it out."""

    why: Refusal = Refusal.OTHER


REFUSED: Final = Refused()


class RedisLine:
    """`connect` is how many seconds the TCP connection, and its closing, may take."""

    def __init__(self, place: StorePlace, connect: float) -> None:
        self._connection = _connection(place, connect)

    @property
    def is_open(self) -> bool:
        return bool(self._connection.is_connected)

    async def open(self) -> None:
        """Connect and log in; nothing where that was done before."""
        try:
            await self._connection.connect()  # type: ignore[no-untyped-call]
        except _DENIALS:
            raise Lost(denied=True) from None
        except Exception:  # garbage in place of a greeting makes the libraries raise what they do not declare
            raise Lost from None

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """The replies, REFUSED in place of an error. Raises Lost; a cancelled exchange closes the connection, since
        whose reply came next would not be known."""
        connection = self._connection
        if not self.is_open:
            raise Lost
        packed = b"".join([_packed(command) for command in commands])
        replies: list[Any] = []
        try:
            await connection.send_packed_command(packed, check_health=False)
            for _ in commands:
                try:
                    replies.append(await connection.read_response(timeout=math.inf))
                except RedisConnectionError:  # some of these are error replies: still loading, no longer logged in
                    raise
                except ResponseError as error:
                    replies.append(Refused(_why(error)))
        except _DENIALS:  # a user who was taken away meanwhile
            await self.close()
            raise Lost(denied=True) from None
        except Exception:  # as in `open`
            await self.close()
            raise Lost from None
        return replies

    async def close(self) -> None:
        try:
            await self._connection.disconnect(nowait=True)
        except Exception:  # it is gone, whatever became of the farewell
            return


_packed: Callable[[Command], bytes] = hiredis.pack_command  # type: ignore[assignment] # typed for one argument alone


_DENIALS = (AuthenticationError, AuthorizationError, NoPermissionError)
_BY_CLASS = {
    OutOfMemoryError: Refusal.MEMORY,
    ReadOnlyError: Refusal.READ_ONLY,
    NoPermissionError: Refusal.RIGHT,
}
_BY_CODE = {"MISCONF": Refusal.DISK, "NOREPLICAS": Refusal.REPLICAS}
"""What the library has no class for: the first word of the reply."""


def _why(error: ResponseError) -> Refusal:
    return _BY_CLASS.get(type(error)) or _BY_CODE.get(str(error).partition(" ")[0], Refusal.OTHER)


def _connection(place: StorePlace, connect: float) -> Connection:
    common: dict[str, Any] = {
        "host": place.host,
        "port": place.port,
        "db": place.database,
        "username": place.user,
        "password": place.password,
        "socket_timeout": None,  # whoever asks holds the timer
        "socket_connect_timeout": connect,
        "protocol": 2,  # nothing of RESP3 is used, and a login is then one command
        "driver_info": None,  # CLIENT SETINFO would need a right of its own
    }
    if not place.tls:
        return Connection(**common)
    connection = SSLConnection(
        ssl_ca_certs=place.ca, ssl_certfile=place.certificate, ssl_keyfile=place.key, ssl_check_hostname=True, **common
    )
    connection.ssl_context.get()  # built once, and a file that is none stops the start
    return connection


def values_of(reply: Any, number: int) -> list[Any]:
    """Raises Lost for what is no reply to MGET: a user without the right, or something that is no Redis."""
    if isinstance(reply, Refused):
        raise Lost(denied=reply.why is Refusal.RIGHT)
    if not isinstance(reply, list) or len(reply) != number:
        raise Lost
    if not all([item is None or isinstance(item, bytes) for item in reply]):
        raise Lost
    return reply


def milliseconds(seconds: float) -> bytes:
    return b"%d" % max(1, math.ceil(seconds * 1000))
