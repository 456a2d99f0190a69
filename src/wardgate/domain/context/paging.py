"""Following a search over its pages, and what the pages that were read prove (FHIR R4, 3.1.0.5; trap T-13)."""

from collections.abc import Sequence
from datetime import tzinfo
from urllib.parse import urljoin, urlsplit

from wardgate.domain.context.fhir import Resource
from wardgate.domain.context.prefetch import PrefetchKey
from wardgate.domain.times import parse_full_instant

_PORTS = {"http": 80, "https": 443}


def next_url(server: str, link: str) -> str | None:
    """The absolute URL of a next page, or None unless it stays on the origin and path prefix of `server`.

    A link is data from outside, and the token goes wherever it points: another scheme, host or port, user
    information, climbing or encoded path segments, and anything that two parsers could read differently are
    not followed. `server` is a FHIR base without trailing slash; a relative link is resolved against it.
    """
    if not link.isascii() or not link.isprintable() or any(character in ' \\"<>^`{}' for character in link):
        return None
    base = urlsplit(server)
    try:
        written = urlsplit(link)
        if link.startswith("//") or bool(written.scheme) != bool(written.netloc):
            return None
        if any(segment in (".", "..") for segment in written.path.split("/")):
            return None
        found = urlsplit(urljoin(f"{server}/", link))
        if found.scheme != base.scheme or not _same_host(found.netloc, found.port, base.netloc, base.port, base.scheme):
            return None
    except ValueError:  # a port that is no number, a broken IPv6 address
        return None
    inside = found.path == base.path or found.path.startswith(f"{base.path}/")
    beyond = found.path[len(base.path) :]
    if found.fragment or not inside or "%" in beyond or "//" in beyond or not found.query and beyond in ("", "/"):
        return None
    return f"{base.scheme}://{base.netloc}{found.path}" + (f"?{found.query}" if found.query else "")


def _same_host(found: str, found_port: int | None, base: str, base_port: int | None, scheme: str) -> bool:
    default = _PORTS.get(scheme)
    if (found_port or default) != (base_port or default):
        return False
    return _name(found, found_port) == _name(base, base_port)  # whole, so user information makes another name


def _name(netloc: str, port: int | None) -> str:
    return (netloc if port is None else netloc.rpartition(":")[0]).lower()


_DOUBT = 2 * 86400.0
"""Seconds by which a time without an offset, or a date, may be another one for the server that sorts by it."""


def newest_back_to(key: PrefetchKey, resources: Sequence[Resource], zone: tzinfo) -> float | None:
    """Where what was read is verifiably the newest part of the search: the time (epoch seconds) after which nothing is
    unread. None: it is not.

    The template must sort by date, descending, and the entries must really come that way: clients ignore
    parameters (trap T-12). A resource of another type, a period, a partial date or none at all proves nothing.
    """
    if not resources or key.resource_type != "Observation":
        return None
    if not any(name == "_sort" and (value == "-date" or value.startswith("-date,")) for name, value in key.parameters):
        return None
    before, text = float("inf"), ""
    for resource in resources:
        text = resource.effectiveDateTime or resource.effectiveInstant or ""
        time = parse_full_instant(text, zone) if text and resource.resourceType == "Observation" else None
        if time is None or time > before:
            return None
        before = time
    return before if _has_offset(text) else before + _DOUBT


def _has_offset(text: str) -> bool:
    text = text.strip()
    return len(text) > len("2026-08-01") and (text[-1] in "Zz" or text[-6] in "+-")
