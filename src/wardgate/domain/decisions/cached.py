"""The last score of a patient, as it is kept, and whether it may stand in for a new one.

Kept is what the decision needs and nothing else: no id, no name, no value and no time of the chart. What each input was
is held as a keyed fingerprint, so that the next call can tell whether it is still the same, and nobody what it was. A
fingerprint is of the value and its effective time: an input that is newer is another one, and so is one that was
corrected or withdrawn since, which was scored wrongly as well.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from wardgate.domain.decisions.rules import Rules
from wardgate.domain.features.derived import inputs_of
from wardgate.domain.features.schema import FeatureSchema, FeatureSpec
from wardgate.domain.features.vector import FeatureVector
from wardgate.domain.inference.prediction import ModelInputs, Prediction

Keyed = Callable[[bytes], bytes]
"""A keyed digest of a few bytes."""

_SKEW = 60.0
"""Seconds that the clock of the replica that computed the score may be ahead."""


class CachedScore(msgspec.Struct, frozen=True, array_like=True):
    """`others` are the outputs that rules on outputs read; `inputs` the fingerprints in the order of `Basis`."""

    score: float  # calibrated
    raw: float
    computed_at: float  # epoch seconds
    site: str | None
    others: Mapping[str, float]
    inputs: tuple[bytes, ...]


class Basis(msgspec.Struct, frozen=True):
    """What a release's score rests on: the inputs that the chart itself holds, and the outputs that rules read.

    `drifting` are the inputs that change with the clock alone, such as an age in years.
    """

    inputs: tuple[str, ...]
    drifting: frozenset[str]
    outputs: tuple[str, ...]


class LastScore(msgspec.Struct, frozen=True):
    """A cached score beside the call that it may answer. `unchecked` are inputs that could not be read now."""

    kept: CachedScore
    age: float  # seconds
    changed: bool
    unchecked: tuple[str, ...]


def basis_of(schema: FeatureSchema, order: Iterable[str], rules: Rules) -> Basis:
    """A derived input rests on those that it is computed from."""
    specs = {spec.name: spec for spec in schema.features}
    inputs: dict[str, None] = {}
    waiting = list(order)
    while waiting:
        spec = specs[waiting.pop(0)]
        if spec.derive is None:
            inputs[spec.name] = None
        else:
            waiting += inputs_of(spec, specs)
    read = {name for rule in rules.defer if rule.when.uses_outputs for name in rule.when.names}
    return Basis(
        tuple(inputs), frozenset(name for name in inputs if _drifts(specs[name])), tuple(sorted(read - specs.keys()))
    )


def _drifts(spec: FeatureSpec) -> bool:
    return spec.as_ is not None


def keep(prediction: Prediction, vector: FeatureVector, basis: Basis, site: str | None, keyed: Keyed) -> CachedScore:
    """What is left behind of a fresh prediction."""
    return CachedScore(
        prediction.score,
        prediction.raw,
        vector.as_of,
        site,
        {name: prediction.others[name] for name in basis.outputs if name in prediction.others},
        tuple([_fingerprint(name, vector, basis, keyed) for name in basis.inputs]),
    )


def last_score(
    kept: CachedScore, vector: FeatureVector, basis: Basis, site: str | None, keyed: Keyed
) -> LastScore | None:
    """None: not a score of this site, or not of this time or these inputs (a schema that another replica has)."""
    age = vector.as_of - kept.computed_at
    if kept.site != site or age < -_SKEW or len(kept.inputs) != len(basis.inputs):
        return None
    unchecked = tuple([name for name in basis.inputs if vector.values[name].unobtained])
    changed = any(
        _fingerprint(name, vector, basis, keyed) != then
        for name, then in zip(basis.inputs, kept.inputs, strict=True)
        if name not in unchecked
    )
    return LastScore(kept, max(age, 0.0), changed, unchecked)


def prediction_of_last(last: LastScore) -> Prediction:
    """As rules and thresholds see it; what each input contributed was not kept."""
    return Prediction(last.kept.score, last.kept.raw, None, last.kept.others, ModelInputs((), (), ()))


def _fingerprint(name: str, vector: FeatureVector, basis: Basis, keyed: Keyed) -> bytes:
    found = vector.values[name]
    value = None if found.value is None else "" if name in basis.drifting else found.value
    return keyed(repr((name, value, None if name in basis.drifting else found.at)).encode())
