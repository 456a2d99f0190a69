"""The order of "may we" and "should we", each step by itself and all of them against a table that spells them out."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardgate.domain.decisions.decide import REASON_OF_MARK, band_of, may_we, should_we
from wardgate.domain.decisions.decision import Decision
from wardgate.domain.decisions.rules import Band, DeferRule, Exclusion, Rules, Show, Threshold
from wardgate.domain.expressions import Expression, Scope, Type, compile_expression
from wardgate.domain.features.vector import FeatureValue, FeatureVector, Mark
from wardgate.domain.inference.prediction import ModelInputs, Prediction
from wardgate.domain.outcomes import OUTCOME_OF, Outcome, Reason

SCOPE = Scope(
    names={
        "a": Type.NUMBER,
        "b": Type.NUMBER,
        "flag": Type.BOOLEAN,
        "deceased": Type.BOOLEAN,
        "score": Type.NUMBER,
        "spread": Type.NUMBER,
    },
    outputs=frozenset({"score", "spread"}),
    timed=frozenset({"a", "b"}),
)
BANDS = (Band("low", 0.0, "info"), Band("raised", 0.1, "info"), Band("high", 0.2, "warning"))


def expression(text: str) -> Expression:
    return compile_expression(text, SCOPE)


def rules(
    population: str | None = None,
    exclusions: Mapping[str, str | None] | None = None,
    defer: tuple[tuple[str, Reason, Show], ...] = (),
    audience: frozenset[str] | None = None,
    show_unknown: Show = Show.NONE,
    required: tuple[str, ...] = (),
    threshold: Threshold | None = None,
    filled: tuple[str, ...] = (),
) -> Rules:
    return Rules(
        audience,
        None if population is None else expression(population),
        tuple(Exclusion(name, None if text is None else expression(text)) for name, text in (exclusions or {}).items()),
        tuple(DeferRule(expression(when), reason, show) for when, reason, show in defer),
        show_unknown,
        required,
        threshold or Threshold(),
        BANDS,
        filled,
    )


def value(name: str, value: float | bool | None, mark: Mark = Mark.MISSING, unobtained: bool = False) -> FeatureValue:
    age = 86400.0 if value is not None or mark is not Mark.MISSING else None
    found = value is not None
    return FeatureValue(name, value, None if found else mark, 0.0, age, unobtained=unobtained and not found)


def vector(deceased: bool | None = False, **values: float | bool | None | FeatureValue) -> FeatureVector:
    found = {name: v if isinstance(v, FeatureValue) else value(name, v) for name, v in values.items()}
    return FeatureVector(found, deceased, 0.0)


def prediction(score: float, **others: float) -> Prediction:
    return Prediction(score, score, None, others, ModelInputs((), (), ()))


def may(rules: Rules, vector: FeatureVector, user_type: str | None = "Practitioner", wrong: bool = False) -> Decision:
    decision = may_we(rules, vector, user_type, wrong)
    assert decision is not None
    return decision


# may we


def test_nothing_said_asks_the_model() -> None:
    """A service without rules asks about everybody."""
    assert may_we(rules(), vector(a=None), None, False) is None


def test_wrong_patient_is_first() -> None:
    """Somebody else's data ends the call before any rule looks at them, and shows nothing."""
    everything = rules("a > 1", {"x": "flag"}, (("flag", Reason.CLINICAL_RULE, Show.CARD),), frozenset({"Patient"}))
    assert may(everything, vector(a=0, flag=True), wrong=True) == Decision(Reason.WRONG_PATIENT)


@pytest.mark.parametrize("user_type", ["Patient", None])
def test_audience(user_type: str | None) -> None:
    """Another kind of user, and a call without one, are out of the declared audience, before the population."""
    only = rules("a > 1", audience=frozenset({"Practitioner"}))
    assert may(only, vector(a=0), user_type).reason is Reason.AUDIENCE
    assert may_we(only, vector(a=2), "Practitioner", False) is None


def test_population_and_exclusions_end_the_call_before_deferral() -> None:
    """Out of scope is decided before any deferral rule is tried, and population before exclusions."""
    both = rules("a > 1", {"x": "flag"}, (("missing(b)", Reason.INPUT_MISSING, Show.CARD),))
    assert may(both, vector(a=0, flag=True, b=None)).reason is Reason.POPULATION
    assert may(both, vector(a=2, flag=True, b=None)) == Decision(Reason.EXCLUSION, question="x")
    assert may(both, vector(a=2, flag=False, b=None)).reason is Reason.INPUT_MISSING


