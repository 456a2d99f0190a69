"""What templates see: one `Scene` for one card, a method for each name, each worked out when it is asked for."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from wardgate.domain.cards import tables
from wardgate.domain.cards.facts import CardFacts
from wardgate.domain.cards.inputs import Input, InputRow, Inputs
from wardgate.domain.cards.language import ABSENT, Absent, View, Vocabulary
from wardgate.domain.cards.score import Share, score_of
from wardgate.domain.cards.shapes import FeatureView, Shape, mark_text, measured_text, value_text
from wardgate.domain.cards.tables import KnownRow, MissingRow, Rows
from wardgate.domain.cards.text import Prepared, exact, exact_percent, plain, time_text
from wardgate.domain.cards.wording import NOT_A_RESULT, STEPS, advice_text, reason_text
from wardgate.domain.decisions.decide import REASON_OF_MARK
from wardgate.domain.features.vector import FeatureValue, Mark
from wardgate.domain.inference.prediction import ModelInputs
from wardgate.domain.outcomes import Reason
from wardgate.domain.units import describe_age

DAY = 86400.0
MARK_OF_REASON: Mapping[Reason, Mark] = {reason: mark for mark, reason in REASON_OF_MARK.items()}


class SceneFacts(msgspec.Struct, frozen=True):
    """The part of a plan that scenes read. `certainty` is by threshold and band name."""

    shapes: Mapping[str, Shape]
    inputs: tuple[str, ...]
    edges: tuple[float, ...]  # where bands start
    precision: int
    release: "ReleaseView"
    not_checked: Prepared
    certainty: Mapping[tuple[float | None, str | None], Prepared]
    rules: Mapping[str, str]  # number of a `defer` rule, from 1 -> its text


class ReleaseView(View):
    __slots__ = ("model", "version")
    readable = frozenset({"model", "version"})

    def __init__(self, model: str, version: str) -> None:
        self.model = Prepared(model)
        self.version = Prepared(version)


class StepView(View):
    __slots__ = ("age", "display")
    readable = frozenset({"display", "age"})

    def __init__(self, display: str, age: object) -> None:
        self.display = display
        self.age = age


class ReasonView(View):
    __slots__ = ("code", "display")
    readable = frozenset({"code", "display"})

    def __init__(self, code: str, display: str) -> None:
        self.code = code
        self.display = display


class Scene:
    """One card in the making."""

    __slots__ = ("_reasons", "_score", "call", "plan")

    def __init__(self, plan: SceneFacts, call: CardFacts) -> None:
        self.plan = plan
        self.call = call
        self._score: object = None
        self._reasons: Inputs | None = None

    # the score

    def score(self) -> object:
        if self._score is None:
            decision = self.call.decision
            edges = self.plan.edges if decision.threshold is None else (*self.plan.edges, decision.threshold)
            value = decision.score
            self._score = ABSENT if value is None else score_of(value, edges, self.plan.precision)
        return self._score

    def band(self) -> object:
        band = self.call.decision.band
        return Absent("no band") if band is None else band.name

    def threshold(self) -> object:
        value = self.call.decision.threshold
        return Absent("no threshold") if value is None else Share.of(value, exact(value), exact_percent(value))

    def certainty(self) -> Prepared:
        band = self.call.decision.band
        return self.plan.certainty[self.call.decision.threshold, None if band is None else band.name]

    # the inputs

    def feature(self, name: str) -> FeatureView:
        return FeatureView(self.plan.shapes[name], self.found(name), self.call.zone)

    def found(self, name: str) -> FeatureValue:
        found = self.call.vector.values.get(name)
        return FeatureValue(name, None, Mark.MISSING) if found is None else found

    def reasons(self) -> Inputs:
        """What the score was computed from: by contribution where the model gives them, else in the model's order."""
        if self._reasons is None:
            prediction = self.call.prediction
            effects = {} if prediction is None else prediction.contributions or {}
            names: Sequence[str] = self.plan.inputs
            if effects:
                names = sorted(names, key=lambda name: -abs(effects.get(name, 0.0)))
            changed = _changes(self.plan.inputs, None if prediction is None else prediction.inputs)
            shapes = self.plan.shapes
            inputs = [Input(shapes[name], self.found(name), changed.get(name), effects.get(name)) for name in names]
            self._reasons = Inputs(inputs, self.call.zone)
        return self._reasons

    # the hand-off of a deferral

    def concerned(self) -> tuple[str, ...]:
        """The features that a reason is about: of those that decided, the ones that fit the reason.

        A rule such as `missing(uacr) and age > 65` reads both, and only one of them is missing.
        """
        decision = self.call.decision
        mark = MARK_OF_REASON.get(decision.reason)
        if mark is not None:
            fitting = tuple(name for name in decision.features if self.found(name).mark is mark)
            return fitting or (decision.features if len(decision.features) == 1 else ())
        without = tuple(name for name in decision.features if self.found(name).value is None)
        return without or decision.features

    def reason(self) -> ReasonView:
        names = self._concerned_names()
        return ReasonView(self.call.decision.reason.value, reason_text(self.call.decision.reason, names))

    def advice(self) -> str:
        return f"{advice_text(self.call.decision.reason, self._concerned_names())} {NOT_A_RESULT}"

    def _concerned_names(self) -> list[str]:
        """By display; an exclusion that rests on no feature (`deceased`) is its own name."""
        names: list[str] = [self.plan.shapes[name].display for name in self.concerned()]
        question = self.call.decision.question
        if not names and question is not None and not question.isdigit():
            names.append(question)
        return names

    def missing(self) -> Rows:
        """What cannot be used, with what stands in the chart instead and why."""
        rows: list[View] = []
        for name in self._listed():
            shape, found = self.plan.shapes[name], self.found(name)
            if found.value is None:
                measured = measured_text(found, self.call.zone)
                rows.append(MissingRow(shape.display, value_text(shape, found), measured, mark_text(shape, found)))
        return Rows(tables.MISSING, rows)

    def known(self) -> Rows:
        """What can be used, with dates and the way that it came."""
        rows: list[View] = []
        for name in self._listed():
            shape, found = self.plan.shapes[name], self.found(name)
            view = FeatureView(shape, found, self.call.zone)
            if found.value is not None:
                measured = measured_text(found, self.call.zone)
                rows.append(KnownRow(shape.display, value_text(shape, found), measured, str(view.trend)))
        return Rows(tables.KNOWN, rows)

    def _listed(self) -> list[str]:
        """The model's inputs, and whatever else the decision was about; nothing of a chart that may be another's."""
        if self.call.decision.reason is Reason.WRONG_PATIENT:
            return []
        return list(dict.fromkeys((*self.plan.inputs, *self.call.decision.features)))

    # the circumstances

    def step(self) -> StepView:
        age = self.call.step_age
        return StepView(STEPS[self.call.step], Absent("") if age is None else describe_age(age))

    def computed_at(self) -> str:
        return time_text(self.call.computed_at, self.call.zone)

    def valid_until(self) -> str:
        return time_text(valid_until(self.plan, self.call), self.call.zone)

    def release(self) -> ReleaseView:
        return self.plan.release

    def not_checked(self) -> str:
        return self.plan.not_checked


