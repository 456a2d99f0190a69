"""Cards as a clinician reads them: what each states, whatever its template says, and what none may do."""

import re
import uuid

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.unit.domain.cards.kidney import (
    BANDS,
    BERLIN,
    DAY,
    EFFECTS,
    EGFR_UNIT,
    NOW,
    RELEASE,
    RULES,
    compiled,
    deferred,
    missing,
    observed,
    patient,
    prediction,
    shown,
)
from wardgate.domain.cards.facts import CardFacts
from wardgate.domain.cards.identity import card_id
from wardgate.domain.cards.render import LONGEST_SUMMARY, render, render_notice
from wardgate.domain.cards.spec import NoticeSpec
from wardgate.domain.decisions.decision import Decision
from wardgate.domain.decisions.rules import DeferRule, Exclusion, Show, Threshold
from wardgate.domain.expressions import Scope, Type, compile_expression
from wardgate.domain.features.vector import FeatureValue, Mark, Point
from wardgate.domain.inference.calibration import Isotonic, Logistic
from wardgate.domain.outcomes import DEFERRAL_REASONS, OUTCOME_OF, Outcome, Reason, Step

GFM = MarkdownIt("gfm-like", {"html": True, "linkify": False})
PLAN = compiled()
STATED = [
    "Score: 9.93 % (high)",
    "| eGFR | 24 mL/min/1.73 m² | 2026-02-27, 3 days ago |",
    "| UACR | 812 mg/g | 2026-01-21, 40 days ago |",
    "| age | 70.4 | – |",
    "| sex | male | – |",
    "Band high: 3 % to below 10 %. Shown from 1 %; closer than 0.1 percentage points to it no score is given.",
    "not recalibrated",
    "Model: kidney-failure 1.0.0.",
    "Not checked: transplant, deceased.",
    "Not applicable: pregnancy (No input depends on pregnancy).",
    "Limitation: Not validated in transplant recipients.",
    "Computed 2026-03-02 15:05 CET, valid until 2026-03-03 15:05 CET.",
]


def detail_of(facts: CardFacts, **changes: object) -> str:
    detail = render(compiled(RULES, RELEASE, **changes), facts).detail
    assert detail is not None
    return detail


# what a shown card states


@pytest.mark.requirement("CARD-4", "CARD-5", "CARD-11")
def test_summary_indicator_source_and_links() -> None:
    """The summary from its template, the indicator from the band, the rest from the card file."""
    card = render(PLAN, shown())
    assert card.summary == "Kidney failure risk in 2 years: 9.93 % (high)"
    assert card.indicator == "warning"
    assert card.source.label == "Nephrology CDS"
    assert [link.url for link in card.links] == ["https://nephrology.hospital.example/ckd"]


def test_a_card_without_detail_states_everything_all_the_same() -> None:
    """Inputs with values and dates, how sure, model, what was not checked, both times: wardgate adds them."""
    detail = detail_of(shown())
    assert [part for part in STATED[1:] if part not in detail] == []


def test_a_summary_that_does_not_print_the_score_leaves_it_to_the_detail() -> None:
    """The score and its band are in the detail where the summary is silent about either."""
    assert STATED[0] in detail_of(shown(), summary="Kidney failure risk")
    assert "Score: 0.0993 (high)" in detail_of(shown(), summary="Risk {{ score }}")
    assert "Score:" not in detail_of(shown())


def test_only_score_and_band_may_be_left_to_the_summary() -> None:
    """A list of cards may show summaries alone, but who reads the detail finds model and times there."""
    detail = detail_of(shown(), summary="{{ score }} {{ band }} {{ release.model }} {{ release.version }}")
    assert "Score:" not in detail
    assert "Model: kidney-failure 1.0.0." in detail


def test_what_the_template_prints_is_not_said_twice() -> None:
    """A template that prints a part has said it; a part under a condition may not have been said."""
    whole = (
        "{{ reasons | table }}\n{{ certainty }} {{ not_checked }}\nAt {{ computed_at }} to {{ valid_until }}"
        " by {{ release.model }} {{ release.version }}"
    )
    assert detail_of(shown(), detail=whole).count("About this score") == 0
    partly = "{{ reasons }} {% if uacr.value > 300 %}{{ not_checked }}{% endif %}"
    detail = detail_of(shown(), detail=partly)
    assert detail.count("| eGFR |") == 1
    assert detail.count("Not checked:") == 2
    assert detail.count("Model: kidney-failure 1.0.0.") == 1


