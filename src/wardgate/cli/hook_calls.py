"""Hook calls ready to be sent many times: HTTP requests in pieces, each with a hookInstance of its own."""

import json
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from wardgate.lab.load.engine import address_of

_MARK = "wardgate-hook-instance-in-36-letters"  # as long as a UUID, so that the length stays the same
_COUNTED = re.compile(r"wardgate_calls_total\{(.*)\} (\S+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def pieces(gateway: str, service_id: str, request: Mapping[str, Any]) -> Callable[[int], Sequence[bytes]]:
    """`gateway`: its base URL; `request`: the body of a call."""
    body = json.dumps({**request, "hookInstance": _MARK}).encode()
    before, after = body.split(_MARK.encode(), 1)
    path = f"{urlsplit(gateway).path.rstrip('/')}/cds-services/{quote(service_id, safe='')}"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {address_of(gateway).netloc}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    return lambda number: (head + before, str(uuid.uuid4()).encode(), after)


def endings(exposition: str, service_id: str) -> dict[tuple[str, str, str], int]:
    """How many calls of a service ended with which outcome, reason and step, from the text of /metrics."""
    found: dict[tuple[str, str, str], int] = {}
    for labels, value in _COUNTED.findall(exposition):
        named = dict(_LABEL.findall(labels))
        if named.get("service_id") == service_id:
            ending = (named.get("outcome", ""), named.get("reason", ""), named.get("step", ""))
            found[ending] = found.get(ending, 0) + round(float(value))
    return found
