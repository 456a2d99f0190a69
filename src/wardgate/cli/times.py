"""Arguments that are dates or times."""

import argparse
from datetime import UTC

from wardgate.domain.times import parse_full_instant


def span_to(command: argparse.ArgumentParser, usual_since: str = "", usual_until: str = "") -> None:
    """`--from` and `--to`, as texts that are known to be times; each with what holds without it."""
    for flag, name, what, usual in (
        ("--from", "since", "a date or time, UTC's", usual_since),
        ("--to", "until", "up to, and without, it", usual_until),
    ):
        help_ = f"{what} (default: {usual})" if usual else what
        command.add_argument(flag, dest=name, type=_time, metavar="TIME", help=help_)


def _time(text: str) -> str:
    if parse_full_instant(text, UTC) is None:
        raise argparse.ArgumentTypeError("no date or time: write 2026-03-01, or 2026-03-01T08:00:00Z")
    return text
