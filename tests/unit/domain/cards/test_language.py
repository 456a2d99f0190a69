"""The template language: what it refuses, with a line and a remedy, and that nothing it accepts can fail."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.cards.kidney import FEATURES
from wardgate.domain.cards.language import (
    ABSENT,
    LONGEST_SOURCE,
    Absent,
    Template,
    TemplateProblem,
    View,
    Vocabulary,
    compile_template,
)
from wardgate.domain.cards.scene import names_of_score
from wardgate.domain.cards.score import Shown
from wardgate.domain.cards.shapes import shape_of

SHAPES = {name: shape_of(spec, None) for name, spec in FEATURES.items()}
VOCABULARY = names_of_score(SHAPES).vocabulary


def refused(source: str) -> TemplateProblem:
    with pytest.raises(TemplateProblem) as caught:
        compile_template(source, VOCABULARY, markdown=True)
    return caught.value


class Thing(View):
    __slots__ = ("secret", "value")
    readable = frozenset({"value"})

    def __init__(self, value: object) -> None:
        self.value = value
        self.secret = "secret"


SMALL = Vocabulary({"x": frozenset(), "thing": frozenset({"value"})}, {}, frozenset({"x", "thing.value"}))


def small(source: str, markdown: bool = True) -> Template:
    return compile_template(source, SMALL, markdown)


@pytest.mark.parametrize(
    ("source", "line", "what", "remedy"),
    [
        ("{{ scroe }}", 1, "no name is called 'scroe'", "did you mean score?"),
        ("a\n{{ egfr.vlaue }}", 2, "no attribute of egfr is called 'vlaue'", "did you mean value?"),
        ("{{ score | precent }}", 1, "no filter is called 'precent'", "did you mean percent?"),
        ("{{ score is odd }}", 1, "no test is called 'odd'", "there is defined, none"),
        ("a\nb\n{{ score", 3, "the template does not parse", ""),
        ("{% for r in range(9) %}{% endfor %}", 1, "a loop runs over a list by name", "write for row in reasons"),
        ("{% for r in score %}{% endfor %}", 1, "score is not a list", "loop over one of reasons"),
        ("{{ egfr }}", 1, "egfr cannot be printed whole", "egfr.value"),
        ("{{ release }}", 1, "release cannot be printed whole", "release.model"),
        ("{{ egfr.value.real }}", 1, "only names have attributes", ""),
        ("{{ egfr['value'] }}", 1, "a template cannot index", "egfr.value"),
        ("{{ egfr.value() }}", 1, "a template cannot call anything", ""),
        ("{{ score * 100 }}", 1, "a template does not compute", "print the score as it is"),
        ("{{ 'a' * 1000000000 }}", 1, "a template does not compute", ""),
        ("{{ '%1000000000d' % 1 }}", 1, "a template does not compute", ""),
        ("{{ 9 ** 9 ** 9 }}", 1, "a template does not compute", ""),
        ("{% set x = 1 %}", 1, "has no 'assign'", ""),
        ("{% include 'x' %}", 1, "has no 'include'", ""),
        ("{% macro m() %}{% endmacro %}", 1, "has no 'macro'", ""),
        ("{% filter upper %}a{% endfilter %}", 1, "has no 'filterblock'", ""),
        ("{{ egfr.unit < 3 }}", 1, "only numbers are greater or smaller", ""),
        ("{{ 'a' in egfr.unit }}", 1, "a template compares with", ""),
        (
            "{% for r in reasons %}{% for s in reasons %}{% endfor %}{% endfor %}",
            1,
            "a loop cannot stand in a loop",
            "",
        ),
        ("{% for r in reasons recursive %}{% endfor %}", 1, "a loop cannot stand in a loop", ""),
        ("{% for score in reasons %}{% endfor %}", 1, "score already has a meaning", ""),
        ("{% for r in reasons %}{{ r }}{% endfor %}", 1, "a row cannot be printed whole", "r.input"),
        ("{% for r in reasons %}{{ r.secret }}{% endfor %}", 1, "no attribute of r is called", ""),
        ("{% for r in reasons %}{% endfor %}{{ r.input }}", 1, "no name is called 'r'", ""),
        ("{{ loop.index }}", 1, "no name is called 'loop'", ""),
        ("{{ score | round(egfr.value) }}", 1, "the argument of round is not a literal", ""),
        ("{{ score | percent(3) }}", 1, "takes fewer arguments", ""),
        ("{{ [1, 2] }}", 1, "has no 'list'", ""),
        ("{{ self }}", 1, "no name is called 'self'", ""),
        ("{{ ''.__class__ }}", 1, "only names have attributes", ""),
        ("{{ egfr.__class__ }}", 1, "no attribute of egfr", ""),
        ("{{ egfr._found }}", 1, "no attribute of egfr", ""),
    ],
)
def test_refusals(source: str, line: int, what: str, remedy: str) -> None:
    """Whatever a template may not say is refused at start, with its line, what is wrong and what to write."""
    problem = refused(source)
    assert (problem.line, what in problem.what, remedy in problem.remedy) == (line, True, True), vars(problem)


def test_a_long_template_is_refused() -> None:
    """The size of the source is bounded, and with it the size of what it prints."""
    assert "longer than" in refused("x" * (LONGEST_SOURCE + 1)).what


def test_what_a_template_may_say() -> None:
    """Names, attributes, filters, conditions, a loop with its index, and concatenation."""
    source = (
        "{% if score >= threshold and not egfr.mark %}{{ egfr.value | round(1) }}{% elif egfr.value < -5 %}b{% else %}c"
        "{% endif %}{% for r in reasons if r.effect %}{{ loop.index }} {{ r.input ~ ': ' ~ r.value }}{% endfor %}"
        "{{ uacr.value | default('none') if uacr.value is none else uacr.text | upper }}{# a comment #}"
    )
    template = compile_template(source, VOCABULARY, markdown=True)
    assert template.reads == {"score", "threshold", "egfr", "reasons", "uacr"}


@pytest.mark.parametrize(
    ("source", "prints"),
    [
        ("{{ score }}", {"score"}),
        ("{{ score | percent }} {{ egfr.age }}", {"score", "egfr.age"}),
        ("{% if band %}{{ score }}{% endif %}", set()),
        ("{{ score if band else '' }}", set()),
        ("{{ score > 1 }}", set()),
        ("{{ 'at ' ~ computed_at }}", {"computed_at"}),
        ("{{ reasons | table }}", {"reasons"}),
        ("{% for r in reasons %}{{ r.input }}{{ r.value }}{{ r.measured }}{{ r.effect }}{% endfor %}", {"reasons"}),
        ("{% for r in reasons %}{{ r.input }}{{ r.value }}{% endfor %}", set()),
        (
            "{% for r in reasons if r.effect %}{{ r.input }}{{ r.value }}{{ r.measured }}{{ r.effect }}{% endfor %}",
            set(),
        ),
    ],
)
def test_what_a_template_prints_in_any_case(source: str, prints: set[str]) -> None:
    """Only what stands under no condition, and is printed rather than asked, counts as stated."""
    assert compile_template(source, VOCABULARY, markdown=True).prints == prints


def test_values_are_escaped_and_the_templates_own_text_is_not() -> None:
    """Markdown of the template works; Markdown in a value is shown as it stands; a summary has none."""
    values = {"x": "<b>*a*</b>", "thing": Thing("[l](u)")}
    assert small("**{{ x }}** {{ thing.value }}").render(values) == "**&lt;b&gt;\\*a\\*&lt;/b&gt;** \\[l\\](u)"
    assert small("{{ x }} {{ thing.value }}", markdown=False).render(values) == "<b>*a*</b> [l](u)"


def test_text_made_by_a_template_is_escaped_too() -> None:
    """Constants and concatenations are values: no markup can be put together from pieces."""
    assert small("{{ '<' ~ 'b>' ~ x }}").render({"x": "*"}) == "&lt;b&gt;\\*"
    assert small("{{ x | upper }}").render({"x": "<i>"}) == "&lt;I&gt;"


def test_values_print_as_a_reader_expects() -> None:
    """Booleans are yes and no, numbers plain, what is absent says so, also when concatenated."""
    texts = [
        small("{{ x }}").render({"x": value}) for value in (True, False, 71.0, 3, Shown(1.0, "male"), ABSENT, None)
    ]
    assert texts == ["yes", "no", "71", "3", "male", "not available", "not available"]
    assert small("{{ x ~ '' }}").render({"x": ABSENT}) == "not available"


def test_an_absent_value_compares_as_false() -> None:
    """A missing feature is neither above nor below anything, nor equal to it; and it has a default."""
    source = "{{ x < 1 }} {{ x >= 1 }} {{ 1 > x }} {{ x == 1 }} {{ x is none }} {{ x | default('-') }}"
    assert small(source, markdown=False).render({"x": ABSENT}) == "no no no no yes -"
    assert small("{% if x %}a{% else %}b{% endif %}").render({"x": Absent("")}) == "b"


def test_filters_are_total() -> None:
    """Each filter takes any value: a template that passed the start cannot fail for a patient's data."""
    for name in ("percent", "table", "round", "round(2)", "default('d')", "join", "upper", "lower", "capitalize"):
        template = small("{{ x | " + name + " }}")
        for value in ("a", 1.5, 2, True, None, ABSENT, Shown(2.0, "two"), float("nan"), ("a", 1.0)):
            assert isinstance(template.render({"x": value}), str)


def test_the_environment_is_a_second_wall() -> None:
    """Even where the vocabulary lets an attribute through, only what a view declares readable is read."""
    wide = Vocabulary({"thing": frozenset({"value", "secret", "__class__"})}, {}, frozenset())
    for attribute in ("secret", "__class__"):
        template = compile_template("{{ thing." + attribute + " }}", wide, markdown=True)
        with pytest.raises(Exception, match="has no attribute"):
            template.render({"thing": Thing(1)})


pieces = st.sampled_from(
    ["{{", "}}", "{%", "%}", "score", "egfr", ".value", "|", "percent", "round(1)", "if", "endif", "for r in reasons"]
    + ["endfor", " ", "r.input", "~", "'a'", "(", ")", "**", "9", "__class__", ".", "[", "]", "is none", "and", "\n"]
)


@given(st.lists(pieces, max_size=14).map(" ".join))
def test_any_source_compiles_or_is_a_problem(source: str) -> None:
    """Random templates are refused with a sentence or compiled; nothing else is ever raised."""
    try:
        compile_template(source, VOCABULARY, markdown=True)
    except TemplateProblem as problem:
        assert problem.what and problem.remedy