def test_a_true_exclusion_wins_over_an_unknown_one() -> None:
    """One certain exclusion is enough, whatever is unknown before or after it."""
    three = rules(exclusions={"x": "a > 1", "y": "flag", "z": "b > 1"})
    assert may(three, vector(a=None, flag=True, b=None)) == Decision(Reason.EXCLUSION, question="y")


def test_deceased_is_built_in() -> None:
    """`deceased` is known from Patient; without a Patient it is unknown and named by its question."""
    dead = rules(exclusions={"deceased": "deceased"})
    assert may(dead, vector(deceased=True)) == Decision(Reason.EXCLUSION, question="deceased")
    assert may(dead, vector(deceased=None)) == Decision(Reason.EXCLUSION_UNKNOWN, question="deceased")
    assert may_we(dead, vector(deceased=False), None, False) is None


def test_a_defer_rule_decides_while_population_and_exclusion_are_held() -> None:
    """`missing(a)` names the reason, where the population could only say that it is unknown."""
    held = rules("a > 1", {"x": "a > 2"}, (("missing(a)", Reason.INPUT_MISSING, Show.CARD),))
    expected = Decision(Reason.INPUT_MISSING, Show.CARD, features=("a",), question="1")
    assert may(held, vector(a=None, b=None)) == expected


def test_unknown_population_comes_before_unknown_exclusion() -> None:
    """Both unknown: the population's; shown as `show_unknown` says, with the features that are not known."""
    both = rules("a > 1 and b > 1", {"x": "flag"}, show_unknown=Show.CARD)
    expected = Decision(Reason.POPULATION_UNKNOWN, Show.CARD, features=("a",))
    assert may(both, vector(a=None, b=2, flag=None)) == expected
    exclusion = Decision(Reason.EXCLUSION_UNKNOWN, Show.CARD, features=("flag",), question="x")
    assert may(both, vector(a=2, b=2, flag=None)) == exclusion


def test_unknown_stays_a_deferral_where_the_data_could_not_be_fetched() -> None:
    """An unobtained feature leaves the population unknown; it is never taken for `false`."""
    unfetched = vector(a=value("a", None, unobtained=True))
    assert may(rules("a > 1", required=("a",)), unfetched).reason is Reason.POPULATION_UNKNOWN
    assert may(rules("not missing(a)"), unfetched).reason is Reason.POPULATION_UNKNOWN


@pytest.mark.parametrize("mark", list(Mark))
def test_each_mark_has_its_reason(mark: Mark) -> None:
    """The first required feature without a value gives the reason, all of them are named, nothing is shown."""
    decision = may(rules(required=("b", "a")), vector(a=None, b=value("b", None, mark)))
    assert decision == Decision(REASON_OF_MARK[mark], features=("b", "a"))


@pytest.mark.parametrize("mark", list(Mark))
def test_a_fill_is_for_what_is_not_there(mark: Mark) -> None:
    """Nothing charted, or nothing of late: filled. A value that is there and cannot be used is never filled over."""
    decision = may_we(rules(required=("a",), filled=("b",)), vector(a=1, b=value("b", None, mark)), None, False)
    absent = mark in (Mark.MISSING, Mark.STALE)
    assert decision == (None if absent else Decision(REASON_OF_MARK[mark], features=("b",)))
    both = vector(a=None, b=value("b", None, mark))
    assert may(rules(required=("a",), filled=("b",)), both) == Decision(Reason.INPUT_MISSING, features=("a",))


def test_an_optional_input_that_could_not_be_fetched_is_filled() -> None:
    """The card says so; it is required where the model is worth nothing without it."""
    unfetched = vector(a=1, b=value("b", None, unobtained=True))
    assert may_we(rules(required=("a",), filled=("b",)), unfetched, None, False) is None


def test_one_unfetched_input_makes_the_call_unavailable() -> None:
    """What could not be fetched is not missing from the chart: unavailable, and the ladder may try."""
    partly = vector(a=None, b=value("b", None, unobtained=True))
    decision = may(rules(required=("a", "b")), partly)
    assert decision == Decision(Reason.CONTEXT_UNAVAILABLE, features=("a", "b"))
    assert decision.outcome is Outcome.UNAVAILABLE


