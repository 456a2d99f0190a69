"""Every kind of fault: its name in a scenario is the key in KINDS, its parameters (`with:`) are its fields.

Lasting   a state of the listener: nobody is there, nobody accepts
Meeting   what becomes of one exchange over HTTP; some work on the bytes of a raw TCP connection as well
Edited    the real answer with something in it that should not be there
"""

from collections.abc import Mapping

from wardgate.lab.chaos.exchange import Exchange
from wardgate.lab.chaos.kinds.answers import (
    DuplicateKeys,
    EmptyBundle,
    EndlessPages,
    NoOutputs,
    OperationOutcome,
    Score,
    WrongModel,
    WrongPatient,
    WrongShape,
    WrongVersion,
)
from wardgate.lab.chaos.kinds.base import Kind, Lasting, Meeting, seconds
from wardgate.lab.chaos.kinds.connections import (
    Close,
    Closing,
    Drip,
    Greeting,
    HalfBody,
    Hang,
    Http10,
    Latency,
    Leftovers,
    NotAccepted,
    Refused,
    Reset,
    Says,
    SlowClose,
    StalledBody,
    Twice,
)
from wardgate.lab.chaos.kinds.messages import (
    BrokenChunks,
    CutJson,
    Deep,
    EarlyHints,
    Empty,
    EndlessHeaders,
    Garbage,
    GzipLie,
    HugeBody,
    HugeHeader,
    NotHttp,
    Page,
    Redirect,
    ShortLength,
    Status,
    Trailers,
    TwoLengths,
)

__all__ = ["EXCHANGES", "KINDS", "AnyOf", "Kind", "Lasting", "Meeting", "seconds"]


class AnyOf(Meeting, frozen=True):
    """One of `kinds`, another for each request; without them, of all that can be done to an exchange."""

    kinds: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.kinds:
            if name not in EXCHANGES:
                raise ValueError(f"{name!r} is no kind of fault of an exchange")

    async def meet(self, exchange: Exchange) -> None:
        await EXCHANGES[exchange.dice.choice(self.kinds or tuple(EXCHANGES))].meet(exchange)


KINDS: Mapping[str, type[Kind]] = {
    "refused": Refused,
    "not_accepted": NotAccepted,
    "latency": Latency,
    "hang": Hang,
    "drip": Drip,
    "reset": Reset,
    "close": Close,
    "half_body": HalfBody,
    "cut_json": CutJson,
    "stalled_body": StalledBody,
    "slow_close": SlowClose,
    "http10": Http10,
    "closing": Closing,
    "trailers": Trailers,
    "status": Status,
    "redirect": Redirect,
    "garbage": Garbage,
    "not_http": NotHttp,
    "empty": Empty,
    "page": Page,
    "huge_body": HugeBody,
    "endless_headers": EndlessHeaders,
    "huge_header": HugeHeader,
    "two_lengths": TwoLengths,
    "early_hints": EarlyHints,
    "broken_chunks": BrokenChunks,
    "short_length": ShortLength,
    "twice": Twice,
    "leftovers": Leftovers,
    "greeting": Greeting,
    "says": Says,
    "gzip_lie": GzipLie,
    "deep": Deep,
    "score": Score,
    "wrong_shape": WrongShape,
    "no_outputs": NoOutputs,
    "wrong_version": WrongVersion,
    "wrong_model": WrongModel,
    "duplicate_keys": DuplicateKeys,
    "wrong_patient": WrongPatient,
    "operation_outcome": OperationOutcome,
    "empty_bundle": EmptyBundle,
    "endless_pages": EndlessPages,
    "any": AnyOf,
}

EXCHANGES: Mapping[str, Meeting] = {
    name: Latency(fixed="80ms") if kind is Latency else kind()
    for name, kind in KINDS.items()
    if issubclass(kind, Meeting) and kind is not AnyOf
}
"""What can be done to one exchange, with default parameters."""
