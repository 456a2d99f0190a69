"""Whether a mark stands in some bytes: as it is, in capitals, in base64, in hexadecimal, in UTF-16, as a binary number.

What is compressed or encrypted has to be opened before it is searched.
"""

import re
import struct
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from wardgate.lab.canary.marks import BIRTH_DATE, DIGITS, TEXT, Marks

_AROUND = 60


@dataclass(frozen=True, slots=True)
class Leak:
    """`where` is the place in the request that the mark was planted in, if the mark itself says so."""

    sink: str
    found: str
    where: str
    around: str


def search(sink: str, data: bytes, marks: Marks) -> list[Leak]:
    """Every mark in what a sink holds; `sink` is a name for the report."""
    leaks = [_leak(sink, data, found, marks) for found in _ANY.finditer(data)]
    numbers = _binary(marks.numbers)
    return leaks if numbers is None else leaks + [_leak(sink, data, found, marks) for found in numbers.finditer(data)]


def _leak(sink: str, data: bytes, found: re.Match[bytes], marks: Marks) -> Leak:
    around = data[max(found.start() - _AROUND, 0) : found.end() + _AROUND].decode("latin-1")
    text = found[0].decode("latin-1")
    return Leak(sink, text, marks.planted.get(text.lower(), ""), around)


def _forms(constant: str) -> Iterator[bytes]:
    plain = constant.encode()
    yield re.escape(plain)
    yield plain.hex().encode()
    yield re.escape(constant.encode("utf-16-le")[:-1])
    for shift in range(3):
        # Of the base64 of any text that holds the constant, the part that depends on nothing else.
        encoded = b64encode(b"\0" * shift + plain + b"\0\0\0")
        first = -(-shift * 4 // 3)
        yield re.escape(encoded[first : (shift + len(plain)) * 4 // 3])


def _pattern() -> re.Pattern[bytes]:
    text = rb"(?i:" + re.escape(TEXT.encode()) + rb"[0-9]{6}v)"
    others = [form for constant in (TEXT, DIGITS, BIRTH_DATE) for form in _forms(constant)]
    return re.compile(b"|".join([text, re.escape(bytes.fromhex(DIGITS)), *others]))


def _binary(numbers: Iterable[float]) -> re.Pattern[bytes] | None:
    forms = {struct.pack(form, number) for number in numbers for form in ("<d", ">d")}
    return re.compile(b"|".join(map(re.escape, sorted(forms)))) if forms else None


_ANY = _pattern()
