"""Decoding one prefetch value: the four states, and charts that break the specification."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.context_fhir import bundle, condition, encounter, observation, operation_outcome, patient, raw
from wardgate.domain.context.fhir import CodeableConcept, Event, Resource
from wardgate.domain.context.lenient import MISFITS, Unreadable, lenient_document, lenient_resource
from wardgate.domain.context.resources import UNFOLLOWABLE, Page, decode_value


def decode(value: object, kind: str = "Observation") -> Page | None:
    return decode_value(raw(value), kind)


def ids(page: Page | None) -> list[str | None]:
    assert page is not None
    return [resource.id for resource in page.resources]


def _encounters(page: Page) -> list[Any]:
    return [json.loads(bytes(whole)) for _, whole in page.encounters]


def only(value: object, kind: str = "Observation") -> Resource:
    page = decode(value, kind)
    assert page is not None and len(page.resources) == 1, page
    return page.resources[0]


@pytest.mark.requirement("PF-1")
def test_null_is_an_answer_without_data() -> None:
    """The EHR asked and there is nothing: not the same as a failure (PF-1)."""
    assert decode(None) == decode(None, "Patient") == Page([], [], [], [])


@pytest.mark.requirement("PF-1")
@pytest.mark.parametrize("value", [bundle(), {"resourceType": "Bundle"}, {"resourceType": "Bundle", "entry": None}])
def test_a_bundle_without_entries_is_an_answer_without_data(value: object) -> None:
    """A search without hits was still obtained."""
    assert decode(value) == Page([], [], [], [])


@pytest.mark.requirement("PF-2")
@pytest.mark.parametrize("severity", ["warning", "information"])
def test_an_empty_search_of_epic_was_obtained(severity: str) -> None:
    """Epic answers with total 0 and one OperationOutcome entry that only warns (PF-2)."""
    value = bundle(operation_outcome(severity))
    value["entry"][0]["search"] = {"mode": "outcome"}
    assert decode(value) == Page([], [], [], [])


@pytest.mark.requirement("PF-2")
@pytest.mark.parametrize("severity", ["error", "fatal", "", "unheard-of"])
def test_an_entry_that_tells_of_an_error_costs_the_key(severity: str) -> None:
    """A Bundle that says that its search failed is no evidence of an empty chart, whatever else it holds."""
    assert decode(bundle(observation(), operation_outcome(severity))) is None
    assert decode(bundle(operation_outcome("warning") | {"issue": []})) is None


@pytest.mark.parametrize(
    "value",
    [
        operation_outcome("error"),
        operation_outcome("warning"),
        "text",
        5,
        True,
        [],
        [observation()],
        {},
        {"id": "o1"},
        {"resourceType": 5},
        {"resourceType": None, "entry": []},
        condition(),
        patient(),
        {"resourceType": "Bundle", "entry": "x"},
        {"resourceType": "Bundle", "entry": {"resource": observation()}},
    ],
)
def test_what_is_not_an_answer_is_not_used(value: object) -> None:
    """An OperationOutcome, another type, or no resource at all: the key counts as unobtained."""
    assert decode(value) is None


def test_one_resource_stands_for_a_search_with_one_hit() -> None:
    """Some EHRs send the resource itself where a Bundle belongs."""
    assert ids(decode(observation())) == ["o1"]


def test_a_patient_and_an_encounter_come_whole() -> None:
    """Paths of features and attributes read anything in them."""
    page = decode(patient(gender="female"), "Patient")
    assert page is not None and page.patients == [patient(gender="female")] and page.resources == []
    page = decode(encounter(location=[{"x": 1}]), "Encounter")
    assert page is not None and _encounters(page) == [encounter(location=[{"x": 1}])] and ids(page) == ["e1"]


def test_a_mixed_bundle_is_sorted_out() -> None:
    """A search may bring the Patient along; fullUrls stay with their patients."""
    page = decode(bundle(observation(), patient(), encounter(), observation("o2"), urls={1: "urn:uuid:1"}))
    assert page is not None
    assert ids(page) == ["o1", "o2", "e1"]
    assert (page.patients, page.full_urls, _encounters(page)) == ([patient()], ["urn:uuid:1"], [encounter()])


@pytest.mark.parametrize("status", ["200", "200 OK", 200])
def test_the_wrapper_of_old_clients_is_taken_off(status: object) -> None:
    """Before 1.0, a value was `{response, resource}`."""
    assert ids(decode({"response": {"status": status}, "resource": bundle(observation())})) == ["o1"]
    assert decode({"response": {"status": status}, "resource": None}) == Page([], [], [], [])


@pytest.mark.parametrize(
    "value",
    [
        {"response": {"status": "404 Not Found"}, "resource": observation()},
        {"response": {"status": 500}, "resource": None},
        {"response": {"status": "200"}},
        {"response": "200", "resource": observation()},
        {"response": {"status": "200"}, "resource": {"response": {"status": "200"}, "resource": observation()}},
        {"response": {"status": "200"}, "resource": "x"},
    ],
)
def test_a_wrapper_around_a_failure_is_none(value: object) -> None:
    """What failed at the EHR has failed, however it is wrapped."""
    assert decode(value) is None


@pytest.mark.requirement("PF-6")
def test_the_next_page_is_named() -> None:
    """A page that is not the last says so (T-13)."""
    page = decode(bundle(observation(), next_link="http://ehr.test/fhir?page=2"))
    assert page is not None and page.next == "http://ehr.test/fhir?page=2"


@pytest.mark.parametrize("link", [5, "", {"a": 1}, None])
def test_a_next_link_that_cannot_be_read_is_still_a_next_page(link: object) -> None:
    """A broken link must not pass for the end of the search."""
    value = bundle(observation(), next_link="x")
    value["link"][1]["url"] = link
    page = decode(value)
    assert page is not None and page.next == UNFOLLOWABLE and ids(page) == ["o1"]


def test_links_that_are_no_list_are_not_believed_either() -> None:
    """Where links cannot be read at all, there may be a next page."""
    page = decode(bundle(observation()) | {"link": "x"})
    assert page is not None and page.next == UNFOLLOWABLE


def test_contained_resources_are_never_read() -> None:
    """What is contained in a resource belongs to that resource's story (DESIGN, "Context and patient")."""
    page = decode(bundle(observation(contained=[observation("inner"), patient("p2")])))
    assert ids(page) == ["o1"] and page is not None and page.patients == []


