"""What is wrong with a card file is found at start, all of it at once, with its key, line and remedy."""

import msgspec
import pytest

from tests.unit.domain.cards.kidney import BANDS, FEATURES, RELEASE, RULES, SPEC, compiled, problems
from wardgate.domain.cards.card import Coding, Link, Source
from wardgate.domain.cards.compile import compile_card
from wardgate.domain.cards.plan import CardPlan
from wardgate.domain.cards.spec import DEFERRED, CardProblem, NoticeSpec, OverrideClass, OverrideReason
from wardgate.domain.decisions.rules import Band, Rules, Show, Threshold
from wardgate.domain.features.schema import FeatureSpec


def keys(found: list[CardProblem]) -> list[str]:
    return [problem.key for problem in found]


def test_the_card_of_these_tests_is_sound() -> None:
    """A sound file compiles."""
    assert isinstance(compiled(), CardPlan)


def test_all_problems_are_reported_together() -> None:
    """Every template and every value of a file is looked at, whatever else is wrong."""
    found = problems(
        summary="{{ scor }}",
        detail="a\n{{ egfr.vlue }}",
        deferred=NoticeSpec("{{ score }}", "{% if %}", "hard-stop"),
        unavailable=NoticeSpec("{{ egfr.value }}", None, "info"),
        fallback_label="{{ step }}",
        precision=13,
        source=Source("", "nephrology"),
    )
    assert keys(found) == [
        "precision.score",
        "deferred.indicator",
        "source.label",
        "source.url",
        "summary",
        "detail",
        "deferred.summary",
        "deferred.detail",
        "unavailable.summary",
        "fallback.label",
    ]
    by_key = {problem.key: problem for problem in found}
    assert by_key["detail"].line == 2 and by_key["detail"].remedy == "did you mean value?"
    assert "say nothing of a score" in by_key["deferred.summary"].remedy


@pytest.mark.requirement("CARD-4")
@pytest.mark.parametrize(
    ("bands", "key"),
    [
        ((), "bands"),
        ((Band("a", 0.1, "info"), Band("b", 0.1, "info")), "bands.1.from"),
        ((Band("a", 0.1, "hard-stop"),), "bands.0.indicator"),
        ((Band("a", 0.1, "info"), Band("a", 0.2, "info")), "bands"),
        ((Band(" ", 0.1, "info"),), "bands.0.name"),
    ],
)
def test_bands(bands: tuple[Band, ...], key: str) -> None:
    """Bands ascend, are told apart by name, and have an indicator that CDS Hooks knows (CARD-4)."""
    assert keys(problems(bands=bands)) == [key]


@pytest.mark.requirement("LNK-1", "LNK-2")
@pytest.mark.parametrize(
    ("link", "key"),
    [
        (Link("", "https://a.example", "absolute"), "links.0.label"),
        (Link("{{ score }}", "https://a.example", "absolute"), "links.0.label"),
        (Link("a", "javascript:alert(1)", "absolute"), "links.0.url"),
        (Link("a", "/relative", "absolute"), "links.0.url"),
        (Link("a", "https://a.example/{{ score }}", "absolute"), "links.0.url"),
        (Link("a", "https://[a.example", "absolute"), "links.0.url"),
        (Link("a", "https://a.example", "app"), "links.0.type"),
        (Link("a", "https://a.example", "absolute", "x"), "links.0.appContext"),
    ],
)
def test_links(link: Link, key: str) -> None:
    """A link is a literal label, an absolute URL and a type; appContext is for SMART apps only (LNK-1, LNK-2)."""
    assert keys(problems(links=(link,))) == [key]


@pytest.mark.requirement("GEN-9", "CARD-10")
@pytest.mark.parametrize(
    ("codings", "key"),
    [
        ([Coding("s", "c")], "override_reasons.0.display"),
        ([Coding("", "c", "d")], "override_reasons.0"),
        ([Coding("s", "c", "d"), Coding("s", "c", "e")], "override_reasons"),
    ],
)
def test_override_reasons(codings: list[Coding], key: str) -> None:
    """Each override reason is a Coding with display (GEN-9, CARD-10), and told apart from the others."""
    reasons = tuple(OverrideReason(coding, OverrideClass.DISAGREE) for coding in codings)
    assert keys(problems(override_reasons=reasons)) == [key]


