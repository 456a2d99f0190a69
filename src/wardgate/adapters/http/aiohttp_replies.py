"""What a server may send around a reply: aiohttp reads on as long as something comes, and the loop stands meanwhile.

A server that says `100 Continue` as fast as it can held up every call for three seconds, whatever this one's time was
(law 1); so did one that sends its body a byte at a time, or nothing but line ends. Here the bytes are taken in slices,
and a connection that brings more packing than reply is over.
"""

from typing import Any

from aiohttp.client_proto import ResponseHandler

_AT_ONCE = 16 * 1024
"""Bytes between two looks; most replies are shorter."""
_MOST_HINTS = 16
"""Interim replies (1xx) before the one that was asked for."""
_MOST_PACKING = 64 * 1024
"""Bytes of heads, and of what stands around the pieces of a body, beyond as many as there are of the body."""


class Replies(ResponseHandler):
    """The protocol of one connection. `number`: the connector's."""

    number = 0

    def __init__(self, loop: Any) -> None:
        super().__init__(loop)
        self._hints = self._wire = 0

    def begin(self) -> None:
        """Another request goes out."""
        self._hints = self._wire = 0

    def data_received(self, data: bytes) -> None:
        if len(data) <= _AT_ONCE:
            self._take(data)
            return
        for at in range(0, len(data), _AT_ONCE):
            if self.transport is None or self.transport.is_closing():
                return
            self._take(data[at : at + _AT_ONCE])

    def feed_data(self, data: Any, size: int = 0) -> None:
        self._wire = 0
        self._hints += data[0].code < 200
        super().feed_data(data, size)

    def _take(self, data: bytes) -> None:
        super().data_received(data)
        self._wire += len(data)
        if self._wire > _MOST_PACKING or self._hints > _MOST_HINTS:
            body = 0 if self._payload is None else self._payload.total_bytes
            if (self._hints > _MOST_HINTS or self._wire > _MOST_PACKING + 2 * body) and self.transport is not None:
                self.transport.abort()
