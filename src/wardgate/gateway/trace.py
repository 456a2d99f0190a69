"""The trace of one call: its ids, whether it is kept by ratio, and what came in with the call."""

import re
from typing import NamedTuple

_INCOMING = re.compile(rb"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?", re.DOTALL)


class Link(NamedTuple):
    """The caller's own span, as W3C Trace Context names it."""

    trace_id: int
    span_id: int


class Trace(NamedTuple):
    """`ids` are 64 hexadecimal digits: the trace's (32), the call's span (16), the span of the question to the model
    (16). `kept`: by ratio."""

    ids: str
    kept: bool
    link: Link | None = None

    @property
    def traceparent(self) -> str:
        """What the model is told (W3C Trace Context, level 1): its parent, and whether the call is kept."""
        return f"00-{self.ids[:32]}-{self.ids[48:]}-{'01' if self.kept else '00'}"

    @property
    def trace_id(self) -> int:
        return int(self.ids[:32], 16)

    @property
    def call_span(self) -> int:
        return int(self.ids[32:48], 16)

    @property
    def model_span(self) -> int:
        return int(self.ids[48:], 16)


def incoming(traceparent: bytes | None) -> Link | None:
    """The caller's span. None: there is none, or its header is not one, or an id has no letter: of random ids one in
    two thousand has none, and a number in place of one could be a patient's."""
    if traceparent is None:
        return None
    found = _INCOMING.fullmatch(traceparent)
    if found is None or found[1].isdigit() or found[2].isdigit():
        return None
    if traceparent.startswith(b"00-") and len(traceparent) != 55:
        return None
    return Link(int(found[1], 16), int(found[2], 16))
