"""FHIR times as epoch seconds, and birth dates as days (FHIR R4, "Primitive Types": date, dateTime, instant).

A naive time, or a date, is read in the zone of the client. A partial one stands for its first instant, so
that a measurement is never thought fresher than it can be. Where a local time occurs twice, it is the first.
"""

import re
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

_FORM = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:[0-5]\d)?)?)?)?",
    re.ASCII,
)
_WIDEST_OFFSET = "14:00"
_OFFSETS = frozenset(
    {"Z", *(f"{sign}{minutes // 60:02}:{minutes % 60:02}" for sign in "+-" for minutes in range(14 * 60 + 1))}
)
"""What may follow on whole seconds."""


def parse_instant(text: str, zone: tzinfo) -> float | None:
    """Epoch seconds of a date, dateTime or instant; None where `text` is none of them."""
    # Two forms that nearly every chart is made of. What `fromisoformat` takes besides (week dates, forms without
    # dashes or colons) has another character at one of these places.
    if text[19:] in _OFFSETS and text[7:14:3] == "-T:":
        try:
            return datetime.fromisoformat(text).timestamp()
        except ValueError:
            pass  # a leap second, or no time at all
    return _parse_any(text, zone)


def parse_full_instant(text: str, zone: tzinfo) -> float | None:
    """Like `parse_instant`, but None for a partial date: it stands for many instants, so its place in an order
    proves nothing."""
    return parse_instant(text, zone) if len(text.strip()) >= len("2026-11-21") else None


def _parse_any(text: str, zone: tzinfo) -> float | None:
    match = _FORM.fullmatch(text.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    if offset is not None and offset != "Z" and offset[1:] > _WIDEST_OFFSET:
        return None
    microsecond = int((fraction or "0")[:6].ljust(6, "0"))
    if second == "60":  # a leap second has no place in POSIX time
        second, microsecond = "59", 999_000
    try:
        moment = datetime(
            int(year),
            int(month or 1),
            int(day or 1),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            microsecond,
            tzinfo=_zone_of(offset, zone),
        )
        return moment.timestamp()
    except (ValueError, OverflowError):
        return None


def _zone_of(offset: str | None, zone: tzinfo) -> tzinfo:
    if offset is None:
        return zone
    if offset == "Z":
        return UTC
    ahead = timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6]))
    return timezone(-ahead if offset[0] == "-" else ahead)


def local_date(instant: float, zone: ZoneInfo) -> date:
    """The calendar date at `instant` where the client is."""
    return datetime.fromtimestamp(instant, zone).date()


def parse_days(text: str) -> tuple[date, date] | None:
    """First and last day that a date may stand for, `1980-05` for all of May; of a dateTime its calendar date."""
    if len(text) == 10 and text[4] == "-" and text[7] == "-":
        try:
            born = date.fromisoformat(text)
        except ValueError:
            return None
        return born, born
    match = _FORM.fullmatch(text.strip())
    if match is None or _parse_any(text, UTC) is None:
        return None
    year, month, day = int(match[1]), match[2], match[3]
    first = date(year, int(month or 1), int(day or 1))
    if day is not None:
        return first, first
    last_month = first.month if month is not None else 12
    return first, date(year, last_month, monthrange(year, last_month)[1])
