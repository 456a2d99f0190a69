"""The equation against published figures."""

import math

import pytest

from wardgate.lab import kfre

# Worked examples of the package kfre 0.1.18 (lshpaner/kfre@0747223c80dc, MIT; the README's table and kfre_person()).
_PUBLISHED = [
    ("kfre", (65, 1, 19, 30), 0.06312266168952707),
    ("kfre", (70, 0, 50, 35), 0.0015495442401257664),
    ("kfre", (75, 1, 22, 40), 0.04175743094093043),
    ("kfre", (80, 0, 30, 50), 0.0134574086070961),
    ("kfre", (45, 0, 12, 1200), 0.597704424832348),
    ("kfre", (72, 1, 15, 1762), 0.42171940444551215),
    ("kfre_5y", (65, 1, 19, 30), 0.22312771915586194),
    ("kfre_na_2y", (65, 1, 19, 30), 0.09283767055041114),
    ("kfre_na_5y", (65, 1, 19, 30), 0.2622811100179675),
]


@pytest.mark.parametrize(("model", "inputs", "published"), _PUBLISHED)
def test_the_equation_gives_the_published_figures(
    model: str, inputs: tuple[float, float, float, float], published: float
) -> None:
    """All four variants agree with an implementation that nobody here wrote."""
    assert kfre.risk(kfre.VARIANTS[model], kfre.terms(*inputs)) == pytest.approx(published, abs=1e-9)


def test_contributions_are_zero_for_the_mean_patient() -> None:
    """The terms are centred, so that a contribution says how far a value moves the risk from the mean."""
    assert kfre.terms(70.36, 0.5642, 36.11, math.exp(5.137)) == pytest.approx((0, 0, 0, 0), abs=1e-9)


def test_a_ratio_of_zero_is_refused() -> None:
    """The logarithm of nothing is no number to show to anybody."""
    with pytest.raises(ValueError, match="uacr"):
        kfre.terms(70, 1, 30, 0)


def test_numbers_out_of_all_bounds_are_refused() -> None:
    """An overflow is a ValueError, as every other input that the equation cannot take."""
    with pytest.raises(ValueError, match="outside"):
        kfre.risk(kfre.VARIANTS["kfre"], kfre.terms(-1e9, 1, 30, 300))
