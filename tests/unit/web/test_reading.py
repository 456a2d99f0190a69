"""What is read at all: media types, charsets, lengths; and a body, however it comes."""

import asyncio
from collections.abc import Sequence

import pytest

from wardgate.domain.errors import MediaType, TooLarge, UploadTimeout
from wardgate.web.asgi import Message
from wardgate.web.reading import Disconnected, Unfinished, read_body, refuse_length, require_json


@pytest.mark.requirement("INV-11")
@pytest.mark.parametrize(
    "content_type",
    [
        b"application/json",
        b"application/fhir+json",
        b"Application/JSON",
        b"application/json; charset=UTF-8",
        b'application/json;charset="utf-8"',
        b"application/json ; fhirVersion=4.0 ; charset = utf-8",
        b"application/json;",
    ],
)
def test_json_in_utf8_is_read(content_type: bytes) -> None:
    """Case, spaces and unknown parameters do not matter (INV-11)."""
    require_json({b"content-type": content_type, b"content-encoding": b"identity"})


@pytest.mark.parametrize(
    "content_type",
    [b"", b"text/plain", b"application/jsonp", b"application/json; charset=utf-16", b"text/json", b"\xff\xfe", b";"],
)
def test_other_media_types_are_refused(content_type: bytes) -> None:
    """Another type, another charset, or none at all."""
    with pytest.raises(MediaType):
        require_json({b"content-type": content_type})


def test_a_compressed_body_is_refused() -> None:
    """A small body that unpacks to a large one never gets that far."""
    with pytest.raises(MediaType):
        require_json({b"content-type": b"application/json", b"content-encoding": b"gzip"})


@pytest.mark.parametrize(("length", "refused"), [(b"100", False), (b"101", True), (b"9" * 5000, True), (b"", False)])
def test_the_declared_length_counts(length: bytes, refused: bool) -> None:
    """A body at the limit is read; one above it is refused unread, however many digits its length has."""
    if refused:
        with pytest.raises(TooLarge):
            refuse_length({b"content-length": length}, 100)
    else:
        refuse_length({b"content-length": length}, 100)


class _Upload:
    """Its pieces, the first of them `waits` turns of the loop late, as a server hands them over: one event says that
    there is something to tell."""

    def __init__(self, pieces: Sequence[bytes], waits: int) -> None:
        self._messages: list[Message] = [
            {"type": "http.request", "body": piece, "more_body": number < len(pieces)}
            for number, piece in enumerate(pieces, 1)
        ]
        self._waits = waits

    async def receive(self) -> Message:
        while self._waits:
            self._waits -= 1
            await asyncio.sleep(0)
        return self._messages.pop(0) if self._messages else {"type": "http.disconnect"}


@pytest.mark.parametrize("waits", [0, 1, 3])
@pytest.mark.parametrize("pieces", [[b"abcdef"], [b"abc", b"def"], [b"", b"abcdef"], [b"ab", b"", b"cd", b"ef"]])
async def test_a_body_is_read_whole_however_it_comes(pieces: Sequence[bytes], waits: int) -> None:
    """At once, later, in pieces: what was looked for and was not there yet is not lost."""
    unfinished = Unfinished(6)
    assert await read_body(_Upload(pieces, waits).receive, 6, 1.0, unfinished) == b"abcdef"
    assert unfinished.left == 6
    with pytest.raises(TooLarge):
        await read_body(_Upload(pieces, waits).receive, 5, 1.0, unfinished)


async def test_a_body_that_is_there_needs_no_time_and_one_that_is_not_has_its_own() -> None:
    """408 only where somebody waited; whoever went away is not waited for."""
    assert await read_body(_Upload([b"abc"], 0).receive, 9, 0.0, Unfinished()) == b"abc"
    with pytest.raises(UploadTimeout):
        await read_body(_Upload([b"abc"], 10**6).receive, 9, 0.01, Unfinished())
    for waits in (0, 1):
        with pytest.raises(Disconnected):
            await read_body(_Upload([], waits).receive, 9, 1.0, Unfinished())
