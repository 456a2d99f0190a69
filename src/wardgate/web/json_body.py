"""Bytes → a decoded body, or a `BadRequest` in a sentence of our own: a parser's message might quote what it met.

Order, cheapest first: nesting, UTF-8, JSON, the types of what is read.
"""

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from wardgate.domain.errors import BadRequest
from wardgate.web.depth import deeper_than

T = TypeVar("T")

_BOM = b"\xef\xbb\xbf"
_ERROR_PATH = re.compile(r"at `\$\.([A-Za-z0-9_.\[\]]+)`$")
_ERROR_BYTE = re.compile(r"\(byte (\d+)\)$")


def decode_body(body: bytes, max_depth: int, decode: Callable[[bytes], T], types: Mapping[str, str]) -> T:
    """`types` says by element what it must be; an element that is not in it is the body itself."""
    if body.startswith(_BOM):
        body = body[len(_BOM) :]
    if deeper_than(max_depth, body):
        raise BadRequest(f"The body is nested deeper than {max_depth} levels.")
    try:
        if not body.isascii():
            body.decode()  # msgspec does not look into what it skips or keeps raw
        return decode(body)
    except UnicodeDecodeError:
        raise BadRequest("The body is not valid UTF-8.") from None
    except msgspec.ValidationError as error:
        element = element_of(error)
        if element not in types:
            raise BadRequest("The body must be a JSON object.") from None
        raise BadRequest(f"{element} must be {types[element]}.", element) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise _malformed(error) from None


def element_of(error: msgspec.ValidationError) -> str:
    """The path of what has the wrong type, "" for the whole."""
    path = _ERROR_PATH.search(str(error))
    return path.group(1) if path else ""


def _malformed(error: Exception) -> BadRequest:
    place = _ERROR_BYTE.search(str(error))
    return BadRequest("The body is not well-formed JSON" + (f" (byte {place.group(1)})." if place else "."))
