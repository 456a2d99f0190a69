"""FHIR times as epoch seconds, and birth dates."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from wardgate.domain.times import local_date, parse_days, parse_full_instant, parse_instant

BERLIN = ZoneInfo("Europe/Berlin")


def epoch(*fields: int) -> float:
    return datetime(*fields, tzinfo=UTC).timestamp()  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05Z", epoch(2026, 1, 2, 3, 4, 5)),
        ("2026-01-02T03:04:05+02:00", epoch(2026, 1, 2, 1, 4, 5)),
        ("2026-01-02T03:04:05-05:30", epoch(2026, 1, 2, 8, 34, 5)),
        ("2026-01-02T03:04:05+14:00", epoch(2026, 1, 1, 13, 4, 5)),
        ("2026-01-02T03:04:05-00:00", epoch(2026, 1, 2, 3, 4, 5)),
        ("2026-01-02T03:04:05.5Z", epoch(2026, 1, 2, 3, 4, 5, 500000)),
        ("2026-01-02T03:04:05.123Z", epoch(2026, 1, 2, 3, 4, 5, 123000)),
        ("2026-01-02T03:04:05.1234567890123+00:00", epoch(2026, 1, 2, 3, 4, 5, 123456)),
        (" 2026-01-02T03:04:05Z ", epoch(2026, 1, 2, 3, 4, 5)),
        ("2026-01-02T03:04Z", epoch(2026, 1, 2, 3, 4)),
        ("2016-12-31T23:59:60Z", epoch(2016, 12, 31, 23, 59, 59, 999000)),
        ("2017-01-01T00:59:60+01:00", epoch(2016, 12, 31, 23, 59, 59, 999000)),
        ("2024-02-29T00:00:00Z", epoch(2024, 2, 29)),
        ("1969-12-31T23:59:59Z", -1.0),
    ],
)
def test_a_time_with_an_offset_is_an_instant(text: str, expected: float) -> None:
    """Offsets, fractions of any length, leap seconds and stray white space."""
    assert parse_instant(text, BERLIN) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05", epoch(2026, 1, 2, 2, 4, 5)),
        ("2026-07-02T03:04:05", epoch(2026, 7, 2, 1, 4, 5)),
        ("2026-07-02", epoch(2026, 7, 1, 22)),
        ("2026-07", epoch(2026, 6, 30, 22)),
        ("2026", epoch(2025, 12, 31, 23)),
        ("2025-10-26T02:30:00", epoch(2025, 10, 26, 0, 30)),
        ("2026-03-29T02:30:00", epoch(2026, 3, 29, 1, 30)),
    ],
)
def test_without_an_offset_the_clients_zone_holds(text: str, expected: float) -> None:
    """Naive times and dates are local; a partial date is its first instant, a repeated hour its first pass."""
    assert parse_instant(text, BERLIN) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-13-01",
        "2026-02-30T10:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T10:60:00Z",
        "2026-01-01T10:00:61Z",
        "2026-01-01t10:00:00Z",
        "2026-01-01T10:00:00z",
        "2026-01-01 10:00:00Z",
        "2026-W10-1T10:00:00Z",
        "20260101T100000Z",
        "2026-01-01T100000.1Z",
        "2026-01-01T10:00:00+15:00",
        "2026-01-01T10:00:00+14:30",
        "2026-01-01T10:00:00+01:75",
        "2026-01-01T10:00:00,5Z",
        "2026-01-01T10:00:00.Z",
        "2026-01-01T10Z",
        "2026-1-1",
        "0000-01-01",
        "٢٠٢٦-01-01",
        "2026-01-01\n2026",
    ],
)
def test_what_the_grammar_does_not_know_is_no_time(text: str) -> None:
    """Nothing outside the FHIR grammar is guessed at."""
    assert parse_instant(text, BERLIN) is None


def test_the_ends_of_the_calendar_do_not_overflow() -> None:
    """The first and last years are read, whatever the zone."""
    for text in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01", "9999-12-31"):
        for zone in ("Pacific/Auckland", "America/Los_Angeles"):
            assert isinstance(parse_instant(text, ZoneInfo(zone)), float)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("1980-05-06", date(1980, 5, 6), date(1980, 5, 6)),
        ("1980-02", date(1980, 2, 1), date(1980, 2, 29)),
        ("1981", date(1981, 1, 1), date(1981, 12, 31)),
        (" 1980-05-06 ", date(1980, 5, 6), date(1980, 5, 6)),
        ("1980-05-06T23:00:00Z", date(1980, 5, 6), date(1980, 5, 6)),
    ],
)
def test_a_birth_date_spans_the_days_that_it_may_be(text: str, first: date, last: date) -> None:
    """A partial date is all of its month or year."""
    assert parse_days(text) == (first, last)


@pytest.mark.parametrize(
    "text", ["1980-02-30", "1980-13", "0000", "6 May 1980", "", "1980-05-06T25:00:00Z", "1980-0506"]
)
def test_what_is_no_date_has_no_days(text: str) -> None:
    """No day is made up."""
    assert parse_days(text) is None


def test_today_is_where_the_client_is() -> None:
    """An hour before midnight in UTC it is tomorrow in Berlin."""
    assert local_date(epoch(2026, 7, 1, 23), BERLIN) == date(2026, 7, 2)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-02", 82800.0),
        ("1970-01-02T00:00:00", 82800.0),
        ("1970-01-02T00:00:00Z", 86400.0),
        ("1970-01-02T00:00:00.5+01:00", 82800.5),
        ("1970-01", None),
        ("1970", None),
        ("", None),
        ("1970-13-01", None),
        ("0001-01-01T00:00:00+14:00", -62135647200.0),
    ],
)
def test_a_full_instant_is_never_that_of_a_partial_date(text: str, seconds: float | None) -> None:
    """Naive times and dates belong to the client's zone; partial ones have no instant."""
    assert parse_full_instant(text, BERLIN) == seconds
