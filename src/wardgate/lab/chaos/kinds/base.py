"""What a kind of fault is, and how its parameters are written."""

import re
from typing import ClassVar

import msgspec

from wardgate.lab.chaos.exchange import Exchange

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m)")
_IN_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}

CHUNKED = (b"Transfer-Encoding", b"chunked")
CLOSE = (b"Connection", b"close")


def seconds(text: str) -> float:
    """Of `30ms`, `2s` or `1m`; ValueError otherwise."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a duration such as 30ms, 2s or 1m")
    return float(found[1]) * _IN_SECONDS[found[2]]


class Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`tcp`: it can also be done to a connection whose protocol the proxy does not know."""

    tcp: ClassVar[bool] = False


class Lasting(Kind, frozen=True):
    """What the proxy is told when it begins; it undoes it in the end."""

    tcp: ClassVar[bool] = True


class Meeting(Kind, frozen=True):
    async def meet(self, exchange: Exchange) -> None:
        raise NotImplementedError
