"""Which medicines, Encounters, documents and drafts count, and what they say."""

import base64
from typing import Any

import pytest

from tests.fakes.features_bundles import DAY, LOINC, NOW, SNOMED, event, extract, lab
from tests.fakes.features_reference import Json
from wardgate.domain.context.prefetch import PrefetchKey
from wardgate.domain.context.record import KeyState
from wardgate.domain.features.schema import FeatureSchema, FeatureSpec, FeatureType, Take, Use
from wardgate.domain.features.vector import FeatureValue, Mark

WARFARIN, OTHER = {"coding": [{"system": LOINC, "code": "1-1"}]}, {"coding": [{"system": LOINC, "code": "9-9"}]}
TODAY, LAST_WEEK, TOMORROW = "2026-03-29T08:00:00Z", "2026-03-22T12:00:00Z", "2026-03-30T08:00:00Z"


def one(spec: FeatureSpec, *resources: Json, **known: Any) -> FeatureValue:
    return extract(FeatureSchema("1", (spec,)), list(resources), **known).values[spec.name]


def order(medicine: Json | None = WARFARIN, **other: Any) -> Json:
    named = {} if medicine is None else {"medicationCodeableConcept": medicine}
    whole = {"status": "active", "intent": "order", "authoredOn": TODAY, **named, **other}
    return {"resourceType": "MedicationRequest", "id": "o", **whole}


def ordered(*resources: Json, take: Take = Take.ANY, **other: Any) -> FeatureValue:
    return one(lab("x", source="MedicationRequest", take=take, **other), *resources)


# medicines


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, True),
        ({"status": " Active"}, True),
        ({"status": "completed"}, False),
        ({"status": "stopped"}, False),
        ({"status": "on-hold"}, False),
        ({"status": "draft"}, False),
        ({"status": "entered-in-error"}, False),
        ({"status": None}, False),
        ({"intent": "instance-order"}, True),
        ({"intent": None}, True),
        ({"intent": "proposal"}, False),
        ({"intent": "Plan "}, False),
        ({"intent": "option"}, False),
        ({"doNotPerform": False}, True),
        ({"doNotPerform": True}, False),
        ({"authoredOn": TOMORROW}, False),
        ({"authoredOn": None}, True),
        ({"authoredOn": "soon"}, True),
    ],
)
def test_which_requests_count(changes: Json, counts: bool) -> None:
    """An active order; no proposal, no plan, nothing that must not be given, nothing of tomorrow."""
    assert ordered(order(**changes)).value is counts


def test_declared_statuses_replace_the_usual_ones() -> None:
    """A medicine that was stopped can be asked for; an order that was never given cannot."""
    chart = [order(status="stopped"), order(status="completed", id="b"), order(id="c"), order(status="draft", id="d")]
    assert ordered(*chart, take=Take.COUNT, statuses=("stopped", "Completed")).value == 2.0


@pytest.mark.parametrize(
    ("reference", "known"),
    [
        ("#inside", True),
        ("Medication/m1", True),
        ("Medication/m1/_history/3", True),
        ("urn:uuid:m1", True),
        ("#nowhere", None),
        ("#observed", None),
        ("https://elsewhere.example/fhir/Medication/m1", None),
        ("Medication/m2", None),
        ("Substance/m1", None),
        ("Medication?code=1", None),
        ("", None),
    ],
)
def test_a_medicine_may_stand_in_another_resource(reference: str, known: bool | None) -> None:
    """Contained, or a Medication of this call. One that cannot be found may be the one that is asked for."""
    contained = [
        {"resourceType": "Observation", "id": "observed", "code": WARFARIN},
        {"resourceType": "Medication", "id": "inside", "code": WARFARIN},
    ]
    request = order(None, medicationReference={"reference": reference}, contained=contained)
    found = ordered(request, {"resourceType": "Medication", "id": "m1", "code": WARFARIN})
    assert (found.value, found.unobtained) == (known, known is None)


def test_a_nameless_medicine_hides_only_what_it_could_change() -> None:
    """One that was found is there all the same; a count is not known; an old or stopped one is beside the point."""
    nameless = order(None, medicationReference={"reference": "Medication/gone"}, id="n")
    assert ordered(nameless, order()).value is True
    assert ordered(nameless, order(), take=Take.COUNT).unobtained
    assert ordered({**nameless, "status": "stopped"}, take=Take.COUNT).value == 0.0
    assert ordered({**nameless, "authoredOn": LAST_WEEK}, within=DAY).value is False
    assert ordered(nameless, take=Take.LATEST, type=FeatureType.CODE, map={"1-1": 1}).unobtained
    assert one(event("x", "MedicationRequest", take=Take.COUNT), nameless).value == 1.0  # whatever it is called


