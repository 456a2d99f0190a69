"""Calibration maps."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardgate.domain.inference.calibration import Identity, Isotonic, Logistic, calibrate

POINTS = Isotonic(points=((0.1, 0.05), (0.3, 0.2), (0.6, 0.7)))


def test_identity_changes_nothing() -> None:
    """Also outside of [0, 1]: a point score is a score."""
    assert calibrate(Identity(), 7.0) == 7.0


def test_logistic_recalibrates_on_the_logit_scale() -> None:
    """σ(a + b·logit p), against the formula written out."""
    assert calibrate(Logistic(intercept=-1.0, slope=0.8), 0.3) == pytest.approx(
        1 / (1 + math.exp(1.0 - 0.8 * math.log(0.3 / 0.7)))
    )
    assert calibrate(Logistic(intercept=0.0, slope=1.0), 0.3) == pytest.approx(0.3)


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(-50, 50), st.floats(-50, 50))
def test_logistic_stays_a_probability(raw: float, intercept: float, slope: float) -> None:
    """p is clipped at 1e-6, so that neither 0 nor 1 nor anything beyond breaks the logit."""
    assert 0.0 <= calibrate(Logistic(intercept=intercept, slope=slope), raw) <= 1.0


@pytest.mark.parametrize(
    "raw, expected", [(0.0, 0.05), (0.1, 0.05), (0.2, 0.125), (0.3, 0.2), (0.45, 0.45), (0.6, 0.7), (0.9, 0.7)]
)
def test_isotonic_is_linear_between_points_and_clamped_outside(raw: float, expected: float) -> None:
    """The ends hold; nothing is extrapolated."""
    assert calibrate(POINTS, raw) == pytest.approx(expected)
