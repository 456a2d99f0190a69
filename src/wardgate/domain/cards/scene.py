"""What templates see: one `Scene` for one card, a method for each name, each worked out when it is asked for."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from wardgate.domain.cards import tables
from wardgate.domain.cards.facts import CardFacts
from wardgate.domain.cards.identity import card_id
from wardgate.domain.cards.inputs import INPUT_ROW, Input, Inputs
from wardgate.domain.cards.language import ABSENT, GAP, Absent, Frame, Get, Vocabulary
from wardgate.domain.cards.rule import Part, Parts, rule_text
from wardgate.domain.cards.score import Share, score_of
from wardgate.domain.cards.shapes import (
    LOOKS,
    NOTHING,
    OWN_LOOKS,
    Look,
    Shape,
    earlier_text,
    mark_text,
    measured_text,
    trend_text,
    value_text,
)
from wardgate.domain.cards.tables import KNOWN_ROW, MISSING_ROW, KnownRow, MissingRow, Rows
from wardgate.domain.cards.text import Markdown, Prepared, date_text, exact, exact_percent, plain, time_text
from wardgate.domain.cards.wording import (
    NOT_A_RESULT,
    STEPS,
    advice_text,
    cached_text,
    reason_text,
    unanswered_text,
    unchecked_text,
)
from wardgate.domain.decisions.decide import REASON_OF_MARK, facts_of
from wardgate.domain.expressions import Expression
from wardgate.domain.features.vector import FeatureValue, Mark
from wardgate.domain.inference.prediction import ModelInputs
from wardgate.domain.outcomes import Outcome, Reason
from wardgate.domain.scores import Counted
from wardgate.domain.units import describe_age

DAY = 86400.0
MARK_OF_REASON: Mapping[Reason, Mark] = {reason: mark for mark, reason in REASON_OF_MARK.items()}


class SceneFacts(msgspec.Struct, frozen=True):
    """The part of a plan that scenes read. `certainty` is by threshold and band name; `ageing` are the inputs that
    have a window, with its length; `questions` are the exclusions that are asked; `rules` are the texts of `defer`
    rules on features by their number, from 1: one on outputs would give a score away that must not be read."""

    shapes: Mapping[str, Shape]
    inputs: tuple[str, ...]
    ageing: tuple[tuple[str, float], ...]
    edges: tuple[float, ...]  # where bands start
    precision: int
    model: Prepared
    version: Prepared
    not_checked: Prepared
    questions: tuple[tuple[str, Expression], ...]
    certainty: Mapping[tuple[float | None, str | None], Prepared]
    rules: Mapping[str, str]
    rule: str | None = None  # what a clinician calls the rule whose card this is


class Scene(Frame):
    """One card in the making. `foreign`: so many actions were left out since they would touch another patient."""

    __slots__ = ("_reasons", "_score", "call", "foreign", "plan")

    def __init__(self, plan: SceneFacts, call: CardFacts) -> None:
        self.plan = plan
        self.call = call
        self.foreign = 0
        self._score: Share | None = None
        self._reasons: Inputs | None = None

    # the score

    def score(self) -> object:
        if self._score is None:
            decision = self.call.decision
            if decision.score is None:
                return ABSENT
            edges = self.plan.edges if decision.threshold is None else (*self.plan.edges, decision.threshold)
            self._score = score_of(decision.score, edges, self.plan.precision)
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

    def found(self, name: str) -> FeatureValue:
        """A vector that ends early (another patient's) has no features at all."""
        return self.call.vector.values.get(name) or FeatureValue(name, None, Mark.MISSING)

    def reasons(self) -> Inputs | Parts:
        """What the score was computed from: by contribution where the model gives them, else in the model's order; of
        a rule's points, item by item."""
        fallback = self.call.decision.fallback
        if fallback is not None and fallback.points is not None and fallback.points.items:
            return Parts([self._part(counted) for counted in fallback.points.items], self.call.zone)
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

    def _part(self, counted: Counted) -> Part:
        item = counted.item
        about = item.reads[0] if item.reads else None
        shape, found = (None, None) if about is None else (self.plan.shapes[about], self.found(about))
        return Part(item.display, counted.points, shape, found)

    def rule_text(self) -> str:
        fallback = self.call.decision.fallback
        if fallback is None or self.plan.rule is None:
            return ""
        return rule_text(self.plan.rule, self.plan.model, self.plan.version, fallback.reason)

    def cached_text(self) -> str:
        """Where the score comes from that stands in for a new one (law 6)."""
        fallback = self.call.decision.fallback
        if fallback is None or fallback.computed_at is None:
            return ""
        computed_at = time_text(fallback.computed_at, self.call.zone)
        return cached_text(self.plan.model, self.plan.version, computed_at, fallback.reason)

    def unchecked_text(self) -> str:
        fallback = self.call.decision.fallback
        if fallback is None or fallback.computed_at is None:
            return ""
        if not fallback.unchecked and fallback.reason is not Reason.CONTEXT_UNAVAILABLE:
            return ""
        shapes = self.plan.shapes
        return unchecked_text([shapes[name].display for name in fallback.unchecked])

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
        return self._without_value() or decision.features

    def _without_value(self) -> tuple[str, ...]:
        return tuple(name for name in self.call.decision.features if self.found(name).value is None)

    def reason_display(self) -> str:
        return "; ".join([reason_text(reason, names) for reason, names in self._causes()])

    def reason_code(self) -> str:
        return self.call.decision.reason.value

    def rule(self) -> str | None:
        """The text of the rule that decided; none beside marks that say more than its `missing(x)`."""
        decision = self.call.decision
        text = self.plan.rules.get(decision.question or "")
        told = self._causes()[0][0] is not decision.reason
        if text is not None and decision.reason is not Reason.INPUT_MISSING and decision.reason in MARK_OF_REASON:
            told = told or ("missing(" in text and bool(self._without_value()))
        return None if told else text

    def advice(self) -> str:
        return " ".join([*(advice_text(reason, names) for reason, names in self._causes()), NOT_A_RESULT])

    def _causes(self) -> list[tuple[Reason, list[str]]]:
        """The decision's reason with its features. `missing(x)` also holds where x is there and cannot be used: then
        each one's own mark, since "not found" would be untrue."""
        reason = self.call.decision.reason
        by_mark: dict[Mark, list[str]] = {}
        if reason is Reason.INPUT_MISSING or (reason in MARK_OF_REASON and self.call.decision.question is not None):
            for name in self._without_value():
                by_mark.setdefault(self.found(name).mark or Mark.MISSING, []).append(self._display(name))
        named = Mark.MISSING in by_mark if reason is Reason.INPUT_MISSING else MARK_OF_REASON.get(reason) not in by_mark
        if not by_mark or named:
            return [(reason, self._concerned_names())]
        return [(REASON_OF_MARK[mark], list(dict.fromkeys(names))) for mark, names in by_mark.items()]

    def _display(self, name: str) -> str:
        """What a clinician looks for: of a derived feature the one that it could not be worked out for."""
        return self.plan.shapes[self.found(name).lacks or name].display

    def _concerned_names(self) -> list[str]:
        """By display; an exclusion goes by its own name, which says more than the feature that it rests on."""
        decision = self.call.decision
        if decision.reason is Reason.EXCLUSION_UNKNOWN and decision.question is not None:
            return [decision.question]
        return list(dict.fromkeys(self._display(name) for name in self.concerned()))

    def missing(self) -> Rows:
        """What cannot be used, with what stands in the chart instead, why, and the last value that could be used."""
        rows: list[object] = []
        for name in self._listed():
            shape, found = self.plan.shapes[name], self.found(name)
            if found.value is None:
                display: str = shape.display
                if found.lacks is not None:
                    shape, found = self.plan.shapes[found.lacks], self.found(found.lacks)
                    display = f"{display}: {shape.display}"
                measured, why = measured_text(found, self.call.zone), mark_text(shape, found)
                earlier = earlier_text(shape, found, self.call.zone)
                rows.append(MissingRow(display, value_text(shape, found), measured, why, earlier))
        return Rows(tables.MISSING, rows)

    def known(self) -> Rows:
        """What can be used, with dates and the way that it came."""
        rows: list[object] = []
        for name in self._listed():
            shape, found = self.plan.shapes[name], self.found(name)
            if found.value is not None:
                measured = measured_text(found, self.call.zone)
                trend = trend_text(shape, found, self.call.zone)
                rows.append(KnownRow(shape.display, value_text(shape, found), measured, trend))
        return Rows(tables.KNOWN, rows)

    def _listed(self) -> list[str]:
        """The model's inputs, and whatever else the decision was about; nothing of a chart that may be another's."""
        if self.call.decision.reason is Reason.WRONG_PATIENT:
            return []
        return list(dict.fromkeys((*self.plan.inputs, *self.call.decision.features)))

    # the circumstances

    def not_checked(self) -> Prepared:
        """What nobody looked at; and on a deferral, which may come before an unknown exclusion is held against the
        call, what could not be answered in it."""
        decision = self.call.decision
        if decision.outcome is not Outcome.DEFERRED or decision.reason is Reason.WRONG_PATIENT:
            return self.plan.not_checked
        facts = facts_of(self.call.vector)
        unknown = [name for name, when in self.plan.questions if when.evaluate(facts) is None]
        return Prepared(unanswered_text(unknown, self.plan.not_checked)) if unknown else self.plan.not_checked

    def step_display(self) -> str:
        return STEPS[self.call.step]

    def step_age(self) -> object:
        age = self.call.step_age
        return NOTHING if age is None else describe_age(age)

    def computed_at(self) -> Markdown:
        return Markdown(time_text(self.call.computed_at, self.call.zone))

    def valid_until(self) -> Markdown:
        return Markdown(time_text(valid_until(self.plan, self.call), self.call.zone))

    # for machines

    def card_uuid(self) -> str:
        return card_id(self.call.decision_id, self.call.ordinal)

    def now(self) -> str:
        """An instant as FHIR writes it, with the client's offset."""
        return datetime.fromtimestamp(self.call.computed_at, self.call.zone).isoformat(timespec="seconds")

    def today(self) -> str:
        return date_text(self.call.computed_at, self.call.zone)


def valid_until(plan: SceneFacts, call: CardFacts) -> float:
    """Epoch seconds until when a card may be believed: until its first input outgrows `within`, a day at most.

    The inputs' ages are those of the call, so a cached score's card ends with the inputs too.
    """
    left = DAY
    for name, within in plan.ageing:
        found = call.vector.values.get(name)
        if found is not None and found.age is not None and found.value is not None:
            left = min(left, within - found.age)
    return min(call.computed_at + DAY, call.vector.as_of + max(left, 0.0))


def _changes(order: tuple[str, ...], inputs: ModelInputs | None) -> dict[str, str]:
    """What the gateway put in or cut: each has to be read beside the value."""
    if inputs is None or not (inputs.filled or inputs.clipped):
        return {}
    sent = dict(zip(order, inputs.values, strict=True))
    changes = {name: f"assumed {plain(sent[name])}" for name in inputs.filled}
    return changes | {name: f"taken as {plain(sent[name])}" for name in inputs.clipped}


Kind = Mapping[str, Get | Mapping[str, Get]]

_COMMON: Kind = {
    "computed_at": Scene.computed_at,
    "release": {"model": lambda scene: scene.plan.model, "version": lambda scene: scene.plan.version},
    "not_checked": Scene.not_checked,
}
_STEP: Kind = {"step": {"display": Scene.step_display, "age": Scene.step_age}}
_REASON: Kind = {"reason": {"display": Scene.reason_display, "code": Scene.reason_code}}
_SCORED: Kind = {
    **_COMMON,
    **_STEP,
    "score": Scene.score,
    "band": Scene.band,
    "threshold": Scene.threshold,
    "certainty": Scene.certainty,
    "reasons": Scene.reasons,
    "valid_until": Scene.valid_until,
}
_HANDED_OFF: Kind = {
    **_COMMON,
    **_REASON,
    "missing": Scene.missing,
    "known": Scene.known,
    "advice": Scene.advice,
}
_NOTICE: Kind = {**_COMMON, **_REASON}
_LISTS = {"reasons": INPUT_ROW, "missing": MISSING_ROW, "known": KNOWN_ROW}
BUILTIN = frozenset({*_SCORED, *_HANDED_OFF})
"""The names that mean something else than a feature."""

_IDS = ("patientId", "encounterId", "userId")
_USERS = ("userPractitionerId", "userPractitionerRoleId", "userPatientId", "userRelatedPersonId")
_LAUNCHED: Kind = {"card": {"uuid": Scene.card_uuid}, "release": _COMMON["release"]}


def _token(name: str) -> Get:
    return lambda scene: scene.call.tokens.get(name, GAP)


_PROPOSED: Kind = {
    **_LAUNCHED,
    "context": {name: _token(name) for name in _IDS},
    **{name: _token(name) for name in _USERS},
    "now": Scene.now,
    "today": Scene.today,
    "score": Scene.score,
    "band": Scene.band,
}
BUILTIN_OF_RESOURCES = frozenset(_PROPOSED)

_NO_SCORE = dict.fromkeys(
    ("score", "band", "threshold", "certainty", "reasons", "valid_until"),
    "say nothing of a score where there is none; reason, missing, known and advice are there",
)


def vocabulary_of_score(shapes: Mapping[str, Shape]) -> Vocabulary:
    return _vocabulary(_SCORED, shapes, {})


def vocabulary_of_deferral(shapes: Mapping[str, Shape]) -> Vocabulary:
    return _vocabulary(_HANDED_OFF, shapes, _NO_SCORE)


def vocabulary_of_notice() -> Vocabulary:
    return _vocabulary(_NOTICE, {}, _NO_SCORE)


def vocabulary_of_label() -> Vocabulary:
    return _vocabulary(_STEP, {}, _NO_SCORE)


def vocabulary_of_link() -> Vocabulary:
    """`appContext` says nothing of the patient: an app gets the patient by its launch."""
    return _vocabulary(_LAUNCHED, {}, {})


def vocabulary_of_resource(shapes: Mapping[str, Shape]) -> Vocabulary:
    """No string of the chart goes back into it: ids that were checked, times, numbers, words of the configuration.

    What is not there is a gap. A name of the language comes before a feature of that name.
    """
    names = {name: _gapped(found) for name, found in {**_features(shapes, OWN_LOOKS), **_PROPOSED}.items()}
    return Vocabulary(names, {}, frozenset(_numbers(shapes) | {"score"}))


def _gapped(found: Get | Mapping[str, Get]) -> Get | Mapping[str, Get]:
    if not callable(found):
        return {name: _or_gap(get) for name, get in found.items()}
    return _or_gap(found)


def _or_gap(get: Get) -> Get:
    def value(scene: Scene) -> object:
        found = get(scene)
        return GAP if isinstance(found, Absent) else found

    return value


def _vocabulary(kind: Kind, shapes: Mapping[str, Shape], instead: Mapping[str, str]) -> Vocabulary:
    """A name of the language comes before a feature of that name; `compile.py` refuses a template that says it."""
    features = _features(shapes, LOOKS)
    numbers = _numbers(shapes) | {"score", "threshold"}
    lists = {name: rows for name, rows in _LISTS.items() if name in kind}
    return Vocabulary({**features, **kind}, lists, frozenset(numbers), instead)


def _features(shapes: Mapping[str, Shape], looks: Mapping[str, Look]) -> Kind:
    return {name: {look: _looker(shape, see) for look, see in looks.items()} for name, shape in shapes.items()}


def _numbers(shapes: Mapping[str, Shape]) -> set[str]:
    return {f"{name}.value" for name, shape in shapes.items() if shape.numeric}


def _looker(shape: Shape, see: Look) -> Get:
    name = shape.name
    return lambda scene: see(shape, scene.found(name), scene.call.zone)