def test_inputs_printed_by_hand_need_no_table() -> None:
    """Each input with its value, and its time where it has one, is as good as the table."""
    by_hand = "{{ age.value }} {{ male.value }} {{ egfr.text }} {{ egfr.age }} {{ uacr.text }} {{ uacr.date }}"
    assert "| Input |" not in detail_of(shown(), detail=by_hand)
    assert "| Input |" in detail_of(shown(), detail=by_hand.replace("{{ uacr.date }}", ""))


def test_inputs_printed_by_hand_get_the_table_where_there_is_more_to_say() -> None:
    """Contributions, and values that the gateway filled in or cut, are never lost."""
    by_hand = "{{ age.value }} {{ male.value }} {{ egfr.text }} {{ egfr.age }} {{ uacr.text }} {{ uacr.date }}"
    assert "raises (+1.4)" in detail_of(shown(predicted=prediction(effects=EFFECTS)), detail=by_hand)
    assert "taken as 812" in detail_of(shown(predicted=prediction(clipped=("uacr",))), detail=by_hand)


def test_contributions_order_the_inputs() -> None:
    """The input that moves the score most stands first, with its direction and size."""
    detail = detail_of(shown(predicted=prediction(effects=EFFECTS)))
    rows = re.findall(r"^\| (\w+) \|.*\| ([^|]+) \|$", detail, re.MULTILINE)
    assert rows[0] == ("Input", "Effect on the score")
    assert [row for row in rows if row[0] != "Input"] == [
        ("eGFR", "raises (+1.4)"),
        ("UACR", "raises (+0.71)"),
        ("sex", "raises (+0.11)"),
        ("age", "lowers (−0.012)"),
    ]


def test_a_filled_and_a_cut_value_say_so() -> None:
    """What the model was given instead stands beside what is in the chart."""
    vector = patient(uacr=missing("uacr"))
    detail = detail_of(shown(vector, prediction(filled=("uacr",), clipped=("egfr",))))
    assert "| UACR | not found in the last 365 days (assumed 812) | – |" in detail
    assert "| eGFR | 24 mL/min/1.73 m² (taken as 24) |" in detail
    limit = missing("uacr", Mark.COMPARATOR, 3, "> 5000 mg/g")
    detail = detail_of(shown(patient(uacr=limit), prediction(filled=("uacr",))))
    assert "| UACR | &gt; 5000 mg/g, a limit, not a value (assumed 812) |" in detail


def test_text_right_below_a_table_is_no_row_of_it() -> None:
    """GFM would take the next line for a row; a table is set apart, and with one blank line only."""
    detail = detail_of(shown(), detail="Inputs:\n{{ reasons | table }}\neGFR {{ egfr.age }} old.\n\n\nEnd.")
    html = GFM.render(detail)
    assert "<p>Inputs:</p>" in html and "<p>eGFR 3 days old.</p>" in html and html.count("<td>eGFR</td>") == 1
    assert "\n\n\n" not in detail


def test_features_in_templates() -> None:
    """Each attribute of a feature, with and without a value."""
    source = "{{ egfr.name }};{{ egfr.value }};{{ egfr.unit }};{{ egfr.age }};{{ egfr.date }};{{ egfr.trend }};"
    source += "{{ egfr.text }};{{ egfr.mark }}.{{ uacr.value }};{{ uacr.mark }};{{ uacr.trend }}.{{ male.value }};"
    source += "{{ has_dialysis.value }};{{ age.value }}"
    stale = missing("uacr", Mark.STALE, 400, "30 mg/g")
    detail = detail_of(shown(patient(uacr=stale), prediction(filled=("uacr",))), detail=source)
    assert detail.split("\n")[0] == (
        "eGFR;24;mL/min/1.73 m²;3 days;2026-02-27;35 → 29 → 24 since 2025-01-26;"
        "24 mL/min/1.73 m²;.not available;older than 365 days;.male;no;70.4"
    )


