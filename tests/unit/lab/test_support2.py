"""The lab's model of death in hospital and the CKD-EPI equation; published figures run in tests/e2e."""

import math

import pytest

from wardgate.lab import ckd_epi, support2
from wardgate.lab.models import MODELS

# SUPPORT2 (UCI, CC BY 4.0), row 17 of the data, as found where the model was trained.
_ROW = (63.66299, 108.0, 22.0, 36.69531, 69.0, 30.0976562, 2.89990234, 130.0, 2.8999023, 14.0)


def test_a_stay_has_the_probability_of_its_training() -> None:
    """To the last digits: the coefficients stand here in full."""
    assert support2.answer(_ROW)[0] == pytest.approx(0.40410407425509, abs=1e-12)


def test_contributions_are_zero_at_normal_values_and_add_up() -> None:
    """The logit is that of normal values and what the inputs add to it."""
    normal, none = support2.answer(support2.NORMAL)
    assert none == (0.0,) * 10
    score, added = support2.answer(_ROW)
    assert math.log(score / (1 - score)) == pytest.approx(math.log(normal / (1 - normal)) + sum(added), abs=1e-12)


def test_the_second_version_is_another_model() -> None:
    """Recalibrated: pulled towards the middle, in the same order of patients."""
    intercept, slope = support2.RECALIBRATION
    first, second = support2.answer(support2.NORMAL)[0], support2.recalibrated(support2.NORMAL)[0]
    assert math.log(second / (1 - second)) == pytest.approx(intercept + slope * math.log(first / (1 - first)), abs=1e-9)
    assert abs(first - second) > 1e-3


@pytest.mark.parametrize("values", [(63, 80, 16, 37, 85, 9, 0, 140, 3.5, 1), (63, 80, 16, 37, 85, 9, 1, 140, 3.5, -1)])
def test_what_has_no_logarithm_is_refused(values: tuple[float, ...]) -> None:
    """Creatinine and bilirubin."""
    with pytest.raises(ValueError, match="above 0"):
        support2.answer(values)


def test_filtration_has_a_knot_for_each_sex() -> None:
    """At the knots the equation is 142 times the age's factor, 1.012 times that for women."""
    assert ckd_epi.answer((0.9, 0, 0))[0] == pytest.approx(142)
    assert ckd_epi.answer((0.7, 0, 1))[0] == pytest.approx(142 * 1.012)
    with pytest.raises(ValueError, match="creatinine"):
        ckd_epi.answer((0, 50, 1))


def test_every_model_answers_with_a_contribution_for_each_feature() -> None:
    """What the model server relies on."""
    for versions in MODELS.values():
        for model in versions.values():
            score, contributions = model.answer((1.0,) * len(model.features))
            assert math.isfinite(score) and len(contributions) == len(model.features)
