"""What is planted, and where each mark went."""

import json
import re
import sys
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime
from random import Random
from typing import Any

_LETTERS = "ghjkmnpqrtvwxz"
"""None of hexadecimal, none that spells a word."""
_DIGITS = "12345678"
"""Neither cut nor rounded do they end in a zero, which would be left out: as many stand there as were meant."""
_WORDS = frozenset(
    "resourceType system code unit comparator status intent gender type mode method use profile hook url relation "
    "version versionId language".split()
)
"""Keys whose texts say what a resource is, not whose it is; without them nothing is computed."""
_IDS = frozenset({"id", "patientId", "encounterId"})
_REFERENCE = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9.-]{1,64})")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DATE = re.compile(r"([0-9]{4})-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})")
_RECENT = "2020"
"""From this year on, a date alone may decide what is computed, and is a time of the log as well: it stays."""


class Marks:
    """Gives marks and remembers them. The same id is planted as the same mark, so that references still agree.

    Every run draws its own, so that what an earlier one left behind is no leak of this one. `seed`: for a test.
    """

    def __init__(self, seed: int | None = None) -> None:
        draw = Random(seed)
        self.tag = "".join(draw.choice(_LETTERS) for _ in range(8))
        """Begins every planted text and id; a number follows, then a v. Cut off after it, a text is still found."""
        self.digits = "".join(draw.choices(_DIGITS, k=12))
        """Ten of these stand in every planted number, all twelve in every UUID, eight in the fraction of every time."""
        self._day = f"{draw.randint(1, 12):02d}-{draw.randint(1, 28):02d}"
        self._places: list[str] = []
        self.wholes: set[int] = set()
        """The numbers before the point of all planted numbers."""
        self.dates: set[str] = set()
        self.seconds: set[int] = set()
        """All planted times, since 1970, without their fraction."""
        self._ids: dict[str, str] = {}

    def __len__(self) -> int:
        """How many were planted."""
        return len(self._places)

    def place(self, around: str) -> str:
        """Where in the request the first text or id in `around` was planted; empty where there is none, whole."""
        found = re.search(rf"{self.tag}([0-9]{{7}})v", around.lower())
        number = len(self) if found is None else int(found[1])
        return self._places[number] if number < len(self) else ""

    def text(self, where: str) -> str:
        return f"{self.tag}{self._next(where):07d}v"

    def number(self, near: float, where: str) -> float:
        """A number within one of `near`, with a fraction of its own."""
        self.wholes.add(int(near))
        return float(f"{int(near)}.{self.digits[:10]}{self._next(where) % 90 + 10}")

    def uuid(self, where: str) -> str:
        return f"{self.digits[:8]}-{self.digits[8:]}-4000-8000-{self._next(where):012x}"

    def date(self, near: str) -> str:
        """A date of the same year."""
        date = f"{near[:4]}-{self._day}"
        self.dates.add(date)
        return date

    def time(self, second: str, zone: str = "Z") -> str:
        """`second` as 2026-11-21T09:00:00: the same one, with a fraction."""
        self.seconds.add(int(datetime.fromisoformat(second + zone.replace("Z", "+00:00")).timestamp()))
        return f"{second}.{self.digits[:8]}{zone}"

    def headers(self) -> dict[str, str]:
        """Those in which a client or a proxy sends what is somebody's."""
        named = ("user-agent", "referer", "cookie", "x-forwarded-for", "x-request-id", "x-patient", "from", "forwarded")
        marked = {name: self.text(name) for name in named}
        marked["authorization"] = f"Bearer {self.token()}"
        marked["tracestate"] = f"ehr={self.text('tracestate')},{self.text('tracestate')}=1"
        marked["baggage"] = f"patient={self.text('baggage')}"
        marked["traceparent"] = f"00-{self.digits:>032}-{self.digits:>016}-01"
        return marked

    def token(self) -> str:
        """In the form of a JWT (RFC 7519), signed by nobody."""
        head = {"alg": "ES384", "typ": "JWT", "kid": self.text("kid"), "jku": f"https://{self.text('jku')}.example"}
        claims = {name: self.text(name) for name in ("iss", "sub", "aud", "jti", "tenant", "patient", "name")}
        parts = [urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (head, claims)]
        return ".".join([*parts, self.text("signature")])

    def plant(self, request: Any, where: str = "") -> Any:
        """A copy of a request, a resource, or whatever is JSON."""
        return self._planted(request, where, where.rpartition(".")[2])

    def fresh(self) -> None:
        """From now on ids are planted as other marks: another patient."""
        self._ids.clear()

    def _next(self, where: str) -> int:
        self._places.append(sys.intern(where))  # a long run plants millions, at few places
        return len(self._places) - 1

    def _planted(self, value: Any, where: str, key: str) -> Any:
        if isinstance(value, Mapping):
            return {
                name: self._planted(inner, f"{where}.{name}" if where else name, name) for name, inner in value.items()
            }
        if isinstance(value, list):
            return [self._planted(inner, where, key) for inner in value]
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, int | float):
            return self.number(value, where)
        return self._text(value, where, key)

    def _text(self, value: str, where: str, key: str) -> str:
        if key in _WORDS or value.startswith("http"):
            return value
        if _UUID.fullmatch(value):
            return self.uuid(where)
        if key in _IDS:
            return self._id(value, where)
        if date := _DATE.fullmatch(value):
            return self.date(value) if key == "birthDate" or date[1] < _RECENT else value
        if time := _TIME.fullmatch(value):
            return self.time(time[1], time[2])
        if reference := _REFERENCE.fullmatch(value):
            return f"{reference[1]}/{self._id(reference[2], where)}"
        return self.text(where)

    def _id(self, value: str, where: str) -> str:
        if value not in self._ids:
            self._ids[value] = self.text(where)
        return self._ids[value]