def test_an_age_is_never_rounded_up() -> None:
    """17.96 years is 17.9 on a card: nobody is shown as of age before the birthday."""
    young = patient(age=FeatureValue("age", 17.96))
    assert detail_of(shown(young), detail="{{ age.value }}").startswith("17.9\n")


def test_valid_until_the_first_input_outgrows_its_window() -> None:
    """A day at most; less where an input is about to become stale."""
    ageing = patient(uacr=observed("uacr", 812.0, 364.75, "mg/g"))
    assert "valid until 2026-03-02 21:05 CET" in detail_of(shown(ageing))


def test_how_sure_follows_site_and_calibration() -> None:
    """The threshold is this site's; the calibration is named with its parameters."""
    at_b = detail_of(shown(site="hospital_b"))
    assert "Shown from 2 %" in at_b
    logistic = msgspec.structs.replace(RELEASE, calibration=Logistic(-0.1, 1.2))
    assert "Recalibrated (logistic, intercept -0.1, slope 1.2)." in str(
        render(compiled(release=logistic), shown()).detail
    )
    isotonic = msgspec.structs.replace(RELEASE, calibration=Isotonic(((0.0, 0.0), (1.0, 1.0))))
    assert "Recalibrated (isotonic, 2 points)." in str(render(compiled(release=isotonic), shown()).detail)


def test_no_threshold_and_no_band_have_words() -> None:
    """Every score shown: said so. A score below the lowest band: said so."""
    rules = msgspec.structs.replace(RULES, threshold=Threshold())
    card = render(compiled(rules), shown(predicted=prediction(0.001), rules=rules))
    assert card.summary == "Kidney failure risk in 2 years: 0.10 % (no band)"
    assert card.indicator == "info"
    assert "Below the lowest band. Every score is shown (no threshold)." in str(card.detail)


@given(st.floats(0.011, 1), st.integers(0, 12))
def test_the_summary_never_shows_another_band(score: float, precision: int) -> None:
    """What a reader makes of the printed number is the band that stands beside it."""
    summary = render(_PLANS[precision], shown(predicted=prediction(score))).summary
    printed = re.search(r": ([\d.]+) % \((.+)\)$", summary)
    assert printed is not None
    percent, name = float(printed[1]), printed[2]
    if precision >= 2:
        assert [band.name for band in BANDS if band.start * 100 <= percent + 1e-12][-1] == name


_PLANS = {precision: compiled(precision=precision) for precision in range(13)}


# the summary's length and the label of degraded answers


@pytest.mark.requirement("CARD-2")
def test_summary_is_cut_at_139_and_what_was_cut_is_in_the_detail() -> None:
    """Code points, not bytes (T-1); the label is never cut; a score that was cut off stands below instead."""
    plan = compiled(names={"egfr": "é" * 125}, summary="{{ egfr.name }} {{ score }}")
    whole = render(plan, shown())
    assert whole.summary == "é" * 125 + " 0.0993" and "Score:" in str(whole.detail)  # the band is not in the summary
    cached = render(plan, msgspec.structs.replace(shown(), step=Step.CACHED, step_age=11 * 3600.0))
    assert len(cached.summary) == LONGEST_SUMMARY
    assert cached.summary.startswith("Cached score, 11 h old: ééé") and cached.summary.endswith("é…")
    both = compiled(names={"egfr": "é" * 110}, summary="{{ egfr.name }} {{ score }} ({{ band }})")
    assert "Score:" not in str(render(both, shown()).detail)
    cached = render(both, msgspec.structs.replace(shown(), step=Step.CACHED, step_age=11 * 3600.0))
    assert cached.summary.endswith("…") and "Score: 0.0993 (high)" in str(cached.detail)