def valid_until(plan: SceneFacts, call: CardFacts) -> float:
    """Epoch seconds until when a card may be believed: until its first input outgrows `within`, a day at most.

    The inputs' ages are those of the call, so a cached score's card ends with the inputs too.
    """
    left = DAY
    for name in plan.inputs:
        within, found = plan.shapes[name].within, call.vector.values.get(name)
        if within is not None and found is not None and found.age is not None and found.value is not None:
            left = min(left, within - found.age)
    return min(call.computed_at + DAY, call.vector.as_of + max(left, 0.0))


def _changes(order: tuple[str, ...], inputs: ModelInputs | None) -> dict[str, str]:
    """What the gateway put in or cut: each has to be read beside the value."""
    if inputs is None or not (inputs.filled or inputs.clipped):
        return {}
    sent = dict(zip(order, inputs.values, strict=True))
    changes = {name: f"assumed {plain(sent[name])}" for name in inputs.filled}
    return changes | {name: f"taken as {plain(sent[name])}" for name in inputs.clipped}


_PRINTED: frozenset[str] = frozenset()
_FEATURE = FeatureView.readable
_ROW_LISTS = {"reasons": InputRow.readable, "missing": MissingRow.readable, "known": KnownRow.readable}

_COMMON: Mapping[str, tuple[Callable[[Scene], object], frozenset[str]]] = {
    "computed_at": (Scene.computed_at, _PRINTED),
    "release": (Scene.release, ReleaseView.readable),
    "not_checked": (Scene.not_checked, _PRINTED),
}
_SCORED: Mapping[str, tuple[Callable[[Scene], object], frozenset[str]]] = {
    **_COMMON,
    "score": (Scene.score, _PRINTED),
    "band": (Scene.band, _PRINTED),
    "threshold": (Scene.threshold, _PRINTED),
    "certainty": (Scene.certainty, _PRINTED),
    "reasons": (Scene.reasons, _ROW_LISTS["reasons"]),
    "valid_until": (Scene.valid_until, _PRINTED),
    "step": (Scene.step, StepView.readable),
}
_HANDED_OFF: Mapping[str, tuple[Callable[[Scene], object], frozenset[str]]] = {
    **_COMMON,
    "reason": (Scene.reason, ReasonView.readable),
    "missing": (Scene.missing, _ROW_LISTS["missing"]),
    "known": (Scene.known, _ROW_LISTS["known"]),
    "advice": (Scene.advice, _PRINTED),
}
_LABEL = {"step": (Scene.step, StepView.readable)}
_UNAVAILABLE = {**_COMMON, "reason": (Scene.reason, ReasonView.readable)}
_NO_SCORE = dict.fromkeys(
    ("score", "band", "threshold", "certainty", "reasons", "valid_until"),
    "say nothing of a score where there is none; reason, missing, known and advice are there",
)


