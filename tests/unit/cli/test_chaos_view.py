"""The table of a chaos run: whole at 80 columns and wider, and what is broken stands below it."""

import io

import pytest
from rich.console import Console

from wardgate.cli.chaos_view import show
from wardgate.lab.chaos.run import Result

_REQUIRED = {"refused/prefetch_required/none": 4000}
_TWO_WAYS = {"unavailable/probe_pending/none": 14, "shown/threshold_met/model": 26}
_GOOD = Result("gzip that nobody asked for", "model", 4000, 4000, _REQUIRED, 0.4, 201, 538, 0, 0, 1834, [])
_MIXED = Result("http10", "model", 40, 40, _TWO_WAYS, 18, 32, 33, 0, 0, 232, [])
_BAD = Result("hang", "fhir", 40, 40, {}, 600, 700, 800, 39, 2, None, ["39 answers came after 550 ms"])


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_is_cut(width: int) -> None:
    """Every figure, the target above its faults, the most frequent ending first, one verdict."""
    out = io.StringIO()
    show([_GOOD, _MIXED, _BAD], 0.5, Console(file=out, width=width, highlight=False))
    text = out.getvalue()
    lines = [line.rstrip() for line in text.splitlines()]
    assert all(len(line) <= width for line in lines)
    assert "4,000 prefetch_required" in text and "1,834" in text and "never" in text
    assert "26 shown by model" in next(line for line in lines if "http10" in line)
    assert text.index("on model") < text.index("http10") < text.index("on fhir")
    assert "hang on fhir: 39 answers came after 550 ms" in lines
    assert lines[-1] == "3 faults, 4,080 calls: 39 beyond 500 + 50 ms, 2 invalid; 1 not as expected"


def test_a_good_run_says_so() -> None:
    """In one line."""
    out = io.StringIO()
    show([_MIXED], 0.5, Console(file=out, width=80))
    assert out.getvalue().rstrip().endswith("0 beyond 500 + 50 ms, 0 invalid; all as expected")
