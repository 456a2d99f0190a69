"""Which browser origins may read our answers (CDS Hooks 2.0.1, "Cross-Origin Resource Sharing").

Preflights carry no credentials, so they are answered before anybody is authenticated (trap T-8), and
every answer, errors included, names the origin it allows: without that a browser hides even the error.
"""

import re
from collections.abc import Iterable

from wardgate.web.asgi import Header, Response

VARY: Header = (b"vary", b"Origin")
EXPOSE_TIMING: Header = (b"access-control-expose-headers", b"server-timing")
PREFLIGHT = Response(
    204,
    headers=(
        (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
        (b"access-control-allow-headers", b"authorization, content-type"),
        (b"access-control-max-age", b"600"),
    ),
)
_ANY_PORT = ("http://localhost:*", "http://127.0.0.1:*")


class Origins:
    """The union of all clients' origins: exact ones, and `http://localhost:*` or `http://127.0.0.1:*`."""

    def __init__(self, origins: Iterable[str]) -> None:
        listed = set(origins)
        self._exact = frozenset(origin.encode() for origin in listed.difference(_ANY_PORT))
        hosts = [re.escape(pattern.removesuffix("*").encode()) for pattern in _ANY_PORT if pattern in listed]
        self._pattern = re.compile(b"(?:" + b"|".join(hosts) + rb")\d{1,5}") if hosts else None

    def headers(self, origin: bytes | None) -> list[Header]:
        """The headers that every answer gets; `origin` is the request's, None where it sent none."""
        if origin is not None and self._allows(origin):
            return [VARY, (b"access-control-allow-origin", origin)]
        return [VARY]

    def _allows(self, origin: bytes) -> bool:
        if origin in self._exact:
            return True
        return self._pattern is not None and self._pattern.fullmatch(origin) is not None
