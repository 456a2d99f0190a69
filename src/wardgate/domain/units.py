"""Durations and sizes as the configuration writes them: `500ms`, `12h`, `365d`, `2MiB`."""

import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1, "KiB": 1024, "MiB": 1024**2}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_SIZE = re.compile(r"([0-9]+)(B|KiB|MiB)")


def parse_duration(text: str) -> float:
    """Seconds of a duration such as `500ms`, `30s`, `10m` (minutes), `12h` or `365d`; ValueError otherwise."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("a duration is a number with ms, s, m (minutes), h or d, such as 500ms or 12h")
    return float(match[1]) * _SECONDS[match[2]]


def parse_size(text: str) -> int:
    """Bytes of a size such as `64KiB` or `2MiB`; ValueError otherwise."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError("a size is a whole number with B, KiB or MiB, such as 2MiB")
    return int(match[1]) * _BYTES[match[2]]


def describe_age(seconds: float) -> str:
    """An age as a clinician reads it: `12 min`, `5 h`, `3 days`, `4 months`, `2 years`; never negative."""
    minutes = max(0.0, seconds) / 60
    if minutes < 120:
        return f"{int(minutes)} min"
    hours = minutes / 60
    if hours < 48:
        return f"{int(hours)} h"
    days = hours / 24
    if days < 61:
        return f"{int(days)} days"
    if days < 730:
        return f"{int(days / 30.436875)} months"
    return f"{int(days / 365.2425)} years"