@pytest.mark.parametrize("mark", list(Mark))
def test_what_a_rule_calls_missing_goes_by_its_mark(mark: Mark) -> None:
    """A value that is there and cannot be used was not "not found": the record says what it is."""
    rule = rules(defer=(("missing(a) or missing(b)", Reason.INPUT_MISSING, Show.CARD),))
    decision = may(rule, vector(a=1, b=value("b", None, mark)))
    assert decision == Decision(REASON_OF_MARK[mark], Show.CARD, features=("a", "b"), question="1")
    assert may(rule, vector(a=None, b=value("b", None, mark))).reason is Reason.INPUT_MISSING
    other = rules(defer=(("missing(a) or missing(b)", Reason.CLINICAL_RULE, Show.CARD),))
    assert may(other, vector(a=1, b=value("b", None, mark))).reason is Reason.CLINICAL_RULE


def test_an_unknown_rule_is_last_and_does_not_hide_a_true_one() -> None:
    """A rule that cannot be told defers only where nothing before it did; a later true rule still decides."""
    two = (("a > 1", Reason.CLINICAL_RULE, Show.CARD), ("b > 1", Reason.UNCERTAIN, Show.NONE))
    assert may(rules(defer=two), vector(a=None, b=2)) == Decision(Reason.UNCERTAIN, features=("b",), question="2")
    unknown = Decision(Reason.RULE_UNKNOWN, Show.NONE, features=("a",), question="1")
    assert may(rules(defer=two), vector(a=None, b=0)) == unknown
    assert may(rules(defer=two, required=("a",)), vector(a=None, b=0)).reason is Reason.INPUT_MISSING


def test_a_rule_on_outputs_waits_for_the_model() -> None:
    """Before the prediction it is neither true nor unknown: it is not asked."""
    waiting = rules(defer=(("score > 0.5 and a > 1", Reason.UNCERTAIN, Show.CARD),))
    assert may_we(waiting, vector(a=None), None, False) is None


# should we


def test_threshold_is_met_from_its_very_number() -> None:
    """Shown at or above the threshold, with score, threshold and band; below it: below_threshold."""
    at = rules(threshold=Threshold(0.1))
    shown = should_we(at, vector(), prediction(0.1), None)
    assert shown == Decision(Reason.THRESHOLD_MET, score=0.1, threshold=0.1, band=BANDS[1])
    below = should_we(at, vector(), prediction(0.09999999), None)
    assert below.reason is Reason.BELOW_THRESHOLD and below.band == BANDS[0]


def test_threshold_of_a_site() -> None:
    """A named site has its own threshold, every other one and an unknown one the default."""
    by_site = rules(threshold=Threshold(0.1, {"b": 0.2}))
    met = {site: should_we(by_site, vector(), prediction(0.15), site).reason for site in ("a", "b", None)}
    assert met == {"a": Reason.THRESHOLD_MET, "b": Reason.BELOW_THRESHOLD, None: Reason.THRESHOLD_MET}


def test_no_threshold_shows_every_score() -> None:
    """Without a threshold nothing is below it, and nothing indeterminate."""
    always = should_we(rules(threshold=Threshold(None, {}, 0.5)), vector(), prediction(0.0), None)
    assert always.reason is Reason.NO_THRESHOLD and always.threshold is None


@pytest.mark.parametrize(
    ("score", "reason"),
    [
        (0.09, Reason.BELOW_THRESHOLD),
        (0.0900001, Reason.INDETERMINATE),
        (0.1, Reason.INDETERMINATE),
        (0.1099999, Reason.INDETERMINATE),
        (0.11, Reason.THRESHOLD_MET),
    ],
)
def test_indeterminate_is_strictly_inside_its_width(score: float, reason: Reason) -> None:
    """|score - threshold| = width is determined, although 0.11 - 0.10 is less than 0.01 in binary."""
    assert should_we(rules(threshold=Threshold(0.1, {}, 0.01)), vector(), prediction(score), None).reason is reason