def test_the_label_is_only_before_degraded_answers() -> None:
    """Law 6: a cached or rule-based answer says so at the head; a model's own answer has no label."""
    heads = {
        step: render(PLAN, msgspec.structs.replace(shown(), step=step, step_age=age)).summary.split(":")[0]
        for step, age in ((Step.MODEL, None), (Step.CACHED, 600.0), (Step.RULE, None))
    }
    assert heads == {
        Step.MODEL: "Kidney failure risk in 2 years",
        Step.CACHED: "Cached score, 10 min old",
        Step.RULE: "Rule, no model",
    }


# identity


def test_the_same_facts_give_the_same_bytes() -> None:
    """Law 5: a plan compiled anew renders the same card, byte for byte."""
    first, second = (msgspec.json.encode(render(plan, shown())) for plan in (PLAN, compiled()))
    assert first == second


@pytest.mark.requirement("CARD-1")
def test_ids_derive_from_the_decision() -> None:
    """A version 5 UUID as the standard library makes it; another decision or ordinal has another."""
    namespace = uuid.UUID("9d3c0f5e-53d0-5b0e-8d3b-3f5f6f0a2c71")
    assert card_id("d-1", 0) == str(uuid.uuid5(namespace, "d-1/0"))
    assert len({card_id(name, ordinal) for name in ("d-1", "d-2") for ordinal in range(3)}) == 6


@pytest.mark.requirement("CARD-10")
def test_override_reasons_go_out_without_their_class_and_only_with_a_score() -> None:
    """On the wire a Coding; the class stays in the plan. Nobody overrides a deferral."""
    wire = msgspec.json.decode(msgspec.json.encode(render(PLAN, shown())))
    assert wire["overrideReasons"] == [
        {"system": "https://hospital.example/override", "code": "referred", "display": "Already under nephrology"}
    ]
    assert [reason.meaning.value for reason in PLAN.override_reasons] == ["already_done"]
    assert render(PLAN, deferred(Reason.INPUT_MISSING, "uacr", uacr=missing("uacr"))).override_reasons == ()


# deferral


def test_a_deferral_hands_over() -> None:
    """What is missing, what is known with dates and trend, why, what to do, and that silence is no all-clear."""
    card = render(PLAN, deferred(Reason.INPUT_MISSING, "uacr", uacr=missing("uacr")))
    assert card.summary == "Kidney failure risk not calculated: UACR not found"
    assert card.indicator == "info"
    for part in (
        "**Why no score:** UACR not found.",
        "| UACR | nothing | not found in the last 365 days |",
        "| eGFR | 24 mL/min/1.73 m² | 2026-02-27, 3 days ago | 35 → 29 → 24 since 2025-01-26 |",
        "**What to do:** Look for UACR elsewhere, or order it where it would change what you do.",
        "No score does not mean low risk.",
        "Model: kidney-failure 1.0.0.",
        "Not checked: transplant, deceased.",
        "Asked 2026-03-02 15:05 CET.",
    ):
        assert part in str(card.detail)


def test_a_stale_input_shows_what_was_last_known() -> None:
    """The last value and its date are worth more to a clinician than the word `stale`."""
    stale = missing("egfr", Mark.STALE, 500, f"41 {EGFR_UNIT}")
    detail = str(render(PLAN, deferred(Reason.INPUT_STALE, "egfr", egfr=stale)).detail)
    assert "| eGFR | 41 mL/min/1.73 m² | 2024-10-18, 16 months ago | older than 365 days |" in detail


def test_an_input_that_could_not_be_fetched_is_not_called_missing() -> None:
    """`unknown` and `could not be read`, never `nothing` or `not found`."""
    unfetched = FeatureValue("uacr", None, Mark.MISSING, unobtained=True)
    detail = str(render(PLAN, deferred(Reason.POPULATION_UNKNOWN, "uacr", uacr=unfetched)).detail)
    assert "| UACR | unknown | could not be read |" in detail


def test_a_reason_names_only_the_features_that_it_fits() -> None:
    """`missing(uacr) and age > 65` reads both and only one is missing; where none fits, none is named."""
    both = deferred(Reason.INPUT_MISSING, "age", "uacr", uacr=missing("uacr"))
    assert render(PLAN, both).summary.endswith(": UACR not found")
    assert render(PLAN, deferred(Reason.INPUT_STALE, "egfr")).summary.endswith(": eGFR too old")
    assert render(PLAN, deferred(Reason.INPUT_STALE, "egfr", "age")).summary.endswith(": an input is too old")
    deceased = deferred(Reason.EXCLUSION_UNKNOWN, question="deceased")
    assert render(PLAN, deceased).summary.endswith(": exclusion cannot be checked: deceased")


