"""Durations, sizes and ages in words."""

import pytest

from wardgate.domain.units import describe_age, parse_duration, parse_size


@pytest.mark.parametrize(
    "text, seconds", [("500ms", 0.5), ("30s", 30), ("10m", 600), ("12h", 43200), ("365d", 31536000), ("1.5h", 5400)]
)
def test_a_duration_is_seconds(text: str, seconds: float) -> None:
    """m is minutes."""
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "5 m", "5M", "-5s", "5y", "1h30m", "½h", "٣s"])
def test_what_is_no_duration_is_an_error(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="such as"):
        parse_duration(text)


def test_a_size_is_bytes() -> None:
    """B, KiB and MiB; anything else is an error."""
    assert (parse_size("10B"), parse_size("64KiB"), parse_size("2MiB")) == (10, 65536, 2097152)
    with pytest.raises(ValueError, match="such as"):
        parse_size("2MB")


@pytest.mark.parametrize(
    "seconds, words",
    [
        (-5, "0 min"),
        (59, "0 min"),
        (3600, "60 min"),
        (5 * 3600, "5 h"),
        (3 * 86400, "3 days"),
        (100 * 86400, "3 months"),
        (800 * 86400, "2 years"),
    ],
)
def test_an_age_reads_as_a_clinician_says_it(seconds: float, words: str) -> None:
    """Rounded down, never negative."""
    assert describe_age(seconds) == words
