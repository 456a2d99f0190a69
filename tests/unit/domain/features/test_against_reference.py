"""The extractor and a slow, obvious reading of docs/features.md agree on whatever a chart may hold."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.features_bundles import LOINC, NOW, Draw, disagreement, extract, key
from wardgate.domain.context.record import KeyState

SEEDS = st.integers(0, 2**32)


@given(SEEDS)
def test_extraction_is_what_the_definition_says(seed: int) -> None:
    """Every feature of four generated charts has the value, mark, time, text and trend of the reference."""
    for number in range(4):
        draw = Draw(seed + number)
        chart, drafts = draw.chart(), draw.drafts()
        differing = disagreement(draw.schema(), chart, draw.patient(), encounter=draw.encounter(), drafts=drafts)
        assert differing == {}, seed + number


KEYS = (
    key("patient", "Patient", read=True),
    key("narrow", "Observation", code=f"{LOINC}|1-1"),
    key("rest", "Observation", code=f"2-2,{LOINC}|3-3"),
    key("all", "Observation", category="laboratory"),
    key("problems", "Condition"),
)


@given(SEEDS)
def test_what_was_not_fetched_is_never_taken_for_absent(seed: int) -> None:
    """With any mixture of fetched, failed and undeclared keys, extractor and reference agree on what is known."""
    draw = Draw(seed)
    keys = tuple(key for key in KEYS if draw.chance(0.8))
    states = {key.name: draw.one(KeyState.OBTAINED, *KeyState) for key in keys}
    partial = [name for name, state in states.items() if state is KeyState.PARTIAL_NEWEST]
    back_to = {name: NOW + 6 * 3600.0 * draw.random.randint(-40, 1) for name in partial}
    assert disagreement(draw.schema(), draw.chart(), draw.patient(), keys, states, read_back_to=back_to) == {}


def test_the_generated_charts_reach_every_mark_and_take() -> None:
    """The agreement above is not empty: each take has values, and each mark and trend length occurs."""
    seen: Counter[object] = Counter()
    for seed in range(1500):
        draw = Draw(seed)
        schema, chart, drafts = draw.schema(), draw.chart(), draw.drafts()
        vector = extract(schema, chart, draw.patient(), encounter=draw.encounter(), drafts=drafts)
        for spec in schema.features:
            found = vector.values[spec.name]
            seen[found.mark or spec.take, spec.source or "derived"] += 1
            seen["late", found.late] += 1
            seen["trend", len(found.trend)] += 1
            seen["unobtained", spec.source or "derived"] += found.unobtained
    medicines = ("MedicationRequest", "MedicationStatement")
    rare = [
        name
        for name in [
            *((mark, "Observation") for mark in ("stale", "missing", "implausible", "wrong_unit", "comparator")),
            *((mark, "Patient") for mark in ("missing", "implausible", "comparator", "not_numeric")),
            *((mark, "derived") for mark in ("stale", "missing", "implausible", "wrong_unit", "not_numeric")),
            *((mark, "Encounter") for mark in ("missing", "implausible", "not_numeric")),
            *((mark, "DocumentReference") for mark in ("missing", "not_numeric")),
            *((take, "Observation") for take in ("latest", "earliest", "min", "max", "mean", "sum", "delta", "slope")),
            *((take, source) for take in ("any", "count") for source in ("Observation", "Condition", "context")),
            *((take, source) for take in ("any", "count") for source in (*medicines, "Encounter", "DocumentReference")),
            *(("latest", source) for source in ("MedicationRequest", "Encounter", "context", "derived")),
            *(("unobtained", source) for source in (*medicines, "Encounter", "context", "derived")),
            *(("trend", length) for length in (1, 2, 3, 4, 5)),
            ("late", True),
        ]
        if seen[name] < 5
    ]
    assert rare == []
