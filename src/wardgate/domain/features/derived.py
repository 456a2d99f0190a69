"""Features that are computed from other features: `derive: "(sbp + 2 * dbp) / 3"`.

The expression is of the language that rules are written in. What it says is unknown leaves the feature without a
value, with the mark of an input that has none.
"""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from math import inf

from wardgate.domain.expressions import Expression, Scope, compile_expression, words_in
from wardgate.domain.features.schema import FeatureSchema, FeatureSpec
from wardgate.domain.features.vector import FeatureValue, Mark

Derive = Callable[[Mapping[str, FeatureValue]], FeatureValue]
"""From the values of all features before it."""

_TIMED = frozenset({"Observation", "MedicationRequest", "MedicationStatement", "Encounter", "DocumentReference"})


def inputs_of(spec: FeatureSpec, names: Container[str]) -> tuple[str, ...]:
    """The features that a derived one speaks of, in the order of its text; none of any other."""
    return tuple(word for word in words_in(spec.derive or "") if word in names)


def in_order(specs: Sequence[FeatureSpec]) -> tuple[list[FeatureSpec], list[FeatureSpec]]:
    """The derived features, each behind its inputs; and those that cannot be, since they wait for one another."""
    derived = {spec.name: spec for spec in specs if spec.derive is not None}
    missing = {name: len(inputs_of(spec, derived)) for name, spec in derived.items()}
    users = _users(derived.values())
    ready = [name for name, number in missing.items() if not number]
    for name in ready:  # which grows meanwhile
        for user in users.get(name, ()):
            missing[user] -= 1
            if not missing[user]:
                ready.append(user)
    return [derived[name] for name in ready], [spec for name, spec in derived.items() if missing[name]]


def dependants(specs: Sequence[FeatureSpec], names: Iterable[str]) -> frozenset[str]:
    """`names`, and every derived feature that speaks of one of them, also by way of another."""
    users, found = _users(specs), list(dict.fromkeys(names))
    met = set(found)
    for name in found:  # which grows meanwhile
        new = [user for user in users.get(name, ()) if user not in met]
        met.update(new)
        found += new
    return frozenset(found)


def _users(specs: Iterable[FeatureSpec]) -> dict[str, list[str]]:
    """By word, the derived features that speak of it."""
    users: dict[str, list[str]] = {}
    for spec in specs:
        for word in words_in(spec.derive or ""):
            users.setdefault(word, []).append(spec.name)
    return users


def timed_of(schema: FeatureSchema) -> frozenset[str]:
    """The features whose `age_of` is defined: a derived one where all its inputs are such."""
    timed = {spec.name for spec in schema.features if spec.source in _TIMED and not spec.reads_document}
    names = {spec.name for spec in schema.features}
    for spec in in_order(schema.features)[0]:
        if (inputs := inputs_of(spec, names)) and timed.issuperset(inputs):
            timed.add(spec.name)
    return frozenset(timed)


def scope_of(schema: FeatureSchema) -> Scope:
    """What the expression of a derived feature may speak of: features alone."""
    return Scope({spec.name: spec.yields for spec in schema.features}, timed=timed_of(schema))


def compile_derived(spec: FeatureSpec, scope: Scope) -> Derive:
    """Raises ExpressionError for what `check_schema` reports."""
    expression: Expression = compile_expression(spec.derive or "", scope, spec.yields)
    inputs = inputs_of(spec, expression.names)
    name, unit, evaluate = spec.name, spec.unit, expression.evaluate
    low, high = spec.plausible or (-inf, inf)

    def derive(values: Mapping[str, FeatureValue]) -> FeatureValue:
        used = [values[name] for name in inputs]
        at, age = _oldest(used)
        late = any(value.late for value in used)
        result = evaluate(values)
        if result is None:
            blamed = _blamed(used)
            if blamed is None:  # it was divided by zero, or is too large
                return FeatureValue(name, None, Mark.NOT_NUMERIC, at, age, unit, late=late)
            lacks, unobtained = blamed.lacks or blamed.name, blamed.unobtained
            return FeatureValue(name, None, blamed.mark, at, age, unit, unobtained=unobtained, late=late, lacks=lacks)
        if isinstance(result, float) and not low <= result <= high:
            return FeatureValue(name, None, Mark.IMPLAUSIBLE, at, age, unit, late=late)
        return FeatureValue(name, result, None, at, age, unit, late=late)

    return derive


def _blamed(values: Sequence[FeatureValue]) -> FeatureValue | None:
    """The first that is there and cannot be used, else the first that could not be fetched, else the first that is not
    there: an expression may do without what is absent, and absent is what no part of it may make of the others."""
    without = [value for value in values if value.value is None]
    unusable = (value for value in without if value.mark not in (Mark.MISSING, Mark.STALE))
    return next(unusable, None) or next((value for value in without if value.unobtained), next(iter(without), None))


def _oldest(values: Iterable[FeatureValue]) -> tuple[float | None, float | None]:
    """Time and age of the oldest input that has a time: the result is no fresher."""
    oldest: FeatureValue | None = None
    for value in values:
        if value.at is not None and (oldest is None or oldest.at is None or value.at < oldest.at):
            oldest = value
    return (None, None) if oldest is None else (oldest.at, oldest.age)
