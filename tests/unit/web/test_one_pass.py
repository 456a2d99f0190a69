"""The one pass over a body: whatever was sent for a key, it says what reading that key's JSON alone says."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.context_fhir import bundle, condition, encounter, observation, operation_outcome, patient, raw
from tests.web.house import CLIENT, key, plan, request
from wardgate.domain.context.prefetch import PrefetchKey
from wardgate.domain.context.resources import Page, decode_value
from wardgate.web.context_fields import ContextReader
from wardgate.web.wire import WireService, decoder_of, parse

WHOLE = msgspec.structs.replace(key("whole labs", "Observation?patient={{context.patientId}}"), whole=True)
KEYS = (
    key("patient", "Patient/{{context.patientId}}"),
    key("encounter", "Encounter/{{context.encounterId}}"),
    key("labs", "Observation?patient={{context.patientId}}"),
    key("class", "Condition?patient={{context.patientId}}"),
    key("drugs", "MedicationRequest?patient={{context.patientId}}"),
    WHOLE,
)
MEDICATION = {"resourceType": "Medication", "id": "m", "code": {"text": "Metformin"}}
DRUG = {"resourceType": "MedicationRequest", "id": "d", "subject": {"reference": "Patient/p1"}, "status": "active"}
VALUES: tuple[Any, ...] = (
    None,
    5,
    [],
    {},
    bundle(),
    {"resourceType": "Bundle", "entry": None},
    {
        "resourceType": "Bundle",
        "entry": [{"fullUrl": "urn:uuid:1"}, {"resource": None}, {"resource": observation("o")}],
    },
    {**bundle(observation("o")), "link": [{"relation": "next", "url": "https://ehr.example/fhir?page=2"}]},
    bundle(observation("o"), patient(), encounter(), condition("c")),
    bundle(observation("o"), operation_outcome("warning")),
    bundle(observation("o"), operation_outcome("error")),
    bundle({**observation("o"), "status": 7}, observation("p")),
    bundle(DRUG, MEDICATION, observation("o")),
    operation_outcome("error"),
    patient(),
    encounter(),
    observation("o"),
    DRUG,
    {"response": {"status": "200 OK"}, "resource": bundle(observation("o"))},
)


def sent(prefetch: Mapping[str, Any], *keys: PrefetchKey) -> Mapping[str, Any]:
    """As the gateway takes it: pages, and of what is left to it the JSON."""
    service = plan("kidney-failure", "patient-view", *keys)
    wire = WireService(service.id, {service.hook: ContextReader(service)}, decoder_of([service]))
    return parse(json.dumps(request(prefetch=prefetch)).encode(), wire, CLIENT, 64).prefetch


def page(found: object, of: PrefetchKey) -> Page | None:
    assert isinstance(found, Page | msgspec.Raw)
    return decode_value(found, of.resource_type, of.whole) if isinstance(found, msgspec.Raw) else found


def told(page: Page | None) -> object:
    """All but the identities of objects."""
    return page and msgspec.structs.replace(page, wholes=dict(enumerate(page.wholes.values())))


@pytest.mark.requirement("PF-1", "PF-2")
@pytest.mark.parametrize("of", KEYS, ids=lambda of: of.name)
@pytest.mark.parametrize("value", VALUES)
def test_each_key_is_what_its_json_alone_says(of: PrefetchKey, value: object) -> None:
    """Charts as they should be, the four states, errors, wrappers, includes and misfits, under any kind of key."""
    got = sent({of.name: value, "other": {"resourceType": "Bundle"}}, *KEYS)
    assert told(page(got[of.name], of)) == told(decode_value(raw(value), of.resource_type, of.whole))


@given(
    values=st.lists(st.sampled_from(VALUES), min_size=len(KEYS), max_size=len(KEYS)),
    known=st.sets(st.sampled_from(KEYS)),
)
def test_no_key_changes_another(values: list[Any], known: set[PrefetchKey]) -> None:
    """A misfit under one key costs a second pass and no other key anything; a key that was not sent stays absent."""
    got = sent({of.name: value for of, value in zip(KEYS, values, strict=True) if of in known}, *KEYS)
    assert {of.name for of in KEYS if of.name in got} == {of.name for of in known}
    for of, value in zip(KEYS, values, strict=True):
        if of in known:
            assert told(page(got[of.name], of)) == told(decode_value(raw(value), of.resource_type, of.whole))


def test_a_plain_chart_is_decoded_in_the_pass() -> None:
    """Nearly every call: nothing is left to be decoded afterwards but what is read with its JSON."""
    chart = bundle(observation("o"))
    got = sent(
        {"patient": patient(), "labs": chart, "class": bundle(), "drugs": bundle(DRUG), WHOLE.name: chart}, *KEYS
    )
    assert {name: type(found) for name, found in got.items()} == {
        "patient": Page,
        "labs": Page,
        "class": Page,
        "drugs": Page,
        WHOLE.name: msgspec.Raw,
    }


def test_a_name_that_two_hooks_use_for_two_types_is_left_alone() -> None:
    """Which of them is meant, only the hook of the request says."""
    services = [
        plan("kidney-failure", "patient-view", key("list", "Observation?patient={{context.patientId}}")),
        plan("kidney-failure", "order-sign", key("list", "Condition?patient={{context.patientId}}")),
    ]
    readers = {each.hook: ContextReader(each) for each in services}
    wire = WireService("kidney-failure", readers, decoder_of(services))
    body = msgspec.json.encode(request(prefetch={"list": bundle(condition("c"))}))
    assert isinstance(parse(body, wire, CLIENT, 64).prefetch["list"], msgspec.Raw)


def test_a_number_that_no_float_holds_spoils_its_own_key_only() -> None:
    """A value that only its decoding refuses is no reason to refuse the request (trap T-7)."""
    body = json.dumps(request(prefetch={"labs": bundle(observation("o")), "drugs": bundle(DRUG)})).encode()
    service = plan("kidney-failure", "patient-view", *KEYS)
    wire = WireService(service.id, {service.hook: ContextReader(service)}, decoder_of([service]))
    huge = body.replace(b'"active"', b"1" + b"0" * 400)
    got = parse(huge, wire, CLIENT, 64).prefetch
    assert isinstance(got["drugs"], msgspec.Raw) and isinstance(got["labs"], msgspec.Raw)
    assert page(got["labs"], KEYS[2]) == decode_value(raw(bundle(observation("o"))), "Observation")