def test_rules_on_outputs_come_before_the_threshold() -> None:
    """The first true one decides, in the file's numbers; an unknown one defers unless another is true."""
    defer = (
        ("missing(a)", Reason.INPUT_MISSING, Show.CARD),
        ("spread > a", Reason.UNCERTAIN, Show.NONE),
        ("score > 0.9", Reason.CLINICAL_RULE, Show.CARD),
    )
    two = rules(defer=defer, threshold=Threshold(0.1))
    sure = should_we(two, vector(a=1), prediction(0.95, spread=0.5), None)
    assert (sure.reason, sure.show, sure.question, sure.score) == (Reason.CLINICAL_RULE, Show.CARD, "3", 0.95)
    assert should_we(two, vector(a=1), prediction(0.05, spread=2), None).question == "2"
    unknown = should_we(two, vector(a=None), prediction(0.5, spread=2), None)
    assert (unknown.reason, unknown.show, unknown.features) == (Reason.RULE_UNKNOWN, Show.NONE, ("a",))
    assert should_we(two, vector(a=None), prediction(0.95, spread=2), None).question == "3"


def test_band_is_the_highest_that_starts_at_or_below() -> None:
    """A band begins with its own number; below the lowest there is none."""
    found = [band_of(BANDS[1:], score) for score in (0.0999, 0.1, 0.19999, 0.2, 5.0)]
    assert [band.name if band else None for band in found] == [None, "raised", "raised", "high", "high"]


def test_every_mark_defers() -> None:
    """The map from marks to reasons is total, and every reason in it is a deferral's."""
    assert set(REASON_OF_MARK) == set(Mark)
    assert {OUTCOME_OF[reason] for reason in REASON_OF_MARK.values()} == {Outcome.DEFERRED}


# against a table


class Asked(NamedTuple):
    """An expression as text, and what it means, told again without the expression language."""

    text: str
    holds: Callable[[FeatureVector], bool | None]


def _above(name: str) -> Callable[[FeatureVector], bool | None]:
    def holds(vector: FeatureVector) -> bool | None:
        number = vector.values[name].value
        return None if number is None else float(number) > 1

    return holds


def _missing(name: str) -> Callable[[FeatureVector], bool | None]:
    def holds(vector: FeatureVector) -> bool | None:
        found = vector.values[name]
        return None if found.unobtained else found.value is None

    return holds


ASKED = (
    Asked("a > 1", _above("a")),
    Asked("b > 1", _above("b")),
    Asked("flag", lambda vector: None if (v := vector.values["flag"].value) is None else bool(v)),
    Asked("deceased", lambda vector: vector.deceased),
    Asked("missing(a)", _missing("a")),
    Asked("missing(b)", _missing("b")),
    Asked("true", lambda vector: True),
    Asked("false", lambda vector: False),
)


class Case(NamedTuple):
    population: Asked | None
    exclusions: list[Asked]
    defer: list[tuple[Asked, Reason, Show]]
    audience: frozenset[str] | None
    show_unknown: Show
    required: list[str]
    vector: FeatureVector
    user_type: str | None
    wrong: bool
    filled: list[str]

    def rules(self) -> Rules:
        return rules(
            None if self.population is None else self.population.text,
            {f"q{number}": asked.text for number, asked in enumerate(self.exclusions)},
            tuple((asked.text, reason, show) for asked, reason, show in self.defer),
            self.audience,
            self.show_unknown,
            tuple(self.required),
            filled=tuple(self.filled),
        )


numbers = st.one_of(st.none(), st.sampled_from([0.0, 2.0]))
asked = st.sampled_from(ASKED)
shows = st.sampled_from(list(Show))
reasons = st.sampled_from([Reason.CLINICAL_RULE, Reason.INPUT_STALE, Reason.UNCERTAIN])


@st.composite
def vectors(draw: st.DrawFn) -> FeatureVector:
    return vector(
        draw(st.sampled_from([True, False, None])),
        **{
            name: value(name, draw(values), draw(st.sampled_from(list(Mark))), draw(st.booleans()))
            for name, values in (("a", numbers), ("b", numbers), ("flag", st.sampled_from([True, False, None])))
        },
    )


cases = st.builds(
    Case,
    st.one_of(st.none(), asked),
    st.lists(asked, max_size=3),
    st.lists(st.tuples(asked, reasons, shows), max_size=3),
    st.one_of(st.none(), st.just(frozenset({"Practitioner"}))),
    shows,
    st.lists(st.sampled_from(["a", "b"]), max_size=2, unique=True),
    vectors(),
    st.sampled_from(["Practitioner", "Patient", None]),
    st.sampled_from([False, False, False, True]),
    st.lists(st.sampled_from(["a", "b"]), max_size=2, unique=True),
)