@pytest.mark.parametrize(
    ("mark", "raw", "why", "advice"),
    [
        (Mark.MISSING, None, "UACR not found", "Look for UACR elsewhere"),
        (Mark.STALE, "30 mg/g", "UACR too old", "Repeat UACR"),
        (Mark.WRONG_UNIT, "3 mg/dL", "UACR in an unexpected unit", "Read UACR in the chart with its unit"),
        (Mark.COMPARATOR, "< 3 mg/g", "UACR only known as a limit", "Read UACR in the chart; only a limit"),
        (Mark.NOT_NUMERIC, "a range", "UACR without a usable value", "Read UACR in the chart; what is recorded"),
        (Mark.IMPLAUSIBLE, "-1 mg/g", "UACR outside the plausible range", "Check UACR in the chart"),
    ],
)
def test_a_rule_on_missing_is_told_by_the_features_own_mark(mark: Mark, raw: str | None, why: str, advice: str) -> None:
    """Regression: `missing(uacr)` also holds for a UACR in a wrong unit, and the card said "not found"."""
    without = missing("uacr", mark, None if raw is None else 3, raw)
    card = render(PLAN, deferred(Reason.INPUT_MISSING, "uacr", question="1", uacr=without))
    assert card.summary == f"Kidney failure risk not calculated: {why}"
    assert f"**Why no score:** {why}." in str(card.detail) and f"**What to do:** {advice}" in str(card.detail)


def test_several_features_that_a_rule_on_missing_reads_are_told_apart() -> None:
    """`missing(egfr) or missing(uacr)`: what is really missing if anything is, else each with its own mark."""
    limit = missing("egfr", Mark.COMPARATOR, 3, "> 60 mL/min")
    stale = missing("uacr", Mark.STALE, 400, "30 mg/g")
    both = deferred(Reason.INPUT_MISSING, "egfr", "uacr", egfr=limit, uacr=stale)
    assert render(PLAN, both).summary.endswith(": eGFR only known as a limit; UACR too old")
    one = deferred(Reason.INPUT_MISSING, "egfr", "uacr", egfr=limit, uacr=missing("uacr"))
    assert render(PLAN, one).summary.endswith(": UACR not found")


def test_a_derived_input_is_told_by_what_it_lacks() -> None:
    """Regression: an input that could not be worked out was "values of one time only", whatever it lacked."""
    limit = missing("uacr", Mark.COMPARATOR, 3, "< 3 mg/g")
    worked = FeatureValue("egfr", None, Mark.COMPARATOR, NOW - 3 * DAY, 3 * DAY, EGFR_UNIT, lacks="uacr")
    card = render(PLAN, deferred(Reason.INPUT_COMPARATOR, "egfr", question="1", egfr=worked, uacr=limit))
    assert card.summary == "Kidney failure risk not calculated: UACR only known as a limit"
    assert "| eGFR: UACR | &lt; 3 mg/g | 2026-02-27, 3 days ago | a limit, not a value |" in str(card.detail)
    absent = msgspec.structs.replace(worked, mark=Mark.MISSING, at=None, age=None)
    both = deferred(Reason.INPUT_MISSING, "egfr", "uacr", question="1", egfr=absent, uacr=missing("uacr"))
    assert render(PLAN, both).summary.endswith(": UACR not found")


def test_a_value_without_text_is_not_called_one_time_only() -> None:
    """What a FHIRPath expression could not tell, or a result that is no number, has no words in the chart."""
    untold = FeatureValue("egfr", None, Mark.NOT_NUMERIC, NOW - 3 * DAY, 3 * DAY, EGFR_UNIT)
    detail = str(render(PLAN, deferred(Reason.INPUT_NOT_NUMERIC, "egfr", egfr=untold)).detail)
    assert "| eGFR | nothing that can be used | 2026-02-27, 3 days ago | not a usable value |" in detail


