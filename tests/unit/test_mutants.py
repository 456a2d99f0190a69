"""The tests of the policies are sharp: whatever small mistake is put into one, they find it."""

import subprocess
import sys

from hypothesis import settings

from tests.mutants import ROOT, SUSPECTS, mutants

_EVERY = 24
"""`make check` tries one mutant in 24, which a tenth would take too long for; `make proof` tries all."""


def test_no_mutant_of_a_policy_survives() -> None:
    """In a process of its own, which forks one for each mutant."""
    every = 1 if settings().max_examples > 100 else _EVERY
    command = [sys.executable, "-m", "tests.mutants", "--every", str(every)]
    tried = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert tried.stdout.count(" mutants, ") == len(SUSPECTS)


def test_a_mutant_is_the_source_with_one_mistake() -> None:
    """Comparisons, connectives, numbers, statements; never a docstring or an annotation."""
    source = 'def late(now: float, until: float = 2.0) -> bool:\n    "doc"\n    return now > until and not now == 0\n'
    made = [mutant.what.split("  ·  ")[1] for mutant in mutants(source)]
    assert made == ["3.0", "Or", "GtE", "without not", "NotEq", "1"]