def by_the_table(case: Case) -> tuple[Reason, Show, str | None] | None:
    """The order as DESIGN writes it: every step with its verdict, and the first one that holds."""
    population = True if case.population is None else case.population.holds(case.vector)
    exclusions = [asked.holds(case.vector) for asked in case.exclusions]
    deferrals = [asked.holds(case.vector) for asked, _, _ in case.defer]
    without = [case.vector.values[name] for name in case.required if case.vector.values[name].value is None]
    first_mark = without[0].mark if without else None
    filled = [case.vector.values[name] for name in case.filled]
    unusable = [found.mark for found in filled if found.mark in UNUSABLE and not found.unobtained]
    steps: list[tuple[bool, tuple[Reason, Show, str | None]]] = [
        (case.wrong, (Reason.WRONG_PATIENT, Show.NONE, None)),
        (
            case.audience is not None and case.user_type not in case.audience,
            (Reason.AUDIENCE, Show.NONE, None),
        ),
        (population is False, (Reason.POPULATION, Show.NONE, None)),
        *((e is True, (Reason.EXCLUSION, Show.NONE, f"q{i}")) for i, e in enumerate(exclusions)),
        *((d is True, (case.defer[i][1], case.defer[i][2], str(i + 1))) for i, d in enumerate(deferrals)),
        (population is None, (Reason.POPULATION_UNKNOWN, case.show_unknown, None)),
        *((e is None, (Reason.EXCLUSION_UNKNOWN, case.show_unknown, f"q{i}")) for i, e in enumerate(exclusions)),
        (any(found.unobtained for found in without), (Reason.CONTEXT_UNAVAILABLE, Show.NONE, None)),
        *([(True, (REASON_OF_MARK[first_mark], Show.NONE, None))] if first_mark is not None else []),
        *((True, (REASON_OF_MARK[mark], Show.NONE, None)) for mark in unusable if mark is not None),
        *((d is None, (Reason.RULE_UNKNOWN, Show.NONE, str(i + 1))) for i, d in enumerate(deferrals)),
    ]
    return next((verdict for holds, verdict in steps if holds), None)


UNUSABLE = (Mark.IMPLAUSIBLE, Mark.WRONG_UNIT, Mark.COMPARATOR, Mark.NOT_NUMERIC)


@given(cases)
def test_may_we_is_the_table(case: Case) -> None:
    """Every combination of rules and values ends as the order in DESIGN says, word for word."""
    decision = may_we(case.rules(), case.vector, case.user_type, case.wrong)
    told = None if decision is None else (decision.reason, decision.show, decision.question)
    assert told == by_the_table(case)


@given(cases)
def test_a_decision_names_features_that_exist_and_no_score(case: Case) -> None:
    """What is said before the model was asked holds no score, and only names of the vector."""
    decision = may_we(case.rules(), case.vector, case.user_type, case.wrong)
    if decision is not None:
        assert decision.score is None and decision.band is None
        assert set(decision.features) <= set(case.vector.values)


@given(cases, st.lists(st.tuples(asked, reasons, shows), max_size=3))
def test_a_deferral_is_final(case: Case, more: list[tuple[Asked, Reason, Show]]) -> None:
    """Rules added at the end never undo what an earlier rule, an exclusion or the population decided."""
    before = may_we(case.rules(), case.vector, case.user_type, case.wrong)
    after = may_we(case._replace(defer=case.defer + more).rules(), case.vector, case.user_type, case.wrong)
    if before is not None and (before.outcome is Outcome.OUT_OF_SCOPE or before.show is Show.CARD):
        known_by_rule = before.question is not None and before.question.isdigit()
        if known_by_rule or before.outcome is Outcome.OUT_OF_SCOPE:
            assert after == before
    assert before is None or after is not None


@given(
    st.floats(0, 1),
    st.one_of(st.none(), st.floats(0, 1)),
    st.sampled_from([0.0, 0.01, 0.1]),
)
def test_should_we_shows_exactly_at_or_above(score: float, threshold: float | None, width: float) -> None:
    """Without a rule on outputs, a score is shown, below, or too close to call: one of them, by the numbers."""
    decision = should_we(rules(threshold=Threshold(threshold, {}, width)), vector(), prediction(score), None)
    if threshold is None:
        assert decision.reason is Reason.NO_THRESHOLD
    elif round(abs(score - threshold), 12) < width:
        assert decision.reason is Reason.INDETERMINATE and decision.show is Show.NONE
    else:
        assert decision.reason is (Reason.THRESHOLD_MET if score >= threshold else Reason.BELOW_THRESHOLD)
