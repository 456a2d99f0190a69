"""Nothing that a chart or a context may hold ends an extraction, and nothing of it is in an error."""

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.features_bundles import BERLIN, ENCOUNTER_FEATURES, EVENTS, NOW, PATIENT_FEATURES, event, lab
from wardgate.domain.context.assemble import Answer, assemble
from wardgate.domain.context.drafts import decode_drafts
from wardgate.domain.context.fhir import Event
from wardgate.domain.context.ownership import Owner
from wardgate.domain.context.record import KeyState
from wardgate.domain.context.resources import decode_value
from wardgate.domain.features.compile import compile_schema
from wardgate.domain.features.schema import FeatureSchema, FeatureSpec, FeatureType, Take
from wardgate.domain.features.vector import FeatureVector

TYPES = (
    "MedicationRequest",
    "MedicationStatement",
    "Encounter",
    "DocumentReference",
    "Medication",
    "Appointment",
    "Task",
)
FIELDS = [field.encode_name for field in msgspec.structs.fields(Event)]
CODED: dict[str, Any] = {"type": FeatureType.CODE, "map": {"http://loinc.org|1-1": 1, "2-2": 2}}
SCHEMA = FeatureSchema(
    "1",
    (
        *PATIENT_FEATURES,
        *ENCOUNTER_FEATURES,
        *(lab(f"code{number}", source=key.resource_type, **CODED) for number, key in enumerate(EVENTS)),
        *(event(f"all{number}", key.resource_type, take=Take.COUNT) for number, key in enumerate(EVENTS)),
        event("length", "DocumentReference", path="length", take=Take.SUM, max_lag=5.0),
        event("drafts", "context", ("1-1",), path="draftOrders", **CODED),
        event("chosen", "context", path="selections", take=Take.COUNT),
        FeatureSpec(name="sum", derive="all0 / (all1 - length)"),
    ),
)
EXTRACTOR = compile_schema(SCHEMA, EVENTS)

CODING = {"coding": [{"system": "http://loinc.org", "code": "1-1"}]}
LIKELY = (
    "active",
    "current",
    "finished",
    "2026-01-01",
    "order",
    "Patient/p",
    CODING,
    {"reference": "Patient/p"},
    {"reference": "Medication/m"},
    [{"actor": {"reference": "Patient/p"}}],
    {"start": "2026-01-01"},
    [{"attachment": {"data": "aGFsbG8="}}],
)
VALUES = st.one_of(
    st.sampled_from(LIKELY),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=3),
        max_leaves=8,
    ),
)
RESOURCES = st.fixed_dictionaries(
    {"resourceType": st.sampled_from(TYPES)}, optional=dict.fromkeys(FIELDS[1:], VALUES)
).map(lambda resource: {"subject": {"reference": "Patient/p"}, **resource})


def extracted(chart: Any, context: Any) -> FeatureVector:
    raw = json.dumps({"resourceType": "Bundle", "entry": [{"resource": one} for one in chart]}).encode()
    pages = [(key, decode_value(raw, key.resource_type)) for key in EVENTS]
    answers = [
        Answer(key, [page], KeyState.OBTAINED) if page is not None else Answer(key, [], KeyState.UNOBTAINED)
        for key, page in pages
    ]
    drafts = decode_drafts(msgspec.Raw(json.dumps(context).encode()), ("draftOrders", "selections"))
    record = assemble(answers, Owner("p", None, frozenset()), "e", False, drafts)
    return EXTRACTOR.extract(record, NOW, BERLIN)


@given(st.lists(RESOURCES, max_size=4))
def test_no_resource_ends_an_extraction(chart: list[Any]) -> None:
    """Elements of any type in any place: each feature has a value or one mark."""
    context = {"draftOrders": {"resourceType": "Bundle", "entry": [{"resource": one} for one in chart]}}
    vector = extracted(chart, {**context, "selections": ["MedicationRequest/m"]})
    assert vector.values.keys() == {spec.name for spec in SCHEMA.features}
    assert all((found.value is None) == (found.mark is not None) for found in vector.values.values())


@given(st.dictionaries(st.sampled_from(("draftOrders", "selections", "entry", "x")), VALUES))
def test_no_context_ends_an_extraction(context: Any) -> None:
    """What is no Bundle, no resource and no list of names is not known."""
    vector = extracted([], context)
    assert vector.values["drafts"].mark is not None


def test_a_name_in_any_element_stays_out_of_every_error() -> None:
    """A name where a type, a number or a reference belongs: nothing is raised that could carry it."""
    for name in FIELDS[1:]:
        for value in ("Wintermute", ["Wintermute"], {"reference": "Wintermute", "coding": "Wintermute"}):
            extracted(
                [{"resourceType": kind, "subject": {"reference": "Patient/p"}, name: value} for kind in TYPES], {}
            )