def test_no_medicine_at_all_is_another_medicine() -> None:
    """Neither code nor reference: nothing says that it could be this one."""
    found = ordered(order(None))
    assert (found.value, found.unobtained) == (False, False)


def test_the_latest_medicine_by_its_code() -> None:
    """The code is the value; of those that match, the last one ordered decides."""
    other = {"coding": [{"system": LOINC, "code": "2-2", "display": "Other"}]}
    chart = [order(authoredOn=LAST_WEEK), order(other, id="b"), order(OTHER, id="c")]
    wanted: dict[str, Any] = {"codes": ("1-1", "2-2"), "type": FeatureType.CODE, "map": {"1-1": 10, "2-2": 20}}
    found = one(lab("x", source="MedicationRequest", **wanted), *chart)
    assert (found.value, found.age) == (20.0, 4 * 3600.0)
    found = one(lab("x", source="MedicationRequest", take=Take.EARLIEST, **wanted), *chart)
    assert found.value == 10.0
    unmapped = one(lab("x", source="MedicationRequest", **{**wanted, "map": {"1-1": 10}}), *chart)
    assert (unmapped.mark, unmapped.shown) == (Mark.NOT_NUMERIC, "Other")


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, True),
        ({"status": "recorded"}, True),
        ({"status": "not-taken"}, False),
        ({"status": "intended"}, False),
        ({"taken": "y"}, True),
        ({"taken": "N "}, False),
        ({"effectivePeriod": {"start": "2019-01-01"}}, True),
        ({"effectivePeriod": {"start": "2027-01-01"}}, False),
        ({"effectivePeriod": {"start": "2019-01-01"}, "dateAsserted": TOMORROW}, False),
        ({"dateAsserted": LAST_WEEK}, True),
    ],
)
def test_which_statements_count(changes: Json, counts: bool) -> None:
    """What is taken, as far as it was known by now; STU3 says in `taken` what R4 says in the status."""
    statement = {"resourceType": "MedicationStatement", "status": "active", "medicationCodeableConcept": WARFARIN}
    assert one(lab("x", source="MedicationStatement", take=Take.ANY), {**statement, **changes}).value is counts


def test_a_statement_began_when_its_period_began() -> None:
    """So `within` asks who began lately; without it, all who take it are found."""
    began = {"start": "2026-01-01T12:00:00Z", "end": "2026-12-31"}
    statement = {"resourceType": "MedicationStatement", "status": "active", "medicationCodeableConcept": WARFARIN}
    found = one(lab("x", source="MedicationStatement", take=Take.ANY), {**statement, "effectivePeriod": began})
    assert (found.value, found.age) == (True, 87 * DAY)


# Encounters

ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


def stay(code: str = "IMP", **other: Any) -> Json:
    whole = {"status": "finished", "class": {"system": ACT, "code": code}, "period": {"start": LAST_WEEK}, **other}
    return {"resourceType": "Encounter", "id": "e", **whole}


def stays(*resources: Json, codes: tuple[str, ...] = ("IMP",), system: str = ACT, **other: Any) -> Any:
    spec = lab("x", codes, system=system, source="Encounter", **{"take": Take.COUNT, **other})
    return one(spec, *resources).value


def test_encounters_by_class_and_by_type() -> None:
    """A Coding in R4, a concept, or several, in R5; types beside it."""
    typed = stay("AMB", type=[{"coding": [{"system": SNOMED, "code": "50849002"}]}], id="t")
    r5 = {**stay(), "class": [{"coding": [{"system": ACT, "code": "IMP"}]}], "id": "5"}
    chart = [stay(), stay("EMER", id="m"), r5, typed]
    assert stays(*chart) == 2.0
    assert stays(*chart, codes=("50849002",), system=SNOMED) == 1.0
    assert one(event("x", "Encounter", take=Take.COUNT), *chart).value == 4.0


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"status": "in-progress"}, 1.0),
        ({"status": "planned"}, 0.0),
        ({"status": "cancelled"}, 0.0),
        ({"period": {"start": TOMORROW}}, 0.0),
        ({"period": {"start": LAST_WEEK, "end": TOMORROW}}, 1.0),
        ({"period": {"end": LAST_WEEK}}, 1.0),
        ({"period": {}}, 0.0),
    ],
)
def test_which_encounters_count(changes: Json, number: float) -> None:
    """By status, and by the time at which they began; with `within`, what has no time does not count."""
    assert stays(stay(**changes), within=30 * DAY) == number


