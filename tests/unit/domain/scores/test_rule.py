"""A rule's score: steps, conditions, what is missing; and all of it against arithmetic that spells it out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardgate.domain.expressions import Expression, Scope, Type, compile_expression
from wardgate.domain.features.vector import FeatureValue, Mark
from wardgate.domain.scores import Item, Points, RuleScore, Unknown, Within

SCOPE = Scope({"a": Type.NUMBER, "b": Type.NUMBER, "flag": Type.BOOLEAN})
STEPS = (Within(3, lt=10), Within(1, le=20), Within(0, le=30))


def expression(text: str, expected: Type = Type.BOOLEAN) -> Expression:
    return compile_expression(text, SCOPE, expected)


def value(name: str, value: float | bool | None, mark: Mark = Mark.MISSING, unobtained: bool = False) -> FeatureValue:
    return FeatureValue(name, value, None if value is not None else mark, unobtained=unobtained)


def facts(a: float | None = 25.0, b: float | None = 25.0, flag: bool | None = False) -> dict[str, FeatureValue]:
    return {"a": value("a", a), "b": value("b", b), "flag": value("flag", flag)}


def table(feature: str = "a", when: str | None = None, missing: float | None = None) -> Item:
    reads = (feature,) if when is None else (feature, "flag")
    return Item(reads, 2, feature, STEPS, None if when is None else expression(when), missing)


def rule(*items: Item) -> RuleScore:
    return RuleScore(items, tuple(dict.fromkeys(name for item in items for name in item.reads)))


def total(score: RuleScore, chart: dict[str, FeatureValue]) -> float | None:
    answer = score.evaluate(chart)
    return answer.total if isinstance(answer, Points) else None


@pytest.mark.parametrize("number, points", [(-5, 3), (9.99, 3), (10, 1), (20, 1), (20.01, 0), (30, 0), (30.1, 2)])
def test_the_first_step_that_holds_gives_the_points(number: float, points: float) -> None:
    """`lt` leaves its bound out, `le` takes it in; where none holds, `else`."""
    assert total(rule(table()), facts(a=number)) == points


@pytest.mark.parametrize(
    "within, holding, failing",
    [
        (Within(1, gt=5), (5.1, 6), (5, 4)),
        (Within(1, ge=5), (5, 6), (4.9,)),
        (Within(1, eq=0), (0, -0.0), (0.1,)),
        (Within(1, ge=5, lt=9), (5, 8.9), (4.9, 9)),
    ],
)
def test_two_bounds_are_a_range(within: Within, holding: tuple[float, ...], failing: tuple[float, ...]) -> None:
    """All bounds of a step hold at once."""
    assert all(within.holds(number) for number in holding)
    assert not any(within.holds(number) for number in failing)


def test_a_missing_input_leaves_the_score_unknown_and_is_named() -> None:
    """A sum without one of its parts would be a lower score that nobody measured."""
    assert rule(table("a"), table("b")).evaluate(facts(b=None)) == Unknown(("b",))
    assert rule(table("a"), table("b")).evaluate(facts(a=None, b=None)) == Unknown(("a", "b"))


@pytest.mark.parametrize(
    "mark, unobtained, known",
    [
        (Mark.MISSING, False, True),
        (Mark.STALE, False, True),
        (Mark.MISSING, True, False),
        (Mark.WRONG_UNIT, False, False),
        (Mark.COMPARATOR, False, False),
        (Mark.IMPLAUSIBLE, False, False),
        (Mark.NOT_NUMERIC, False, False),
    ],
)
def test_points_for_missing_are_for_what_was_not_charted(mark: Mark, unobtained: bool, known: bool) -> None:
    """What stands there and cannot be read, or could not be fetched, is not nothing."""
    chart = {**facts(), "a": value("a", None, mark, unobtained)}
    assert total(rule(table(missing=1.5)), chart) == (1.5 if known else None)


def test_a_table_counts_only_where_its_condition_holds() -> None:
    """False: no part of the sum, so that its feature may be missing; unknown: neither is the score known."""
    item = table("b", when="flag")
    assert total(rule(table("a"), item), facts(a=5, b=None, flag=False)) == 3
    assert total(rule(table("a"), item), facts(a=5, b=5, flag=True)) == 6
    assert rule(item).evaluate(facts(b=5, flag=None)) == Unknown(("flag",))


def test_points_under_a_condition_are_none_where_it_is_false() -> None:
    """It is still an item of the sum, so that the card shows it with 0 points."""
    item = Item(("flag",), 2, when=expression("flag"))
    for flag, points in ((True, 2), (False, 0)):
        answer = rule(item).evaluate(facts(flag=flag))
        assert isinstance(answer, Points) and answer.total == points and len(answer.items) == 1
    assert rule(item).evaluate(facts(flag=None)) == Unknown(("flag",))


def test_the_heaviest_item_is_known() -> None:
    """Bands may ask for three points in one parameter."""
    answer = rule(table("a"), table("b")).evaluate(facts(a=5, b=15))
    assert isinstance(answer, Points) and (answer.total, answer.most) == (4, 3)
    assert Points(7).most == 0


def test_a_sum_that_no_number_holds_is_unknown() -> None:
    """Nobody writes such points; nobody shall see infinity on a card."""
    heavy = Item(("flag",), 1e308, when=expression("flag"))
    assert rule(heavy, heavy).evaluate(facts(flag=True)) == Unknown(("flag",))


def test_an_expression_is_a_score() -> None:
    """With if, min and max; unknown where a value is missing, or where it cannot be worked out."""
    score = RuleScore((), ("a", "b"), expression("if(flag, 1, 0) + max(a, b) / b", Type.NUMBER))
    assert score.evaluate(facts(a=50, b=25, flag=True)) == Points(3)
    assert score.evaluate(facts(a=None)) == Unknown(("a",))
    assert score.evaluate(facts(b=0)) == Unknown(("a", "b"))


def test_a_rule_is_for_a_population() -> None:
    """Not known to be in it is out of it."""
    score = RuleScore((), (), population=expression("a >= 16 and not flag"))
    assert [score.applies(facts(a=20, flag=flag)) for flag in (False, True, None)] == [True, False, False]
    assert RuleScore((), ()).applies({})


NUMBER = st.one_of(st.none(), st.integers(-5, 40).map(float))


@given(a=NUMBER, b=NUMBER, flag=st.sampled_from([True, False, None]), missing=st.sampled_from([None, 1.0]))
def test_it_agrees_with_arithmetic_that_spells_it_out(
    a: float | None, b: float | None, flag: bool | None, missing: float | None
) -> None:
    """Every combination of values, conditions and what is missing."""

    def by_hand(number: float | None) -> float | None:
        if number is None:
            return None
        return 3 if number < 10 else 1 if number <= 20 else 0 if number <= 30 else 2

    parts = [by_hand(a) if a is not None else missing]
    parts.append(None if flag is None else by_hand(b) if flag else 0)
    parts.append(None if flag is None else 2 if flag else 0)
    expected = None if None in parts else sum(part for part in parts if part is not None)
    score = rule(table("a", missing=missing), table("b", when="flag"), Item(("flag",), 2, when=expression("flag")))
    assert total(score, facts(a, b, flag)) == expected
