"""What leaves for the model, and what its reply becomes."""

import msgspec
import pytest

from tests.fakes.model import ENDPOINT
from wardgate.domain.errors import ModelUnavailable
from wardgate.domain.features.vector import FeatureValue, FeatureVector, Mark
from wardgate.domain.inference.calibration import Identity, Logistic
from wardgate.domain.inference.endpoint import ModelReply
from wardgate.domain.inference.prediction import ModelInputs, inputs_of, prediction_of

INPUTS = ModelInputs((70.0, 1.0, 30.0, 300.0), (), ())


def _vector(**values: float | None) -> FeatureVector:
    features = {
        name: FeatureValue(name, value, None if value is not None else Mark.MISSING) for name, value in values.items()
    }
    return FeatureVector(features, deceased=False, as_of=0.0)


def test_only_the_features_of_order_leave_and_in_that_order() -> None:
    """Minimum necessary (law 4): a feature for rules never leaves."""
    vector = _vector(has_dialysis=1.0, uacr=300.0, egfr=30.0, male=True, age=70.0)
    assert inputs_of(vector, ENDPOINT.inputs) == INPUTS


def test_a_missing_optional_input_is_filled_and_an_extreme_one_clipped() -> None:
    """Both are named, so that the card and the record can say so."""
    spec = msgspec.structs.replace(ENDPOINT.inputs, fill={"egfr": 45.0})
    inputs = inputs_of(_vector(uacr=0.2, egfr=None, male=0.0, age=70.0), spec)
    assert inputs == ModelInputs((70.0, 0.0, 45.0, 1.0), ("egfr",), ("uacr",))


@pytest.mark.parametrize("raw", [-0.001, 1.001])
def test_a_raw_score_outside_its_range_is_refused(raw: float) -> None:
    """The range is the raw score's, before calibration."""
    with pytest.raises(ModelUnavailable, match="reply_range"):
        prediction_of(ModelReply(raw, None, {}), INPUTS, ENDPOINT.inputs, (0.0, 1.0), Identity())


def test_the_prediction_is_calibrated_and_names_its_contributions() -> None:
    """Contributions are laid to the features of `order`."""
    reply = ModelReply(0.3, (1.0, 2.0, 3.0, 4.0), {"uncertainty": 0.1})
    prediction = prediction_of(reply, INPUTS, ENDPOINT.inputs, (0.0, 1.0), Logistic(intercept=1.0, slope=1.0))
    assert prediction.raw == 0.3 and prediction.score > 0.3
    assert prediction.contributions == {"age": 1.0, "male": 2.0, "egfr": 3.0, "uacr": 4.0}
    assert prediction.others == {"uncertainty": 0.1}