class Names(msgspec.Struct, frozen=True):
    """A kind of template: what it may say, how each name is worked out, and which names are not a feature's."""

    vocabulary: Vocabulary
    builders: Mapping[str, Callable[[Scene], object]]
    builtin: frozenset[str]


def _names(
    kind: Mapping[str, tuple[Callable[[Scene], object], frozenset[str]]],
    shapes: Mapping[str, Shape],
    instead: Mapping[str, str],
) -> Names:
    features = {name: shape for name, shape in shapes.items() if name not in kind}
    vocabulary = Vocabulary(
        {**dict.fromkeys(features, _FEATURE), **{name: attributes for name, (_, attributes) in kind.items()}},
        {name: rows for name, rows in _ROW_LISTS.items() if name in kind},
        frozenset({"score", "threshold", *(f"{name}.value" for name, shape in features.items() if shape.numeric)}),
        instead,
    )
    builders: dict[str, Callable[[Scene], object]] = {name: _looker(name) for name in features}
    builders |= {name: build for name, (build, _) in kind.items()}
    return Names(vocabulary, builders, frozenset(kind))


def _looker(name: str) -> Callable[[Scene], object]:
    return lambda scene: scene.feature(name)


def names_of_score(shapes: Mapping[str, Shape]) -> Names:
    return _names(_SCORED, shapes, {})


def names_of_deferral(shapes: Mapping[str, Shape]) -> Names:
    return _names(_HANDED_OFF, shapes, _NO_SCORE)


def names_of_notice() -> Names:
    return _names(_UNAVAILABLE, {}, _NO_SCORE)


def names_of_label() -> Names:
    return _names(_LABEL, {}, _NO_SCORE)
