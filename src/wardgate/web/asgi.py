"""The little of ASGI that the edge needs: its types, a response value, and how one is sent."""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

Header = tuple[bytes, bytes]
JSON: Header = (b"content-type", b"application/json")
CLOSE: Header = (b"connection", b"close")


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes = b""
    headers: tuple[Header, ...] = ()

    def start(self, extra: list[Header]) -> Message:
        """The opening message; `extra` headers come on top of the response's own."""
        headers = [*self.headers, *extra]
        if self.status != 204:
            headers.append((b"content-length", b"%d" % len(self.body)))
        return {"type": "http.response.start", "status": self.status, "headers": headers}

    def whole(self, phrase: bytes) -> bytes:
        """The bytes of HTTP/1.1, with a `%b` where further header lines go."""
        lines = [b"HTTP/1.1 %d %b" % (self.status, phrase), *(b"%b: %b" % header for header in self.headers)]
        lines.append(b"content-length: %d" % len(self.body))
        return b"\r\n".join(lines).replace(b"%", b"%%") + b"\r\n%b\r\n" + self.body.replace(b"%", b"%%")


@runtime_checkable
class Doorkeeper(Protocol):
    """An application that may turn a request away once its head is there, before anything is made for it."""

    def turn_away(self, method: bytes, target: bytes, headers: list[Header]) -> bytes | None:
        """The whole response, with `Content-Length` and without `Connection`; None: let it come."""
        ...


def body_message(body: bytes, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}
