"""What the model protocols share: a body that waits for its numbers, and numbers that are believed.

A protocol's file says which document goes out and where in the reply the outputs stand; how a number is written, read
and refused is said here, once.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from wardgate.domain.errors import ModelUnavailable
from wardgate.domain.inference.endpoint import Endpoint, InputSpec, ModelReply, OutputSpec
from wardgate.domain.outcomes import Reason

T = TypeVar("T")

_encode = msgspec.json.encode


class ModelWire(msgspec.Struct, frozen=True):
    """One endpoint in the terms of its protocol: everything about it that is known before a call."""

    infer_url: str
    ready_url: str
    ready: range  # the statuses of `ready_url` that mean ready
    body: Callable[[tuple[float, ...]], bytes]  # of the numbers in the order of `inputs.order`
    read: Callable[[bytes, str], ModelReply]  # of the body of a 200 and the mark; raises ModelUnavailable
    marked: bool = False  # whether a request carries a mark of its own that its reply must bear


def with_mark(body: bytes, mark: str) -> bytes:
    """A JSON object with a member `id` more; the mark is letters, digits and `-`."""
    return b'%b,"id":"%b"}' % (body[:-1], mark.encode())


def without_mark(body: bytes) -> tuple[bytes, bytes]:
    """What `with_mark` was given: the body, and the mark."""
    before, _, mark = body.removesuffix(b'"}').rpartition(b',"id":"')
    return before + b"}", mark


# --- out ------------------------------------------------------------------------------------------------------------


def slot(number: int) -> msgspec.Raw:
    """Stands in a document where the number of an input (from 0, in the order of `inputs.order`) will stand."""
    return msgspec.Raw(b"\x00%d\x00" % number)  # written as it is; elsewhere in JSON a NUL is escaped


def body_writer(document: Any, spec: InputSpec) -> Callable[[tuple[float, ...]], bytes]:
    """Everything but the numbers is encoded here, so only the numbers are encoded for a call.

    They take their places as whole JSON numbers: nothing that comes from a patient can be anything else.
    """
    pieces = re.split(rb"\x00(\d+)\x00", _encode(document))
    template = b"%b".join(piece.replace(b"%", b"%%") for piece in pieces[::2])
    slots = tuple(int(number) for number in pieces[1::2])
    in_order = slots == tuple(range(len(spec.order)))
    numbers = tuple(_NUMBERS[datatype] for datatype in datatypes(spec))
    floats = all(number is float for number in numbers)

    def body(values: tuple[float, ...]) -> bytes:
        typed = values if floats else [number(value) for number, value in zip(numbers, values, strict=True)]
        written = _encode(typed)[1:-1].split(b",")
        return template % tuple(written if in_order else [written[number] for number in slots])

    return body


def datatypes(spec: InputSpec) -> tuple[str, ...]:
    """In the order of `order`."""
    return tuple(spec.datatypes.get(name, spec.datatype) for name in spec.order)


def _whole(value: float) -> int:
    # Not sent: MLflow cuts a fraction off and answers for another patient.
    if value != int(value) or abs(value) >= 2**63:
        raise ModelUnavailable(Reason.MODEL_REFUSED)
    return int(value)


def _flag(value: float) -> bool:
    if value not in (0, 1):
        raise ModelUnavailable(Reason.MODEL_REFUSED)
    return value == 1


_NUMBERS: Mapping[str, Callable[[float], float | int | bool]] = {
    "FP64": float,
    "FP32": float,
    "FP16": float,
    "INT64": _whole,
    "INT32": _whole,
    "BOOL": _flag,
}


# --- in -------------------------------------------------------------------------------------------------------------


def decoded(decode: Callable[[bytes], T], body: bytes) -> T:
    """What `decode` (msgspec's) makes of a body, or the reason why it makes nothing of it."""
    try:
        return decode(body)
    except msgspec.ValidationError:
        raise ModelUnavailable(Reason.REPLY_MALFORMED) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # a text that is not UTF-8 raises the second
        raise ModelUnavailable(_why_undecodable(body)) from None


def _why_undecodable(body: bytes) -> Reason:
    """NaN and Infinity are not JSON, yet common servers write them: tell them from garbage and from half a body."""
    try:
        json.loads(body.decode())  # not the bytes: there, a byte order mark would pass
    except json.JSONDecodeError:
        cut = body.lstrip()[:1] == b"{" and body.rstrip()[-1:] != b"}"
        return Reason.REPLY_TRUNCATED if cut else Reason.REPLY_MALFORMED
    except (ValueError, RecursionError):
        return Reason.REPLY_MALFORMED
    return Reason.REPLY_NOT_FINITE


Row = Sequence[Any]
"""What the reply says of one patient under one name, not yet believed."""


def reply_of(endpoint: Endpoint, find: Callable[[OutputSpec], Row | None]) -> ModelReply:
    """The declared outputs; `find` gives the row under an output's name, None where the reply has none."""
    contributions = None
    if endpoint.contributions is not None and (row := find(endpoint.contributions)) is not None:
        contributions = _vector(row, endpoint.inputs.order)
    return ModelReply(
        _number(find(endpoint.score), endpoint.score.index),
        contributions,
        {name: _number(find(spec), spec.index) for name, spec in endpoint.others.items()},
    )


def one_row(value: Any) -> Row:
    """The numbers of one patient, written as a number, flat or nested: 0.2, [0.2], [0.8, 0.2], [[0.8, 0.2]]."""
    if not isinstance(value, list):
        return (value,)
    return value[0] if len(value) == 1 and isinstance(value[0], list) else value


def _number(row: Row | None, index: int | None) -> float:
    if row is None:
        raise ModelUnavailable(Reason.REPLY_SHAPE)
    if index is None:
        if len(row) != 1:
            raise ModelUnavailable(Reason.REPLY_SHAPE)
        return _finite(row[0])
    if not 0 <= index < len(row):
        raise ModelUnavailable(Reason.REPLY_SHAPE)
    return _finite(row[index])


def _vector(row: Row, order: Sequence[str]) -> tuple[float, ...]:
    """A number for each input: a list in their order, or an object by their names (others in it do not count)."""
    if len(row) == 1 and isinstance(row[0], dict):
        row = [row[0][name] for name in order if name in row[0]]
    if len(row) != len(order):
        raise ModelUnavailable(Reason.REPLY_SHAPE)
    return tuple(_finite(item) for item in row)


def _finite(value: object) -> float:
    if value.__class__ is float and math.isfinite(value):
        return value
    if value is None:
        raise ModelUnavailable(Reason.REPLY_NOT_FINITE)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ModelUnavailable(Reason.REPLY_SHAPE)
    try:
        number = float(value)
    except OverflowError:
        raise ModelUnavailable(Reason.REPLY_NOT_FINITE) from None
    if not math.isfinite(number):
        raise ModelUnavailable(Reason.REPLY_NOT_FINITE)
    return number
