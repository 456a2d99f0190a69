"""The template language: what it refuses, with a line and a remedy, and that nothing it accepts can fail."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tests.unit.domain.cards.kidney import FEATURES
from wardgate.domain.cards.language import (
    ABSENT,
    FILTERS,
    LONGEST_SOURCE,
    TESTS,
    Absent,
    Frame,
    TemplateProblem,
    Vocabulary,
    compile_template,
    write_markdown,
)
from wardgate.domain.cards.scene import vocabulary_of_score
from wardgate.domain.cards.score import Shown
from wardgate.domain.cards.shapes import shape_of

SHAPES = {name: shape_of(spec, None) for name, spec in FEATURES.items()}
VOCABULARY = vocabulary_of_score(SHAPES)


def refused(source: str) -> TemplateProblem:
    with pytest.raises(TemplateProblem) as caught:
        compile_template(source, VOCABULARY, markdown=True)
    return caught.value


class Values(Frame):
    """A frame whose names stand for given values."""

    def __init__(
        self, x: object = None, attribute: object = None, rows: tuple[tuple[object, object], ...] = ()
    ) -> None:
        self.x = x
        self.attribute = attribute
        self.rows = rows


SMALL = Vocabulary(
    {
        "x": lambda frame: frame.x,
        "thing": {"value": lambda frame: frame.attribute},
        "rows": lambda frame: [{"a": a, "b": b} for a, b in frame.rows],
    },
    {"rows": {"a": lambda row: row["a"], "b": lambda row: row["b"]}},
    frozenset({"x", "thing.value"}),
)


def small(source: str, values: Values, markdown: bool = True) -> str:
    return compile_template(source, SMALL, markdown).render(values)


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
        ("{% for r in reasons %}{{ r }}{% endfor %}", 1, "r cannot be printed whole", "r.input"),
        ("{% for r in reasons %}{{ r.secret }}{% endfor %}", 1, "no attribute of r is called", ""),
        ("{% for r in reasons %}{% endfor %}{{ r.input }}", 1, "no name is called 'r'", ""),
        ("{{ loop.index }}", 1, "no name is called 'loop'", ""),
        ("{{ score | round(egfr.value) }}", 1, "the argument of round is not a whole number", ""),
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


@pytest.mark.parametrize(
    "source",
    [
        "{{ " + "(" * 3000 + "score" + ")" * 3000 + " }}",
        "{% if band %}" * 280 + "x" + "{% endif %}" * 280,
        "{% if " + "not " * 1900 + "score %}x{% endif %}",
        "{% if " + "band and " * 800 + "band %}x{% endif %}",
        "{{ score" + "|upper" * 1200 + " }}",
        "{{ " + "score if band else " * 400 + "score }}",
        "{{ " + "[" * 3000 + "]" * 3000 + " }}",
        "{{ score" + ".a" * 3000 + " }}",
        "{{ " + "-" * 5000 + "1 }}",
    ],
)
def test_a_deep_template_is_refused(source: str) -> None:
    """Regression: an error of Python's at start, or in a call whose stack was deeper than that of the start."""
    assert "nested too deeply" in refused(source).what


def test_a_number_of_thousands_of_digits_is_refused() -> None:
    """Regression: Python does not read it, and says so in its own way."""
    assert "too long" in refused("{{ " + "9" * 5000 + " }}").what


def test_what_people_write_is_not_deep() -> None:
    """Ten levels of ifs, twenty filters and conditions."""
    source = "{% if band %}" * 10 + "x" + "{% endif %}" * 10
    conditions = "{% if " + "band and " * 20 + "band %}{{ score" + "|upper" * 20 + " }}{% endif %}"
    assert compile_template(source + conditions, VOCABULARY, True).reads == {"band", "score"}


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
    values = Values("<b>*a*</b>", "[l](u)")
    assert small("**{{ x }}** {{ thing.value }} 5%", values) == "**&lt;b&gt;\\*a\\*&lt;/b&gt;** \\[l\\](u) 5%"
    assert small("{{ x }} {{ thing.value }}", values, markdown=False) == "<b>*a*</b> [l](u)"


def test_text_made_by_a_template_is_escaped_too() -> None:
    """Constants and concatenations are values: no markup can be put together from pieces."""
    assert small("{{ '<' ~ 'b>' ~ x }}", Values("*")) == "&lt;b&gt;\\*"
    assert small("{{ x | upper }}", Values("<i>")) == "&lt;I&gt;"
    assert small("{{ x }}", Values("%s %(a)s %%")) == "%s %(a)s %%"


