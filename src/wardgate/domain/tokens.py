"""A client's token, read strictly and verified by nobody yet: a JWT in compact form (RFC 7515 §7.1, RFC 7519).

Libraries read it leniently: they skip characters that are no base64url, take NaN, and the last of two members of one
name. What two readers understand differently is how forged tokens come in, so nothing of that is a token here.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from json import JSONDecoder
from typing import Any

import msgspec

from wardgate.domain.errors import Unauthenticated
from wardgate.domain.token_faults import TokenFault

LONGEST = 16 * 1024
"""Bytes of a token; real ones have a thousand or two."""

_FORM = re.compile(rb"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_PAYLOAD = re.compile(rb"[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.")
_FURTHEST = 1e12
"""Epoch seconds beyond which nothing is a time: some thirty thousand years from now."""
_MOST_AUDIENCES = 16


class Token(msgspec.Struct, frozen=True):
    """What it says of itself. Times in epoch seconds."""

    algorithm: str
    key_id: str
    jku: str | None
    issuer: str
    audiences: tuple[str, ...]
    expires: float
    issued: float
    not_before: float | None
    id: str
    tenant: str | None
    signed: bytes
    """The bytes that the signature is of."""
    signature: bytes

    def __repr__(self) -> str:
        return "Token(…)"


def read_token(text: bytes) -> Token:
    """Raises Unauthenticated."""
    form = _FORM.fullmatch(text) if len(text) <= LONGEST else None
    if form is None:
        raise Unauthenticated(TokenFault.MALFORMED)
    head, payload, signature = form.groups()
    header, claims = _object(head), _object(payload)
    if "crit" in header or _text(header.get("typ")).upper() != "JWT":
        raise Unauthenticated(TokenFault.HEADER)
    return Token(
        _required(header.get("alg"), TokenFault.HEADER),
        _required(header.get("kid"), TokenFault.HEADER),
        _optional(header.get("jku")),
        _required(claims.get("iss")),
        _audiences(claims.get("aud")),
        _time(claims.get("exp")),
        _time(claims.get("iat")),
        None if claims.get("nbf") is None else _time(claims["nbf"]),
        _required(claims.get("jti")),
        _optional(claims.get("tenant")),
        text[: form.start(3) - 1],
        _bytes(signature),
    )


class _Claimed(msgspec.Struct):
    iss: str | None = None


_claimed = msgspec.json.Decoder(_Claimed).decode


def claimed_issuer(text: bytes) -> str | None:
    """What an unread token says, cheaply. Good for no more than to tell queues apart."""
    form = _PAYLOAD.match(text, 0, LONGEST)
    try:
        return None if form is None else _claimed(_decoded(form[1])).iss
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return None


def _object(segment: bytes) -> dict[str, Any]:
    try:
        found = _JSON.decode(_bytes(segment).decode("utf-8"))
    except (ValueError, RecursionError):  # also: no UTF-8, a number of too many digits, a name that occurs twice
        raise Unauthenticated(TokenFault.MALFORMED) from None
    if not isinstance(found, dict):
        raise Unauthenticated(TokenFault.MALFORMED)
    return found


def _bytes(segment: bytes) -> bytes:
    """Of base64url without padding (RFC 7515 §2), in the one form that these bytes have."""
    try:
        decoded = _decoded(segment)
    except ValueError:
        raise Unauthenticated(TokenFault.MALFORMED) from None
    if urlsafe_b64encode(decoded).rstrip(b"=") != segment:
        raise Unauthenticated(TokenFault.MALFORMED)
    return decoded


def _decoded(segment: bytes) -> bytes:
    return urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        raise ValueError("a name occurs twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError("no JSON")


_JSON = JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _required(value: Any, otherwise: TokenFault = TokenFault.MALFORMED) -> str:
    if not isinstance(value, str) or not value:
        raise Unauthenticated(otherwise)
    return value


def _optional(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise Unauthenticated(TokenFault.MALFORMED)
    return value


def _audiences(value: Any) -> tuple[str, ...]:
    """One text, or a list of some (RFC 7519 §4.1.3)."""
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not 0 < len(listed) <= _MOST_AUDIENCES:
        raise Unauthenticated(TokenFault.MALFORMED)
    return tuple([_required(one) for one in listed])


def _time(value: Any) -> float:
    """A NumericDate (RFC 7519 §2), fractions included."""
    if type(value) not in (int, float) or not -_FURTHEST < value < _FURTHEST:  # a bool is no number
        raise Unauthenticated(TokenFault.MALFORMED)
    return float(value)
