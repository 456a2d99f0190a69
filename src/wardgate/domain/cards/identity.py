"""The ids of cards, suggestions and shadow decisions: UUIDs of version 5 (RFC 9562, 5.5) under wardgate's namespace, in
lower case.

They are made of the decision id, so that the same decision has the same ids (law 5), and feedback finds it again.
"""

from hashlib import sha1
from uuid import UUID

_CARDS = UUID("9d3c0f5e-53d0-5b0e-8d3b-3f5f6f0a2c71")
"""The namespace; changing it changes every id."""


def card_id(decision_id: str, ordinal: int) -> str:
    return _named(f"{decision_id}/{ordinal}")


def suggestion_id(decision_id: str, ordinal: int, number: int) -> str:
    """`ordinal` is the card's; `number` counts the suggestions of the card file from 0, also those left out."""
    return _named(f"{decision_id}/{ordinal}/{number}")


def shadow_id(decision_id: str, digest: str) -> str:
    """The decision of another release about the same call."""
    return _named(f"{decision_id}/shadow/{digest}")


def _named(name: str) -> str:
    digest = sha1(_CARDS.bytes + name.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"