def test_values_print_as_a_reader_expects() -> None:
    """Booleans are yes and no, numbers plain, what is absent says so, also when concatenated."""
    texts = [small("{{ x }}", Values(value)) for value in (True, False, 71.0, 3, Shown(1.0, "male"), ABSENT, None)]
    assert texts == ["yes", "no", "71", "3", "male", "not available", "not available"]
    assert small("{{ x ~ '' }}", Values(ABSENT)) == "not available"


def test_an_absent_value_compares_as_false() -> None:
    """A missing feature is neither above nor below anything, nor equal to it; and it has a default."""
    source = "{{ x < 1 }} {{ x >= 1 }} {{ 1 > x }} {{ x == 1 }} {{ x is none }} {{ x | default('-') }}"
    assert small(source, Values(ABSENT), markdown=False) == "no no no no yes -"
    assert small("{% if x %}a{% else %}b{% endif %}", Values(Absent(""))) == "b"


def test_filters_are_total() -> None:
    """Each filter takes any value: a template that passed the start cannot fail for a patient's data."""
    for name in (*FILTERS, "round(2)", "default('d')"):
        for value in ("a", 1.5, 2, True, None, ABSENT, Shown(2.0, "two"), float("nan"), float("inf")):
            assert isinstance(small("{{ x | " + name + " }}", Values(value)), str)


def test_a_loop_has_rows_a_test_and_an_else() -> None:
    """Rows by attribute, `loop`, a filter on rows, and another text where no row is left."""
    source = (
        "{% for r in rows if r.a %}{{ loop.index }}{{ r.b }}{% if not loop.last %},{% endif %}{% else %}-{% endfor %}"
    )
    assert small(source, Values(rows=((1, "a"), (0, "b"), (1, "c")))) == "1a,2c"
    assert small(source, Values(rows=((0, "a"),))) == "-"


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


# against Jinja itself

ORACLE = ImmutableSandboxedEnvironment(finalize=write_markdown)
ORACLE.filters.update(FILTERS)
ORACLE.tests.update(TESTS)
scalars = st.sampled_from(["x", "thing.value", "'a*b'", "2", "0.5", "true", "none"])
filters = st.sampled_from(["percent", "round", "round(2)", "upper", "lower", "capitalize", "default('d')", "table"])
orders = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
numbers = st.sampled_from(["x", "thing.value", "1", "-2.5"])
comparisons = st.builds(lambda a, o, b: f"{a} {o} {b}", numbers, orders, numbers)
conditions = st.recursive(
    st.one_of(comparisons, scalars, scalars.map(lambda s: f"{s} is none"), st.just("1 < x <= 3")),
    lambda inner: st.one_of(
        st.builds(lambda a, b: f"({a} and {b})", inner, inner),
        st.builds(lambda a, b: f"({a} or {b})", inner, inner),
        inner.map(lambda a: f"not ({a})"),
    ),
    max_leaves=4,
)
expressions = st.one_of(
    scalars,
    conditions,
    st.builds(lambda s, f: f"{s} | {f}", scalars, filters),
    st.builds(lambda a, c, b: f"{a} if {c} else {b}", scalars, conditions, scalars),
)
outputs = expressions.map(lambda e: "{{ " + e + " }}")
texts = st.sampled_from(["", " ", "**a** 5 % ", "\n", "%s"])
plain_blocks = st.lists(st.one_of(outputs, texts), max_size=3).map("".join)
ifs = st.builds(
    lambda c, a, d, b, e: "{% if " + c + " %}" + a + "{% elif " + d + " %}" + b + "{% else %}" + e + "{% endif %}",
    conditions,
    plain_blocks,
    conditions,
    plain_blocks,
    plain_blocks,
)
loops = st.builds(
    lambda body, other: (
        "{% for r in rows if r.a %}{{ r.b }}{{ loop.index }}" + body + "{% else %}" + other + "{% endfor %}"
    ),
    plain_blocks,
    plain_blocks,
)
templates = st.lists(st.one_of(outputs, texts, ifs, loops), max_size=4).map("".join)
values = st.one_of(
    st.sampled_from([None, True, False, "a", "<b>", "", 0.0, 2, 71.5]),
    st.just(Shown(2.0, "two")),
)
known_numbers = st.sampled_from([0.0, 2.0, -3.0, 71.5, Shown(2.0, "two")])


@given(templates, known_numbers, known_numbers, st.lists(st.tuples(values, values), max_size=3))
def test_a_template_means_what_jinja_says(
    source: str, x: object, attribute: object, rows: list[tuple[object, object]]
) -> None:
    """Whatever the language accepts prints what Jinja's own sandbox prints with the same filters and escaping."""
    ours = small(source, Values(x, attribute, tuple(rows)))
    whole = {"x": x, "thing": {"value": attribute}, "rows": [{"a": a, "b": b} for a, b in rows]}
    assert ours == ORACLE.from_string(source).render(whole)