def test_the_encounter_of_the_call_is_read_by_a_path() -> None:
    """Not those before it: they are in the history."""
    now = {"resourceType": "Encounter", "id": "now", "class": {"code": "EMER"}, "period": {"start": TODAY}}
    kind = FeatureSpec(
        name="x", source="Encounter", path="class.code", type=FeatureType.CODE, map={"EMER": 1, "IMP": 0}
    )
    hours = FeatureSpec(name="x", source="Encounter", path="period.start", as_="hours")
    assert one(kind, stay(), encounter=now).value == 1.0
    assert one(hours, encounter=now) == FeatureValue("x", 4.0)
    assert one(hours, encounter={**now, "period": {"start": TOMORROW}}).mark is Mark.IMPLAUSIBLE
    assert one(hours, encounter={**now, "period": {"start": "early"}}).mark is Mark.NOT_NUMERIC
    nothing = one(kind, stay())
    assert (nothing.mark, nothing.unobtained) == (Mark.MISSING, True)
    named = PrefetchKey("encounter", "", "Encounter", True, ("Encounter/", "encounterId", ""), (), False)
    asked = one(kind, keys=(named,), states={"encounter": KeyState.OBTAINED})
    assert (asked.mark, asked.unobtained) == (Mark.MISSING, False)


# documents


def document(*attachments: Json, **other: Any) -> Json:
    content = [{"attachment": attachment} for attachment in attachments]
    whole = {"status": "current", "type": WARFARIN, "date": TODAY, "content": content, **other}
    return {"resourceType": "DocumentReference", "id": "d", **whole}


TEXT = base64.b64encode(b"Dr. Wintermute writes at length.").decode()


@pytest.mark.parametrize(
    ("attachments", "length"),
    [
        ([{"size": 1000}], 1000.0),
        ([{"size": "1000"}], 1000.0),
        ([{"data": TEXT}], 32.0),
        ([{"data": f"{TEXT[:20]}\r\n{TEXT[20:]}"}], 32.0),
        ([{"data": TEXT, "size": 5}], 5.0),
        ([{}, {"data": TEXT}], 32.0),
        ([{"size": 0}], 0.0),
        ([{"data": ""}], None),
        ([{"data": "not base64!"}], None),
        ([{"size": -1}], None),
        ([{"url": "Binary/1"}], None),
        ([], None),
    ],
)
def test_the_length_of_a_document(attachments: list[Json], length: float | None) -> None:
    """In bytes, as it says or brings along; a document of unknown length does not make room for an older one."""
    older = document({"size": 7}, date=LAST_WEEK, id="older")
    found = one(event("x", "DocumentReference", path="length"), older, document(*attachments))
    assert (found.value, found.mark) == (length, None if length is not None else Mark.NOT_NUMERIC)
    assert "Wintermute" not in repr(found)


def test_documents_are_counted_and_summed() -> None:
    """What was replaced, or entered in error, does not count."""
    chart = [
        document({"size": 10}),
        document({"size": 5}, id="b", date=LAST_WEEK),
        document({"size": 1}, id="c", status="superseded"),
        document({"size": 1}, id="e", docStatus="entered-in-error"),
    ]
    spec = event("x", "DocumentReference", path="length", take=Take.SUM, unit="By", plausible=(0, 100))
    assert one(spec, *chart) == FeatureValue("x", 15.0, None, NOW - 4 * 3600, 4 * 3600.0, "By")
    assert one(lab("x", source="DocumentReference", take=Take.COUNT), *chart).value == 2.0
    assert one(lab("x", ("9-9",), source="DocumentReference", take=Take.ANY), *chart).value is False


# what the context carries


def drafted(*drafts: Json, field: str = "draftOrders", codes: tuple[str, ...] = ("1-1",), **other: Any) -> FeatureValue:
    spec = event("x", "context", codes, path=field, **other)
    return one(spec, drafts={field: list(drafts)})