@pytest.mark.requirement("CARD-8", "GEN-9")
def test_source_topic_and_names() -> None:
    """A topic needs system and code (CARD-8); a display name needs a feature."""
    assert keys(problems(source=Source("a", topic=Coding("", "c")))) == ["source.topic"]
    assert keys(problems(names={"creatinine": "Creatinine"})) == ["names.creatinine"]


@pytest.mark.requirement("CARD-5", "CARD-6", "CARD-7")
def test_the_source_has_a_label_and_absolute_urls() -> None:
    """A page and an icon that a client can open from anywhere."""
    sound = msgspec.structs.replace(SPEC, source=Source("a", "https://a.example/page", "https://a.example/icon.png"))
    assert isinstance(compile_card(sound, FEATURES, RELEASE, RULES), CardPlan)
    assert keys(problems(source=Source("", "/page", "icon.png"))) == ["source.label", "source.url", "source.icon"]


@pytest.mark.requirement("CARD-2")
def test_an_empty_or_too_long_summary() -> None:
    """CARD-2: never empty, and never one that would be cut for every patient."""
    assert keys(problems(summary=" ")) == ["summary"]
    found = problems(summary="x" * 135 + " {{ score }}")
    assert keys(found) == ["summary"] and "longer than 139" in found[0].what


def test_a_label_that_leaves_no_room() -> None:
    """The label is never cut, so it may not take the summary's place."""
    found = problems(fallback_label="{{ step.display }}" + "x" * 90)
    assert keys(found) == ["fallback.label"] and "of the summary's 139" in found[0].what


@pytest.mark.parametrize(
    "label",
    [
        "Score:",
        "",
        " ",
        "Verified model:",
        "{{ step.age }}",
        "Cached score",
        "Rule, no model",
        "{% if step.age %}{{ step.display }}{% endif %}",
        "{% if step.display == 'Cached score' %}{{ step.display }}{% endif %}",
    ],
)
def test_a_label_that_does_not_say_the_step(label: str) -> None:
    """Regression, law 6: the card of a rule went out as if it were the model's."""
    found = problems(fallback_label=label)
    assert keys(found) == ["fallback.label"] and "law 6" in found[0].what


@pytest.mark.parametrize(
    "label",
    [
        "{{ step.display | upper }}",
        "{% if step.age %}{{ step.display }} {{ step.age }}{% else %}{{ step.display }}{% endif %}",
    ],
)
def test_a_label_may_say_more_than_the_step(label: str) -> None:
    """Whatever stands around it."""
    assert isinstance(
        compile_card(msgspec.structs.replace(SPEC, fallback_label=label), FEATURES, RELEASE, RULES), CardPlan
    )


def test_a_detail_without_bounds() -> None:
    """What a template prints for many inputs is bounded with sample values."""
    source = "{% for r in reasons %}" + "x" * 7000 + "{{ r.input }}{% endfor %}"
    found = problems(detail=source)
    assert keys(found) == ["detail"] and "longer than 20,000" in found[0].what


def test_a_feature_that_a_name_of_the_language_hides() -> None:
    """A feature called `band` cannot be told from the score's band: a template that says `band` is refused."""
    features = {**FEATURES, "band": FeatureSpec(name="band", source="Observation", unit="1")}
    found = compile_card(SPEC, features, RELEASE, RULES)
    assert not isinstance(found, CardPlan)
    assert keys(found) == ["summary"] and "a feature, too" in found[0].what


def test_the_defaults_of_a_minimal_file() -> None:
    """Bands, summary and source are enough: the rest has a documented default that compiles."""
    minimal = msgspec.structs.replace(SPEC, links=(), override_reasons=(), deferred=DEFERRED, names={})
    assert isinstance(compile_card(minimal, FEATURES, RELEASE, RULES), CardPlan)


def test_a_service_without_any_rule() -> None:
    """No threshold, no exclusions, no inputs with a window: still a card."""
    bare = Rules(None, None, (), (), Show.NONE, (), Threshold(), BANDS)
    plan = compile_card(SPEC, FEATURES, RELEASE, bare)
    assert isinstance(plan, CardPlan)
    assert plan.facts.not_checked.startswith("Not checked: pregnancy, dialysis, transplant, deceased.")
