"""From a feature vector to the numbers that leave, and from the reply to a prediction."""

from collections.abc import Callable, Mapping

import msgspec

from wardgate.domain.errors import ModelUnavailable
from wardgate.domain.features.vector import FeatureVector, Value
from wardgate.domain.inference.calibration import Calibration, calibrate
from wardgate.domain.inference.endpoint import InputSpec, ModelReply
from wardgate.domain.outcomes import Reason


class ModelInputs(msgspec.Struct, frozen=True):
    """`values` in the order of `InputSpec.order`; `filled` and `clipped` name what the gateway changed."""

    values: tuple[float, ...]
    filled: tuple[str, ...]
    clipped: tuple[str, ...]


class Prediction(msgspec.Struct, frozen=True):
    score: float  # calibrated: what thresholds, bands and rules see
    raw: float
    contributions: Mapping[str, float] | None
    others: Mapping[str, float]
    inputs: ModelInputs


def inputs_of(vector: FeatureVector, spec: InputSpec) -> ModelInputs:
    """What leaves for the model: the features of `order` and nothing else (law 4)."""
    features = vector.values
    return model_inputs(lambda name: features[name].value, spec)


def model_inputs(value_of: Callable[[str], Value | None], spec: InputSpec) -> ModelInputs:
    """Fill, then clip, in the order of `spec.order`.

    A feature without value takes its `fill`; `decisions.may_we` has made sure that it has one.
    """
    values: list[float] = []
    filled: list[str] = []
    clipped: list[str] = []
    for name in spec.order:
        value = value_of(name)
        if value is None:
            number = spec.fill[name]
            filled.append(name)
        else:
            number = float(value)
        bounds = spec.clip.get(name)
        if bounds is not None and not bounds[0] <= number <= bounds[1]:
            number = min(max(number, bounds[0]), bounds[1])
            clipped.append(name)
        values.append(number)
    return ModelInputs(tuple(values), tuple(filled), tuple(clipped))


def prediction_of(
    reply: ModelReply,
    inputs: ModelInputs,
    spec: InputSpec,
    score_range: tuple[float, float] | None,
    calibration: Calibration,
) -> Prediction:
    """Raises ModelUnavailable(reply_range) for a raw score outside `score_range`."""
    if score_range is not None and not score_range[0] <= reply.score <= score_range[1]:
        raise ModelUnavailable(Reason.REPLY_RANGE)
    contributions = None
    if reply.contributions is not None:
        contributions = dict(zip(spec.order, reply.contributions, strict=True))
    return Prediction(calibrate(calibration, reply.score), reply.score, contributions, reply.others, inputs)