def test_one_misfit_does_not_cost_its_neighbours() -> None:
    """A Bundle that does not decode as a whole is decoded entry by entry."""
    value = bundle(observation("a", status=7), observation("b"), "text", None, {"id": "x"}, patient(), 5)
    value["entry"].append("no entry")
    value["entry"].append(None)
    page = decode(value)
    assert ids(page) == ["a", "b"]
    assert page is not None and len(page.patients) == 1
    assert page.unreadable == 5  # "text", the object without a type, 5, and two that are no entries; null is nothing
    assert page.resources[0].status is None


def test_a_full_url_that_is_no_text_costs_nothing() -> None:
    """fullUrl matters only where a reference names it."""
    value = bundle(observation(), patient())
    value["entry"][1]["fullUrl"] = 5
    page = decode(value)
    assert page is not None and page.full_urls == [None]
    page = decode_value(json.dumps(value).encode().replace(b'"fullUrl": 5', b'"fullUrl": "\xff"'), "Observation")
    assert ids(page) == ["o1"]


WRONG: list[tuple[str, Any, Any]] = [
    ("status", 5, None),
    ("status", ["final"], None),
    ("effectiveDateTime", 2026, None),
    ("issued", {}, None),
    ("valueString", 5, None),
    ("valueBoolean", "true", None),
    ("valueInteger", "5", None),
    ("valueInteger", True, None),
    ("meta", "x", None),
    ("id", 5, None),
    ("code", "33914-3", None),
    ("component", {"code": {"text": "one"}}, "one"),
    ("code", {"coding": {"code": "one"}}, "one"),
    ("code", {"coding": [5, {"code": "one"}]}, "one"),
    ("valueQuantity", [{"unit": "one"}], None),
    ("dataAbsentReason", "unknown", CodeableConcept()),
]


@pytest.mark.parametrize(("name", "value", "expected"), WRONG)
def test_a_wrong_typed_field_costs_only_itself(name: str, value: Any, expected: Any) -> None:
    """The field falls away, or its readable part stays; the resource stays."""
    resource = only(observation(**{name: value}))
    assert resource.subject is not None and resource.subject.reference == "Patient/p1"
    found = getattr(resource, name)
    if expected == "one":
        found = found[0].code.text if name == "component" else found.coding[0].code
    assert found == expected


@pytest.mark.parametrize(("value", "left"), [(True, "?"), (None, None), ({}, "?"), ([1], "?"), ("5.1", "5.1")])
def test_a_wrong_typed_quantity_keeps_its_unit(value: Any, left: Any) -> None:
    """A value that is no number leaves the rest of the quantity, so that its mark can say what is wrong."""
    quantity = only(observation(valueQuantity={"value": value, "unit": "mg/dL"})).valueQuantity
    assert quantity is not None and quantity.unit == "mg/dL" and quantity.value == left


@pytest.mark.parametrize(
    "name", ["valueQuantity", "valueCodeableConcept", "valueString", "valueBoolean", "valueInteger"]
)
@pytest.mark.parametrize("value", [["5"], [[]]])
def test_a_value_that_cannot_be_read_is_still_a_value(name: str, value: object) -> None:
    """Regression: the Observation looked valueless, and an older result answered for it."""
    fields: dict[str, Any] = {"valueQuantity": None, name: value}
    assert only(observation(**fields)).valueUnreadable is True
    component = only(observation(component=[{name: value}])).component
    assert component is not None and component[0].valueUnreadable is True


