"""What is planted, and where each mark went."""

import re
from collections.abc import Mapping
from typing import Any

TEXT = "qzx7vk"
"""Begins every planted text and id; a number follows, then a v."""
DIGITS = "77331942"
"""Stands in every planted number and UUID, and in the fraction of every planted time."""
BIRTH_DATE = "1937-11-13"

_WORDS = frozenset(
    "resourceType system code unit comparator status intent gender type mode method use profile hook url relation "
    "version versionId language".split()
)
"""Keys whose texts say what a resource is, not whose it is; without them nothing is computed."""
_IDS = frozenset({"id", "patientId", "encounterId"})
_REFERENCE = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9.-]{1,64})")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})")


class Marks:
    """Gives marks and remembers them. The same id is planted as the same mark, so that references still agree."""

    def __init__(self) -> None:
        self.planted: dict[str, str] = {}
        """By mark: where in the request it stands."""
        self.numbers: list[float] = []
        self._ids: dict[str, str] = {}

    def text(self, where: str) -> str:
        mark = f"{TEXT}{len(self.planted):06d}v"
        self.planted[mark] = where
        return mark

    def number(self, near: float, where: str) -> float:
        """A number within one of `near`, with twelve digits of its own."""
        marked = float(f"{int(near)}.{DIGITS}{len(self.numbers) % 10_000:04d}")
        self.numbers.append(marked)
        self.planted[repr(marked)] = where
        return marked

    def uuid(self, where: str) -> str:
        number = len(self.planted)
        mark = f"{DIGITS}-{number >> 16 & 0xFFFF:04x}-4000-8000-{number:012x}"
        self.planted[mark] = where
        return mark

    def headers(self) -> dict[str, str]:
        """Those in which a client or a proxy sends what is somebody's."""
        named = ("user-agent", "referer", "cookie", "x-forwarded-for", "x-request-id", "x-patient", "from")
        marked = {name: self.text(name) for name in named}
        marked["authorization"] = f"Bearer {self.text('authorization')}"
        marked["tracestate"] = f"ehr={self.text('tracestate')},{self.text('tracestate')}=1"
        marked["baggage"] = f"patient={self.text('baggage')}"
        marked["traceparent"] = f"00-{DIGITS:>032}-{DIGITS:>016}-01"
        return marked

    def plant(self, request: Any, where: str = "") -> Any:
        """A copy of a request, a resource, or whatever is JSON."""
        return self._planted(request, where, where.rpartition(".")[2])

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
        if key == "birthDate" or _DATE.fullmatch(value):
            return BIRTH_DATE if key == "birthDate" else value
        if time := _TIME.fullmatch(value):
            return f"{time[1]}.{DIGITS}{time[2]}"
        if reference := _REFERENCE.fullmatch(value):
            return f"{reference[1]}/{self._id(reference[2], where)}"
        return self.text(where)

    def _id(self, value: str, where: str) -> str:
        if value not in self._ids:
            self._ids[value] = self.text(where)
        return self._ids[value]
