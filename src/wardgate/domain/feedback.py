"""What became of a card, as an EHR reports it (CDS Hooks 2.0.1, "Feedback"), in values that may be kept.

A report is text from outside, so nothing of it is kept as it came (law 4): an id only where it has the form of those
that wardgate issues, a reason only as the one that a card of the service offers, a clinician's comment not at all.
"""

import re
from collections.abc import Iterable
from enum import StrEnum

import msgspec

from wardgate.domain.cards.spec import OverrideReason

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class FeedbackOutcome(StrEnum):
    ACCEPTED = "accepted"
    OVERRIDDEN = "overridden"


NO_REASON = "none"
"""Accepted, or overridden without a word."""
UNKNOWN_REASON = "unknown"
"""A reason that no card of the service offers: the client's own, or the clinician's in her own words."""


DOUBT = 300.0
"""Seconds by which the client's clock may differ from ours: what is beyond is no time at which anybody acted."""


class Feedback(msgspec.Struct, frozen=True):
    """One element of a report; it is joined to its card by `card`, which may have been reported before (FB-6)."""

    service_id: str
    client: str
    card: str | None  # the card's UUID in lower case; None: an id that is none of ours
    outcome: FeedbackOutcome
    at: float  # whole epoch seconds, by the client's clock
    suggestions: tuple[str, ...] = ()  # UUIDs of those that were accepted
    reason: OverrideReason | None = None  # as the card offers it
    override: str = NO_REASON  # the reason's class, UNKNOWN_REASON or NO_REASON


class FeedbackEntry(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A report as it is kept; the same report twice is one entry (FB-6), a later one of the same card another."""

    card_key: str
    """Keyed hash of the card's UUID (`domain.record_names`): a client may name a card that is none of ours."""
    service_id: str
    client: str
    outcome: str
    """`accepted` or `overridden`."""
    at: float | None
    """Epoch seconds, by the client's clock; None where that is no time at which she can have acted."""
    received: float
    """By ours."""
    suggestion_keys: tuple[str, ...] = ()
    """Keyed hashes of the accepted ones."""
    override_system: str | None = None
    """The reason's coding, as the card offers it."""
    override_code: str | None = None
    override_class: str = NO_REASON
    """Of the reason; `unknown` where no card offers it, `none` where none was given."""
    user_role: str | None = None
    earlier_keys: tuple[str, ...] = ()
    """`card_key` under the previous keys of the ring: the card may have been recorded before a rotation."""


def issued_id(text: str) -> str | None:
    """An id in the form that wardgate issues, None where it cannot be one of its own."""
    lowered = text.lower().removeprefix("urn:uuid:")  # as some clients write it
    return lowered if _UUID.fullmatch(lowered) else None


class OfferedReasons:
    """The override reasons of all cards of one service id, found by what clients send of them."""

    def __init__(self, reasons: Iterable[OverrideReason]) -> None:
        self._by_coding: dict[tuple[str, str], OverrideReason] = {}
        self._by_code: dict[str, OverrideReason | None] = {}
        self._by_display: dict[str, OverrideReason] = {}
        for reason in reasons:
            coding = reason.coding
            known = self._by_coding.setdefault((coding.system, coding.code), reason)
            twin = self._by_code.setdefault(coding.code, known)
            if twin is not None and twin.coding.system != coding.system:
                self._by_code[coding.code] = None
            if coding.display is not None:
                self._by_display.setdefault(coding.display.casefold(), reason)

    def find(self, system: str | None, code: str | None) -> OverrideReason | None:
        """By both; by the code alone where no system was sent and one reason has that code."""
        if code is None:
            return None
        return self._by_code.get(code) if system is None else self._by_coding.get((system, code))

    def titled(self, title: str) -> OverrideReason | None:
        """By what the clinician read: some clients send nothing else that could be known here."""
        return self._by_display.get(title.casefold())
