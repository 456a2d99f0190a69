"""Reads a request's body within bounds of type, size and time, and refuses everything else (law 1)."""

from collections.abc import Mapping

from wardgate.domain import errors
from wardgate.resilience.timer import Timer
from wardgate.web.asgi import Message, Receive

Headers = Mapping[bytes, bytes]

_COMMON = frozenset({b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"})
_JSON_TYPES = frozenset({"application/json", "application/fhir+json"})
_UTF8 = frozenset({"utf-8", "utf8"})
_LONGEST_LENGTH = 18  # digits; more than any body, and few enough to convert at once
_DRAIN_BODIES = 4


class Unfinished:
    """The bytes of all bodies that have begun and not ended: so many that slow uploads cannot fill the memory."""

    def __init__(self, most: int = 64 * 1024 * 1024) -> None:
        self.left = most


class Disconnected(Exception):
    """The client went away before its request was complete: nobody is left to answer."""


def require_json(headers: Headers) -> None:
    """Refuses all but uncompressed JSON in UTF-8 (RFC 8259 §8.1); other parameters of the type are ignored."""
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise errors.MediaType("Send the body without Content-Encoding.")
    content_type = headers.get(b"content-type", b"")
    if content_type not in _COMMON and not _is_json(content_type.decode("latin-1").lower()):
        raise errors.MediaType("Send the body as Content-Type application/json, in UTF-8.")


def _is_json(content_type: str) -> bool:
    name, *parameters = (part.strip() for part in content_type.split(";"))
    pairs = (parameter.partition("=") for parameter in parameters)
    charsets = [value.strip().strip('"') for key, _, value in pairs if key.strip() == "charset"]
    return name in _JSON_TYPES and _UTF8.issuperset(charsets)


def refuse_length(headers: Headers, max_body: int) -> None:
    """Refuses by the declared length, before a byte is read; a client that asked first never sends it."""
    length = headers.get(b"content-length", b"")
    if length.isdigit() and (len(length) > _LONGEST_LENGTH or int(length) > max_body):
        raise _too_large(max_body)


async def read_body(receive: Receive, max_body: int, seconds: float, unfinished: Unfinished) -> bytes:
    """The whole body, at most `max_body` bytes, complete within `seconds` of its head. Raises Overloaded where too
    much is unfinished."""
    message = _at_once(receive)
    body: bytes = b"" if message is None else _request(message).get("body", b"")
    if message is None or message.get("more_body", False):  # seldom: a timer for each call would cost 2 µs
        try:
            with Timer(seconds):
                body = await _rest(receive, body, max_body, unfinished)
        except TimeoutError:
            raise errors.UploadTimeout(f"The body did not arrive within {seconds:g} seconds.") from None
    if len(body) > max_body:
        raise _too_large(max_body)
    return body


async def _rest(receive: Receive, begun: bytes, max_body: int, unfinished: Unfinished) -> bytes:
    chunks, size, more = [begun], len(begun), True
    unfinished.left -= size
    try:
        while more and size <= max_body:
            if size and unfinished.left < 0:
                raise errors.Overloaded("Too many uploads are under way; call again in a moment.")
            message = await _next(receive)
            chunk: bytes = message.get("body", b"")
            more = message.get("more_body", False)
            chunks.append(chunk)
            size += len(chunk)
            unfinished.left -= len(chunk)
    finally:
        unfinished.left += size
    return b"".join(chunks)


def gone(receive: Receive) -> bool:
    """Whether the client has hung up, of a request that has been read to its end and not been answered; at once."""
    message = _at_once(receive)
    return message is not None and message["type"] == "http.disconnect"


def _at_once(receive: Receive) -> Message | None:
    """What there is to tell already."""
    told = receive().__await__()
    try:
        next(told)
    except StopIteration as done:
        message: Message = done.value
        return message
    told.close()
    return None


async def _next(receive: Receive) -> Message:
    return _request(await receive())


def _request(message: Message) -> Message:
    if message["type"] != "http.request":
        raise Disconnected
    return message


async def drain(receive: Receive, max_body: int, seconds: float) -> bool:
    """Reads on after a refusal, for a while, and throws it away; whether the end was reached.

    A socket that is closed with unread bytes in it is reset, and then a client that is still sending never
    sees why it was refused (RFC 9112 §9.6).
    """
    left, more = _DRAIN_BODIES * max_body, True
    try:
        with Timer(seconds):
            while more and left > 0:
                message = await _next(receive)
                left -= len(message.get("body", b""))
                more = message.get("more_body", False)
    except (TimeoutError, Disconnected):
        return False
    return not more


def _too_large(max_body: int) -> errors.TooLarge:
    return errors.TooLarge(f"The body is larger than {max_body} bytes.")
