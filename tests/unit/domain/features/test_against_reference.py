"""The extractor and a slow, obvious reading of docs/features.md agree on whatever a chart may hold."""

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.features_bundles import (
    LOINC,
    charts,
    disagreement,
    key,
    patients,
    schemas,
)
from tests.fakes.features_reference import Json
from wardgate.domain.context.record import KeyState
from wardgate.domain.features.schema import FeatureSchema


@given(schemas(), charts(), patients())
def test_extraction_is_what_the_definition_says(schema: FeatureSchema, chart: list[Json], patient: Json | None) -> None:
    """Every feature of every generated chart has the value, mark, time, text and trend of the reference."""
    assert disagreement(schema, chart, patient) == {}


KEYS = (
    key("patient", "Patient", read=True),
    key("narrow", "Observation", code=f"{LOINC}|1-1"),
    key("rest", "Observation", code=f"2-2,{LOINC}|3-3"),
    key("all", "Observation", category="laboratory"),
    key("problems", "Condition"),
)


@given(
    schemas(),
    charts(),
    patients(),
    st.fixed_dictionaries({key.name: st.sampled_from(list(KeyState)) for key in KEYS}),
    st.integers(0, 4),
)
def test_what_was_not_fetched_is_never_taken_for_absent(
    schema: FeatureSchema, chart: list[Json], patient: Json | None, states: dict[str, KeyState], left_out: int
) -> None:
    """With any mixture of fetched and failed keys, extractor and reference agree on what is known."""
    keys = (*KEYS[:left_out], *KEYS[left_out + 1 :])
    known = {key.name: states[key.name] for key in keys}
    assert disagreement(schema, chart, patient, keys, known) == {}
