"""Bytes → `Feedback`, in every form that clients send (CDS Hooks 2.0.1, "Feedback"; trap T-19).

Read strictly is only what nothing can be made of otherwise: which card, how it ended, and when. Everything else may
be missing, be the client's own, or stand in a vendor's place; a batch is taken whole or, where an element of it is
malformed, not at all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor
from typing import Any

import msgspec

from wardgate.domain.cards.spec import OverrideReason
from wardgate.domain.clients import Client
from wardgate.domain.errors import BadRequest
from wardgate.domain.feedback import (
    UNKNOWN_REASON,
    Feedback,
    FeedbackOutcome,
    OfferedReasons,
    issued_id,
)
from wardgate.domain.times import parse_full_instant
from wardgate.web.json_body import decode_body, element_of


class _Body(msgspec.Struct):
    feedback: list[msgspec.Raw] | None = None


class _Suggestion(msgspec.Struct):
    id: str


class _Coding(msgspec.Struct):
    code: str | None = None
    system: str | None = None


class _Override(msgspec.Struct, rename="camel"):
    """`user_comment` is looked at only to learn whether there is one. `code` and `system` are of a client that leaves
    `reason` out and writes the Coding itself; nothing else of them is expected, so that nothing is wrong with them."""

    reason: _Coding | None = None
    code: Any = None
    system: Any = None
    user_comment: msgspec.Raw = msgspec.Raw()
    extension: Any = None


class _Element(msgspec.Struct, rename="camel"):
    """`override_reasons` is Epic's name for `override_reason`."""

    card: str | None = None
    outcome: str | None = None
    outcome_timestamp: str | None = None
    accepted_suggestions: list[_Suggestion] | None = None
    override_reason: _Override | None = None
    override_reasons: _Override | list[_Override] | None = None


_decode = msgspec.json.Decoder(_Body).decode
_decode_element = msgspec.json.Decoder(_Element).decode

_TYPES = {"feedback": "an array"}
_ELEMENT_TYPES = {
    "": "an object",
    "card": "a string",
    "outcome": "a string",
    "outcomeTimestamp": "a string",
    "acceptedSuggestions": "an array of {id}",
    "overrideReason": "an object",
    "overrideReason.reason": "an object",
    "overrideReason.reason.code": "a string",
    "overrideReason.reason.system": "a string",
    "overrideReasons": "an object",
    "overrideReasons.reason": "an object",
    "overrideReasons.reason.code": "a string",
    "overrideReasons.reason.system": "a string",
}
_OUTCOMES = {outcome.value: outcome for outcome in FeedbackOutcome}
_EPIC_TITLES = tuple(f"com.epic.cdshooks.feedback.overrideReason.{name}" for name in ("reasonTitle", "reasonDisplay"))
_MOST_SUGGESTIONS = 100
"""Of one element; no card has so many, and each costs time in the loop and room in a record."""
_NOTHING = (b"", b"null", b'""')


@dataclass(frozen=True, slots=True)
class FeedbackReader:
    """One service's way to read what is said of its cards."""

    service_id: str
    reasons: OfferedReasons

    def read(self, body: bytes, client: Client, max_depth: int) -> Iterator[Feedback]:
        """Element by element, so that a long batch can be read in turns; raises BadRequest at the first malformed."""
        elements = decode_body(body, max_depth, _decode, _TYPES).feedback
        if elements is None:
            raise BadRequest("feedback is required.", "feedback")
        return (self._element(raw, f"feedback[{number}]", client) for number, raw in enumerate(elements))

    def _element(self, raw: msgspec.Raw, place: str, client: Client) -> Feedback:
        try:
            wire = _decode_element(raw)
        except msgspec.ValidationError as error:
            raise _wrong(place, element_of(error)) from None
        except (msgspec.DecodeError, RecursionError):
            raise BadRequest(f"{place} is not well-formed JSON.", place) from None
        if not wire.card:
            raise BadRequest(f"{place}.card is required.", f"{place}.card")
        outcome = _OUTCOMES.get(wire.outcome or "")
        if outcome is None:
            raise BadRequest(f"{place}.outcome must be accepted or overridden.", f"{place}.outcome")
        at = parse_full_instant(wire.outcome_timestamp or "", client.zone)
        if at is None:
            what = f"{place}.outcomeTimestamp must be a date and time, such as 2026-11-21T09:00:00Z."
            raise BadRequest(what, f"{place}.outcomeTimestamp")
        accepted = (issued_id(suggestion.id) for suggestion in (wire.accepted_suggestions or ())[:_MOST_SUGGESTIONS])
        report = Feedback(
            self.service_id,
            client.name,
            issued_id(wire.card),
            outcome,
            float(floor(at)),  # what stands behind the second says nothing, and may be anything
            tuple(found for found in accepted if found is not None),
        )
        given = _given(wire)
        return report if not given or outcome is FeedbackOutcome.ACCEPTED else self._with_reason(report, given)

    def _with_reason(self, report: Feedback, given: list[_Override]) -> Feedback:
        found = next(filter(None, map(self._offered, given)), None)
        override = UNKNOWN_REASON if found is None else found.meaning.value
        return msgspec.structs.replace(report, reason=found, override=override)

    def _offered(self, override: _Override) -> OverrideReason | None:
        coding = _coding(override)
        found = None if coding is None else self.reasons.find(coding.system, coding.code)
        if found is not None:
            return found
        extension = override.extension if isinstance(override.extension, dict) else {}
        titles = (extension.get(name) for name in _EPIC_TITLES)
        return next(filter(None, (self.reasons.titled(title) for title in titles if isinstance(title, str))), None)


def _given(wire: _Element) -> list[_Override]:
    """The overrides in which anything at all is said."""
    plural = wire.override_reasons
    said = [wire.override_reason, *(plural if isinstance(plural, list) else [plural])]
    return [one for one in said if one is not None and (_coding(one) or one.extension or _said(one))]


def _coding(override: _Override) -> _Coding | None:
    if override.reason is not None or not isinstance(override.code, str):
        return override.reason
    return _Coding(override.code, override.system if isinstance(override.system, str) else None)


def _said(override: _Override) -> bool:
    return bytes(override.user_comment) not in _NOTHING


def _wrong(place: str, element: str) -> BadRequest:
    if element not in _ELEMENT_TYPES:  # a step into an array
        element = next((name for name in ("acceptedSuggestions", "overrideReasons") if element.startswith(name)), "")
    where = f"{place}.{element}" if element else place
    return BadRequest(f"{where} must be {_ELEMENT_TYPES[element]}.", where)