@pytest.mark.parametrize(
    "element",
    [
        "code",
        "medicationCodeableConcept",
        "vaccineCode",
        "codeCodeableConcept",
        "itemCodeableConcept",
        "serviceType",
        "type",
    ],
)
def test_a_draft_is_known_by_any_of_its_codes(element: str) -> None:
    """Whatever kind of order it is."""
    draft = {"resourceType": "ServiceRequest", "status": "draft", element: WARFARIN}
    assert drafted(draft, take=Take.ANY).value is True
    listed = [WARFARIN] if element in ("serviceType", "type") else WARFARIN
    assert drafted({**draft, element: listed}, take=Take.ANY).value is True
    assert drafted({**draft, element: OTHER}, take=Take.ANY).value is False


def test_drafts_are_not_the_chart() -> None:
    """An order that is being written is not one that was given, and the other way round."""
    draft = order(status="draft")
    given = lab("given", source="MedicationRequest", take=Take.ANY)
    written = event("written", "context", ("1-1",), path="draftOrders", take=Take.ANY)
    schema = FeatureSchema("1", (given, written))
    vector = extract(schema, [], drafts={"draftOrders": [draft]})
    assert (vector.values["given"].value, vector.values["written"].value) == (False, True)
    vector = extract(schema, [order()], drafts={"draftOrders": []})
    assert (vector.values["given"].value, vector.values["written"].value) == (True, False)


def test_a_medication_of_drafts_names_drafts_alone() -> None:
    """Regression, law 11: one of the same id gave the chart's order another drug. A draft may refer to either."""
    given = lab("given", source="MedicationRequest", take=Take.ANY)
    written = event("written", "context", ("1-1",), path="draftOrders", take=Take.ANY)
    request = order(None, medicationReference={"reference": "Medication/m"})
    mine, sent = ({"resourceType": "Medication", "id": "m", "code": code} for code in (OTHER, WARFARIN))
    for chart, came, found in (
        ([mine], [sent], (False, True)),
        ([sent], [mine], (True, False)),
        ([sent], [], (True, True)),
    ):
        drafts = {"draftOrders": [request], "Medication": came}
        vector = extract(FeatureSchema("1", (given, written)), [request, *chart], drafts=drafts)
        assert (vector.values["given"].value, vector.values["written"].value) == found


def test_the_latest_draft_is_the_last_one() -> None:
    """As of the call, whatever times the drafts bear."""
    two = {"coding": [{"system": LOINC, "code": "2-2"}]}
    drafts = (order(authoredOn=TODAY), order(two, authoredOn=LAST_WEEK, id="a"), order(OTHER))
    coded: dict[str, Any] = {"codes": ("1-1", "2-2"), "type": FeatureType.CODE, "map": {"1-1": 1, "2-2": 2}}
    assert drafted(*drafts, **coded) == FeatureValue("x", 2.0, None, NOW, 0.0)
    assert drafted(*drafts, codes=(), take=Take.COUNT).value == 3.0
    assert drafted(order(status="revoked"), order(doNotPerform=True), take=Take.ANY).value is False
    assert drafted(**coded).mark is Mark.MISSING


def test_a_context_that_does_not_carry_it_leaves_it_unobtained() -> None:
    """Offline there is no context, and that nothing was ordered is not known."""
    found = one(event("x", "context", ("1-1",), path="draftOrders", take=Take.ANY))
    assert (found.mark, found.unobtained) == (Mark.MISSING, True)


# codes of several systems


@pytest.mark.parametrize(
    ("coding", "value"),
    [
        ({"system": SNOMED, "code": "LA6560-2"}, 3.0),
        ({"system": LOINC, "code": "LA6560-2"}, 1.0),
        ({"system": f" {LOINC} ", "code": " LA6560-2"}, 1.0),
        ({"code": "LA6560-2"}, 3.0),
        ({"system": SNOMED, "code": "248234008"}, 2.0),
        ({"system": LOINC, "code": "248234008"}, None),
    ],
)
def test_codes_of_two_systems_are_told_apart(coding: Json, value: float | None) -> None:
    """The map's word on one system goes before its word on all."""
    table = {f"{LOINC}|LA6560-2": 1, f"{SNOMED}|248234008": 2, "LA6560-2": 3}
    answer = {
        "resourceType": "Observation",
        "status": "final",
        "code": WARFARIN,
        "effectiveDateTime": TODAY,
        "valueCodeableConcept": {"coding": [coding]},
    }
    assert one(lab("x", type=FeatureType.CODE, map=table), answer).value == value
    flags = {code: bool(number) for code, number in table.items()}
    assert one(lab("x", type=FeatureType.BOOLEAN, map=flags), answer).value is (True if value else None)
    assert one(lab("x", type=FeatureType.CODE, use=Use.RULE_ONLY), answer).value == coding["code"].strip()