def test_too_few_values_for_a_trend_are_not_called_nothing() -> None:
    """Regression: a slope of one value was "nothing" in the chart, "not found", beside the date of that value."""
    lone = FeatureValue("egfr", None, Mark.MISSING, NOW - 3 * DAY, 3 * DAY, EGFR_UNIT)
    detail = str(render(PLAN, deferred(Reason.INPUT_MISSING, "egfr", egfr=lone)).detail)
    assert "| eGFR | values of one time only | 2026-02-27, 3 days ago | too few in the last 365 days |" in detail


def test_the_last_usable_value_stands_beside_one_that_is_not() -> None:
    """An earlier UACR in mg/g is known, though the newest one is in a unit that nobody declared."""
    wrong = msgspec.structs.replace(
        missing("uacr", Mark.WRONG_UNIT, 3, "3 mg/dL"),
        trend=(Point(NOW - 90 * DAY, 250.0), Point(NOW - 40 * DAY, 280.0)),
    )
    detail = str(render(PLAN, deferred(Reason.INPUT_UNIT, "uacr", uacr=wrong)).detail)
    assert (
        "| UACR | 3 mg/dL | 2026-02-27, 3 days ago | in a unit that is not expected | 280 mg/g, 2026-01-21 |" in detail
    )


def test_an_exclusion_that_could_not_be_answered_is_told() -> None:
    """Regression: a rule deferred before dialysis, which could not be read, was held against the call; the card left
    dialysis out of what was not checked."""
    dialysis = Exclusion("dialysis", compile_expression("has_dialysis", _SCOPE))
    plan = compiled(rules=msgspec.structs.replace(RULES, exclusions=(dialysis,)))
    unread = FeatureValue("has_dialysis", None, Mark.MISSING, unobtained=True)
    facts = deferred(Reason.INPUT_MISSING, "uacr", uacr=missing("uacr"), has_dialysis=unread)
    assert "Could not be checked: dialysis. Not checked: pregnancy," in str(render(plan, facts).detail)
    answered = deferred(Reason.INPUT_MISSING, "uacr", uacr=missing("uacr"))
    assert "Could not be checked" not in str(render(plan, answered).detail)


def test_a_deferral_never_states_a_score() -> None:
    """A score that must not be acted on must not be read: not even one that was computed is on the card."""
    decision = Decision(Reason.INDETERMINATE, score=0.0987654, threshold=0.1, band=BANDS[1])
    card = render(PLAN, CardFacts("d", decision, patient(), prediction(0.0987654), NOW, BERLIN))
    assert "9.8" not in card.summary + str(card.detail) and "0.098" not in str(card.detail)


_SCOPE = Scope(
    names={**dict.fromkeys(("egfr", "uacr", "score"), Type.NUMBER), "has_dialysis": Type.BOOLEAN},
    outputs=frozenset({"score"}),
    timed=frozenset({"egfr", "uacr"}),
)


@pytest.mark.parametrize(
    ("rule", "changes", "said"),
    [
        ("age_of(egfr) > 180d", {}, True),
        ("missing(uacr)", {"uacr": missing("uacr")}, True),
        ("missing(uacr)", {"uacr": missing("uacr", Mark.WRONG_UNIT, 3, "3 mg/dL")}, False),
        ("score > 0.37", {}, False),
        ("egfr < 20 and score > 0.37", {}, False),
    ],
)
def test_a_deferral_says_its_rule_where_that_gives_nothing_away(
    rule: str, changes: dict[str, FeatureValue], said: bool
) -> None:
    """Regression: `(Rule: score > 0.37)` told the score; `missing(uacr)` stood beside "in an unexpected unit"."""
    when = compile_expression(rule, _SCOPE)
    plan = compiled(rules=msgspec.structs.replace(RULES, defer=(DeferRule(when, Reason.INPUT_MISSING, Show.CARD),)))
    reason = Reason.INPUT_MISSING if changes else Reason.UNCERTAIN
    detail = str(render(plan, deferred(reason, "uacr", question="1", **changes)).detail)
    assert ("(Rule: " in detail) is said and "0.37" not in detail


