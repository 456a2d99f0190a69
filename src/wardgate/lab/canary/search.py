"""Whether a mark stands in some bytes, in whatever way a program may have written it.

As it is, in capitals, in UTF-16; escaped for JSON, a URL or HTML; in base64 and hexadecimal; a number also rounded to
six digits or more, and as the eight bytes of a double; a date and a time in the forms of people and of clocks. What was
deflated (gzip, zlib) is opened first; what is encrypted cannot be.
"""

import re
import struct
import zlib
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from wardgate.lab.canary.marks import Marks

_AROUND = 60
_MOST_OPENED = 64 * 1024 * 1024
_DEEPEST = 3
_SIGNIFICANT = 6
"""Digits of a number that must be right before it is called a leak."""
_DECIMALS_OF_TIMES = 3
"""Milliseconds are told with so many: among 100,000 calls one takes 105.284, by chance."""


@dataclass(frozen=True, slots=True)
class Leak:
    """`where` is the place in the request that the mark was planted in, if the mark itself says so."""

    sink: str
    found: str
    where: str
    around: str


def search(sink: str, data: bytes, marks: Marks, deep: int = _DEEPEST) -> list[Leak]:
    """Every mark in what a sink holds; `sink` is a name for the report."""
    lowered = data.lower()
    places = {place for form in _forms_of_texts(marks) for place in _all(lowered, form)}
    places |= {place for form in _forms_of_base64(marks) for place in _all(data, form)}
    places |= {place for form in _forms_of_bytes(marks) for place in _all(data, form)}
    places |= set(_rounded(data, marks))
    leaks = [_leak(sink, data, place, marks) for place in sorted(places)]
    if deep > 0:
        for inner in _opened(data):
            leaks += search(f"{sink}, opened", inner, marks, deep - 1)
    return leaks


def _all(data: bytes, form: bytes) -> Iterator[int]:
    place = data.find(form)
    while place >= 0:
        yield place
        place = data.find(form, place + 1)


def _leak(sink: str, data: bytes, place: int, marks: Marks) -> Leak:
    around = data[max(place - _AROUND, 0) : place + _AROUND].decode("latin-1")
    found = data[place : place + 16].decode("latin-1")
    return Leak(sink, found, marks.place(data[place : place + 64].decode("latin-1")), around)


def _forms_of_texts(marks: Marks) -> set[bytes]:
    """In lower case."""
    escapes = ("\\u%04x", "%%%02x", "&#%d;", "&#x%02x;", "\\x%02x")
    forms = {"".join(escape % ord(each) for each in marks.tag).encode() for escape in escapes}
    for constant in _constants(marks):
        forms |= {constant.encode(), constant.encode().hex().encode(), constant.encode("utf-16-le")[:-1]}
    for date in marks.dates:
        year, month, day = date.split("-")
        written = (f"{year}{month}{day}", f"{month}/{day}/{year}", f"{day}/{month}/{year}", f"{day}.{month}.{year}")
        forms |= {each.encode() for each in (*written, f"{year}/{month}/{day}")}
    return forms


def _constants(marks: Marks) -> tuple[str, ...]:
    digits = marks.digits
    return (marks.tag, digits[:10], f"{digits[:8]}-{digits[8:]}", *marks.dates)


def _forms_of_base64(marks: Marks) -> Iterator[bytes]:
    for constant in _constants(marks):
        plain = constant.encode()
        for shift in range(3):
            # Of the base64 of any text that holds the constant, the part that depends on nothing else.
            encoded = b64encode(b"\0" * shift + plain + b"\0\0\0")
            yield encoded[-(-shift * 4 // 3) : (shift + len(plain)) * 4 // 3]


def _forms_of_bytes(marks: Marks) -> set[bytes]:
    """Doubles: of all numbers with the same whole part, the six bytes that they share."""
    forms = {bytes.fromhex(marks.digits)}
    for whole in marks.wholes:
        for last in ("10", "99"):
            number = struct.pack(">d", float(f"{whole}.{marks.digits[:10]}{last}"))[:6]
            forms |= {number, number[::-1]}
    for second in marks.seconds:
        for unit in (1, 1000):
            number = struct.pack(">d", float(f"{second}.{marks.digits[:8]}") * unit)
            forms |= {number, number[::-1]}
    return forms


def _rounded(data: bytes, marks: Marks) -> Iterator[int]:
    """Numbers and times that were cut or rounded: the digits after the point are few, so the rest must agree too."""
    for decimals in range(1, 10):
        least = max(_SIGNIFICANT - decimals, 4 if decimals <= _DECIMALS_OF_TIMES else 1)
        wholes = {str(whole).encode() for whole in marks.wholes if len(str(abs(whole))) >= least}
        fractions = {f"{float('0.' + marks.digits):.{decimals}f}"[1:], f".{marks.digits[:decimals]}"}
        for fraction in fractions if wholes else ():
            for point in _all(data, fraction.encode()):
                before = _WHOLE.search(data, max(point - 20, 0), point)
                if before is not None and before[0] in wholes and not _digit(data, point + len(fraction)):
                    yield before.start()
    times = [datetime.fromtimestamp(second, UTC).strftime("%H:%M:%S") for second in marks.seconds]
    micros = {marks.digits[:6], f"{float('0.' + marks.digits[:8]):.6f}"[2:]}
    for written in {*times, *map(str, marks.seconds)}:
        for mark in (".", ",", ""):
            for micro in micros:
                yield from _all(data, f"{written}{mark}{micro}".encode())


_WHOLE = re.compile(rb"(?<![0-9.])-?[0-9]+\Z")


def _digit(data: bytes, place: int) -> bool:
    return 0 <= place < len(data) and data[place : place + 1] in b"0123456789."


_DEFLATED = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]")


def _opened(data: bytes) -> Iterator[bytes]:
    for found in _DEFLATED.finditer(data):
        opener = zlib.decompressobj(47)  # gzip or zlib, whichever it is
        try:
            inner = opener.decompress(memoryview(data)[found.start() :], _MOST_OPENED)
        except zlib.error:
            continue
        if len(inner) > 8:
            yield inner
