"""What is read at all: media types, charsets, lengths."""

import pytest

from wardgate.domain.errors import MediaType, TooLarge
from wardgate.web.reading import refuse_length, require_json


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