def test_the_wrong_patients_data_are_on_no_card() -> None:
    """Law 11: where the chart may be another's, nothing of it is shown."""
    detail = str(render(PLAN, deferred(Reason.WRONG_PATIENT)).detail)
    assert "24" not in detail.replace("2026", "") and "|" not in detail


def test_a_deferral_template_keeps_what_it_does_not_print() -> None:
    """Its own detail replaces the parts that it prints, and only those."""
    notice = NoticeSpec("No score", "{{ missing | table }}\n\n{{ reason.display }} {{ advice }} ({{ reason.code }})")
    detail = str(render(compiled(deferred=notice), deferred(Reason.INPUT_MISSING, "uacr", uacr=missing("uacr"))).detail)
    assert detail.count("| UACR |") == 1 and detail.count("**Known**") == 1
    assert "**Why no score:**" not in detail and "**What to do:**" not in detail
    assert "UACR not found" in detail and "(input\\_missing)" in detail


@pytest.mark.parametrize("reason", sorted(DEFERRAL_REASONS))
@pytest.mark.parametrize("names", [(), ("uacr",), ("egfr", "uacr", "age")])
def test_every_deferral_reason_has_words(reason: Reason, names: tuple[str, ...]) -> None:
    """No reason is left without a sentence, a piece of advice, and a summary that fits."""
    card = render(PLAN, deferred(reason, *names, uacr=missing("uacr")))
    assert "{" not in card.summary + str(card.detail).replace(EGFR_UNIT, "")
    assert 0 < len(card.summary) <= LONGEST_SUMMARY
    assert "**What to do:** " in str(card.detail)


@pytest.mark.parametrize("reason", [r for r, outcome in OUTCOME_OF.items() if outcome is Outcome.UNAVAILABLE])
def test_every_unavailable_reason_has_a_notice(reason: Reason) -> None:
    """The notice says that silence is no result, and nothing of the patient."""
    card = render_notice(PLAN, CardFacts("d", Decision(reason), patient(), None, NOW, BERLIN))
    assert "No score does not mean low risk." in str(card.detail)
    assert "eGFR" not in str(card.detail)


def test_an_outcome_without_a_card_is_a_mistake() -> None:
    """Below the threshold and out of scope there is nothing to render."""
    for reason in (Reason.BELOW_THRESHOLD, Reason.EXCLUSION, Reason.MODEL_TIMEOUT):
        with pytest.raises(ValueError, match="has no card"):
            render(PLAN, CardFacts("d", Decision(reason), patient(), None, NOW, BERLIN))


# hostile data

RAW = st.text(st.characters(codec="utf-8"), max_size=40)


@pytest.mark.requirement("CARD-3")
@given(RAW, RAW)
def test_hostile_units_and_raw_values_make_no_markup(unit: str, raw: str) -> None:
    """A unit or a raw value of any content leaves the card's elements as they are, and its summary one line."""
    hostile = {
        "egfr": msgspec.structs.replace(observed("egfr", 24.0, 3, unit or "x")),
        "uacr": missing("uacr", Mark.NOT_NUMERIC, 3, raw),
    }
    plan = _HOSTILE
    for facts in (
        shown(patient(**hostile), prediction(filled=("uacr",))),
        deferred(Reason.INPUT_NOT_NUMERIC, "uacr", question=None, **hostile),
    ):
        card = render(plan, facts)
        tags = set(re.findall(r"<(/?\w+)", GFM.render(str(card.detail))))
        assert tags <= {f"{slash}{tag}" for slash in ("", "/") for tag in ALLOWED}
        assert card.summary.isprintable() and len(card.summary) <= LONGEST_SUMMARY
        msgspec.json.encode(card)


ALLOWED = ("p", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "strong", "hr")
_HOSTILE = compiled(
    summary="{{ uacr.text }} {{ egfr.unit }} {{ score }}",
    detail="{{ egfr.unit }}\n\n{{ uacr.text }}\n\n{{ uacr.mark }}",
    deferred=NoticeSpec("{{ uacr.text }}: {{ reason.display }}"),
)