def test_an_unreadable_comparator_still_compares() -> None:
    """Dropping it would turn `< 5` into 5."""
    quantity = only(observation(valueQuantity={"value": 5, "comparator": 1})).valueQuantity
    assert quantity is not None and quantity.comparator is not None


@pytest.mark.parametrize("name", ["subject", "patient", "focus", "verificationStatus", "clinicalStatus"])
@pytest.mark.parametrize("value", [5, ["x"], [[]], True])
def test_what_binds_a_resource_must_be_readable(name: str, value: object) -> None:
    """Whose it is, and whether it holds at all, cannot fall away without the resource saying more than it does."""
    bound: dict[str, Any] = {name: value}
    page = decode(bundle(observation(**bound), observation("o2")))
    assert ids(page) == ["o2"] and page is not None and page.unreadable == 1


def test_a_single_focus_that_is_no_list_is_still_a_focus() -> None:
    """One object where a list belongs counts as its only item (T-7)."""
    resource = only(observation(focus={"reference": "Patient/p2"}))
    assert resource.focus is not None and resource.focus[0].reference == "Patient/p2"


def test_depth_and_bytes_that_break_decoders_break_only_themselves() -> None:
    """Nesting beyond the decoder's limit, bad UTF-8, bad JSON: unusable, as far as it reaches, and nothing raised."""
    deep = b'{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Observation","x":%s%s}}]}'
    assert decode_value(deep % (b"[" * 100_000, b"]" * 100_000), "Observation") is None
    for body in (b"", b"\xff", b"{", b'{"resourceType":"Bundle"', b"NaN", b'{"a":NaN}', b"\xef\xbb\xbf{}"):
        assert decode_value(body, "Observation") is None
        assert decode_value(body, "Patient") is None
    text = json.dumps(bundle(observation("a", valueString="XX"), observation("b"))).encode()
    assert decode_value(text.replace(b"XX", b"\\ud800"), "Observation") is None  # half a character is no JSON
    page = decode_value(text.replace(b"XX", b"\xff"), "Observation")
    assert ids(page) == ["a", "b"]


def test_a_patient_with_one_broken_field_keeps_the_others() -> None:
    """A document is decoded whole, and field by field where that fails."""
    body = json.dumps(patient(gender="XX")).encode().replace(b"XX", b"\xff")
    page = decode_value(body, "Patient")
    assert page is not None and page.patients == [patient()]


def test_the_lenient_way_agrees_with_the_fast_one() -> None:
    """What decodes at once decodes the same field by field."""
    value = raw(observation(component=[{"code": {"coding": [{"code": "x"}]}, "valueInteger": 5}]))
    assert lenient_resource(value) == msgspec.json.decode(value, type=Event)
    assert lenient_document(value) == msgspec.json.decode(value)
    with pytest.raises(Unreadable):
        lenient_resource(raw([]))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*Resource.__struct_fields__, "entry", "resource", "link", "coding", "reference", "value"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(value=JSON, kind=st.sampled_from(["Observation", "Patient", "Encounter"]), typed=st.booleans())
def test_no_json_makes_decoding_raise(value: Any, kind: str, typed: bool) -> None:
    """Whatever JSON comes, the answer is a page or None."""
    if typed and isinstance(value, dict):
        value = bundle({**value, "resourceType": kind}, value, observation())
        page = decode(value, kind)
        assert page is None or "o1" in ids(page) or page.unreadable
    else:
        assert isinstance(decode(value, kind), Page | None)


@pytest.mark.parametrize(
    "value",
    [
        bundle({**observation("o"), "component": [{"code": 3}] * (MISFITS + 1)}),
        bundle(*[{**observation(f"o{i}"), "status": 3} for i in range(MISFITS + 1)]),
        {"resourceType": "Bundle", "entry": [3] * (MISFITS + 1)},
        {"resourceType": "Bundle", "entry": [{"resource": {"id": 3}}] * (MISFITS + 1)},
        {**observation("o"), "code": {"coding": [{"code": 3}] * (MISFITS + 1)}},
    ],
)
def test_a_value_that_is_nothing_but_misfits_is_given_up(value: object) -> None:
    """Regression, law 1: two megabytes of misfits took two seconds, in which nobody else was answered."""
    assert decode(value) is None


def test_a_chart_with_a_misfit_in_each_resource_is_read() -> None:
    """The bound is far above what a messy chart needs."""
    assert len(ids(decode(bundle(*[{**observation(f"o{i}"), "status": 3} for i in range(500)])))) == 500
