"""Parsing: what makes a request, what is refused by name, what is tolerated."""

from typing import Any
from uuid import UUID, uuid1, uuid5

import msgspec
import pytest

from tests.web.house import CLIENT, CUSTOM, FHIR, ORDER_SIGN, PATIENT_VIEW, key, plan, request
from wardgate.domain.errors import BadRequest, PatientMismatch, Refusal
from wardgate.domain.hooks import HookRequest
from wardgate.domain.plans import ServicePlan
from wardgate.web.context_fields import ContextReader
from wardgate.web.wire import WireService, parse

MARKER = "Zebulon"


def read(document: Any, *plans: ServicePlan) -> HookRequest:
    body = document if isinstance(document, bytes) else msgspec.json.encode(document)
    readers = {each.hook: ContextReader(each) for each in plans or (PATIENT_VIEW,)}
    return parse(body, WireService("kidney-failure", readers), CLIENT, 64)


def refusal(document: Any, *plans: ServicePlan) -> Refusal:
    with pytest.raises(Refusal) as caught:
        read(document, *plans)
    assert MARKER not in caught.value.what
    assert MARKER not in (caught.value.element or "")
    assert isinstance(caught.value, BadRequest | PatientMismatch)
    return caught.value


def context(**changes: Any) -> dict[str, Any]:
    return {**request()["context"], **changes}


def test_a_good_request_is_read_whole() -> None:
    """Each element arrives in its place, prefetch and context as raw JSON."""
    got = read(request())
    assert (got.hook, got.patient_id, got.encounter_id) == ("patient-view", "p1", "e1")
    assert (got.user_type, got.user_id) == ("Practitioner", "123")
    assert got.tokens == {
        "patientId": "p1",
        "encounterId": "e1",
        "userId": "Practitioner/123",
        "userPractitionerId": "123",
    }
    assert msgspec.json.decode(got.context) == request()["context"]
    assert msgspec.json.decode(got.prefetch["patient"]) == {"resourceType": "Patient", "id": "p1"}
    assert got.access is not None
    assert (got.access.server, got.access.token) == (FHIR, "token-1")


@pytest.mark.requirement("INV-2", "INV-4", "INV-5", "INV-6", "HK-2")
@pytest.mark.parametrize(
    ("changes", "element"),
    [
        ({"hook": None}, "hook"),
        ({"hook": 5}, "hook"),
        ({"hook": MARKER}, "hook"),
        ({"hookInstance": None}, "hookInstance"),
        ({"hookInstance": MARKER}, "hookInstance"),
        ({"hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea\n"}, "hookInstance"),
        ({"hookInstance": [MARKER]}, "hookInstance"),
        ({"fhirServer": None}, "fhirServer"),
        ({"fhirServer": MARKER}, "fhirServer"),
        ({"fhirServer": f"ftp://{MARKER}/fhir"}, "fhirServer"),
        ({"fhirServer": f"https://user@{MARKER}/fhir"}, "fhirServer"),
        ({"fhirServer": {"a": MARKER}}, "fhirServer"),
        ({"fhirAuthorization": MARKER}, "fhirAuthorization"),
        ({"fhirAuthorization": {"token_type": "Bearer"}}, "fhirAuthorization.access_token"),
        ({"fhirAuthorization": {"access_token": [MARKER]}}, "fhirAuthorization.access_token"),
        ({"fhirAuthorization": {"access_token": "t", "patient": MARKER}}, "fhirAuthorization.patient"),
        ({"prefetch": [MARKER]}, "prefetch"),
        ({"prefetch": MARKER}, "prefetch"),
        ({"context": None}, "context"),
        ({"context": MARKER}, "context"),
        ({"context": [MARKER]}, "context"),
        ({"context": {}}, "context.patientId"),
        ({"context": context(patientId=None)}, "context.patientId"),
        ({"context": context(patientId=7)}, "context.patientId"),
        ({"context": context(patientId=f"Patient/{MARKER}")}, "context.patientId"),
        ({"context": context(patientId="")}, "context.patientId"),
        ({"context": context(patientId="p" * 65)}, "context.patientId"),
        ({"context": context(patientId="p1\n")}, "context.patientId"),
        ({"context": context(patientId="p\u0661")}, "context.patientId"),
        ({"context": context(encounterId=f"{MARKER} e")}, "context.encounterId"),
        ({"context": context(encounterId=[MARKER])}, "context.encounterId"),
        ({"context": context(userId=None)}, "context.userId"),
        ({"context": context(userId="")}, "context.userId"),
        ({"context": context(userId={"a": MARKER})}, "context.userId"),
    ],
)
def test_the_offending_element_is_named(changes: dict[str, Any], element: str) -> None:
    """Absent, null, of the wrong type or the wrong shape: refused by the element's name, never by its value."""
    document = {**request(), **changes}
    assert refusal(document).element == element
    assert refusal({k: v for k, v in document.items() if v is not None}).element == element


@pytest.mark.requirement("INV-5")
def test_another_patients_token_is_a_mismatch() -> None:
    """A token that was issued for somebody else stops the call (T-21), also where its server is not listed."""
    for server in (FHIR, "https://other.example/fhir"):
        auth = {"access_token": "t", "patient": "p2"}
        assert isinstance(refusal(request(fhirServer=server, fhirAuthorization=auth)), PatientMismatch)
    assert read(request(fhirAuthorization={"access_token": "t", "patient": "p1"})).access is not None
    assert read(request(fhirAuthorization={"access_token": "t", "patient": "Patient/p1"})).access is not None


@pytest.mark.requirement("INV-3")
@pytest.mark.parametrize("instance", [uuid1(), uuid5(UUID(int=1), "x"), UUID(int=0)])
def test_any_uuid_is_an_instance(instance: UUID) -> None:
    """Any version, in either case (T-25)."""
    assert read(request(hookInstance=str(instance).upper())).hook_instance == str(instance).upper()


@pytest.mark.requirement("GEN-8", "FA-5", "INV-6", "HK-3")
def test_unknown_elements_are_ignored_everywhere() -> None:
    """Unknown fields and extensions at every level do no harm, whatever they hold (T-6)."""
    noise = {"extension": {"com.example": {"a": [None]}}, "future": [1, {"b": 2}], "": "empty name"}
    document = {**request(), **noise, "context": context(**noise)}
    document["fhirAuthorization"] = {**document["fhirAuthorization"], **noise, "expires_in": "soon", "scope": 5}
    assert read(document).patient_id == "p1"


@pytest.mark.requirement("INV-4", "INV-7")
def test_null_means_absent_for_optional_elements() -> None:
    """A client that writes null for what it does not have is understood."""
    document = {**request(), "fhirServer": None, "fhirAuthorization": None, "prefetch": None}
    document["context"] = context(encounterId=None)
    got = read(document)
    assert (got.fhir_server, got.access, got.prefetch, got.encounter_id) == (None, None, {}, None)
    assert "encounterId" not in got.tokens


@pytest.mark.requirement("PF-1")
def test_the_four_prefetch_states_stay_apart() -> None:
    """Absent, null, an OperationOutcome and an empty Bundle reach the gateway as they were sent (PF-1)."""
    sent = {"a": None, "b": {"resourceType": "OperationOutcome"}, "c": {"resourceType": "Bundle"}, "d": 5}
    got = read(request(prefetch=sent)).prefetch
    assert {name: msgspec.json.decode(raw) for name, raw in got.items()} == sent


@pytest.mark.requirement("PF-7")
@pytest.mark.parametrize(
    ("user", "kind", "derived"),
    [
        ("Practitioner/a", "Practitioner", "userPractitionerId"),
        ("PractitionerRole/a", "PractitionerRole", "userPractitionerRoleId"),
        ("Patient/a", "Patient", "userPatientId"),
        ("RelatedPerson/a", "RelatedPerson", "userRelatedPersonId"),
        ("Device/a", None, None),
        ("dr-who", None, None),
        ("https://ehr.example/Practitioner/a", None, None),
        ("Practitioner/a/_history/1", None, None),
        ("Practitioner/a b", None, None),
    ],
)
def test_users_are_read_leniently(user: str, kind: str | None, derived: str | None) -> None:
    """A user of another shape has no type and gives no token, but the call goes on."""
    got = read(request(context=context(userId=user)))
    assert got.user_type == kind
    assert {name for name in got.tokens if name.startswith("userP") or name.startswith("userR")} == (
        {derived} if derived else set()
    )


def test_a_template_that_needs_the_user_makes_its_shape_matter() -> None:
    """Where a query would hold `context.userId`, nothing but `Type/id` gets in."""
    needs_user = plan("kidney-failure", "patient-view", key("user", "{{context.userId}}"))
    assert refusal(request(context=context(userId=f"{MARKER}&x=y")), needs_user).element == "context.userId"
    assert read(request(context=context(userId="Device/a")), needs_user).tokens["userId"] == "Device/a"


def test_draft_orders_need_only_be_an_object() -> None:
    """A draft Bundle that no strict parser would take is carried along (T-7); a missing one is refused."""
    sign = request(hook="order-sign")
    assert refusal(sign, ORDER_SIGN).element == "context.draftOrders"
    sign["context"] = context(draftOrders=MARKER)
    assert refusal(sign, ORDER_SIGN).element == "context.draftOrders"
    sign["context"] = context(draftOrders={"entry": [{"resource": {"id": "x" * 194, "category": {"text": "y"}}}]})
    assert read(sign, ORDER_SIGN).hook == "order-sign"


def test_an_encounter_is_required_where_its_hook_says_so() -> None:
    """encounter-discharge without its encounter is refused."""
    discharge = plan("kidney-failure", "encounter-discharge")
    document = request(hook="encounter-discharge", context=context(encounterId=None))
    assert refusal(document, discharge).element == "context.encounterId"


def test_order_select_needs_its_selections() -> None:
    """An array, and nothing else."""
    select = plan("kidney-failure", "order-select")
    orders = context(draftOrders={})
    assert refusal(request(hook="order-select", context=orders), select).element == "context.selections"
    wrong = {**orders, "selections": {"a": MARKER}}
    assert refusal(request(hook="order-select", context=wrong), select).element == "context.selections"
    right = {**orders, "selections": ["ServiceRequest/1"]}
    assert read(request(hook="order-select", context=right), select).hook == "order-select"


def test_a_custom_hook_demands_only_a_patient() -> None:
    """Its other fields are free; those that a template names must be ids (T-14: no userId either)."""
    document = request(hook=CUSTOM.hook, context={"patientId": "p1", "deviceId": "d.1", "vitals": [1]})
    assert read(document, CUSTOM).tokens == {"patientId": "p1", "deviceId": "d.1"}
    document["context"] = {"patientId": "p1"}
    assert read(document, CUSTOM).tokens == {"patientId": "p1"}
    for wrong in (f"{MARKER}/../x", {"a": MARKER}, 5, ""):
        document["context"] = {"patientId": "p1", "deviceId": wrong}
        assert refusal(document, CUSTOM).element == "context.deviceId"
    document["context"] = {"deviceId": "d"}
    assert refusal(document, CUSTOM).element == "context.patientId"


@pytest.mark.requirement("FA-4", "FA-6")
@pytest.mark.parametrize(
    ("changes", "server", "token"),
    [
        ({"fhirServer": f"{FHIR}/"}, FHIR, "token-1"),
        ({"fhirAuthorization": None}, FHIR, None),
        ({"fhirAuthorization": {"access_token": "t", "token_type": "bearer"}}, FHIR, "t"),
        ({"fhirAuthorization": {"access_token": "t", "token_type": "MAC"}}, FHIR, None),
        ({"fhirAuthorization": {"access_token": "t\r\nX: y"}}, FHIR, None),
        ({"fhirAuthorization": {"access_token": "t u"}}, FHIR, None),
        ({"fhirAuthorization": {"access_token": ""}}, FHIR, None),
        ({"fhirAuthorization": {"access_token": "t\u00e4"}}, FHIR, None),
        ({"fhirServer": "https://other.example/fhir"}, None, None),
        ({"fhirServer": f"{FHIR}/../x"}, None, None),
        ({"fhirServer": "HTTPS://EHR.example/fhir/r4"}, None, None),
    ],
)
def test_a_token_goes_only_to_a_listed_server(changes: dict[str, Any], server: str | None, token: str | None) -> None:
    """Any other server means no access and no token; a token that is not one is dropped (FA-4, FA-6)."""
    access = read(request(**changes)).access
    assert (access and access.server, access and access.token) == (server, token)


BROKEN = {
    "empty": b"",
    "no value": b"   ",
    "array": b"[]",
    "string": b'"x"',
    "null": b"null",
    "trailing": b"{} {}",
    "comment": b"{} // x",
    "comma": b'{"a":1,}',
    "single quotes": b"{'a':1}",
    "truncated": b'{"hook":"patient-v',
}
IN_PLACE = {
    "nan": b"NaN",
    "infinity": b"-Infinity",
    "leading zero": b"01",
    "bare point": b"1.",
    "control": b'"\x01"',
    "lone surrogate": b'"\\ud800 and more text"',
    "bad utf-8": b'"\xff"',
    "surrogate in utf-8": b'"\xed\xa0\x80"',
    "overlong utf-8": b'"\xc0\xaf"',
    "cut utf-8": b'"\xc3"',
    "trailing comma": b"[1,]",
    "deep": b"[" * 70 + b"]" * 70,
    "very deep": b"[" * 100_000 + b"]" * 100_000,
    "very deep, open": b'{"a":' * 100_000,
    "very deep, hidden": b'["]",' * 20_000 + b"1" + b',"["]' * 20_000,
}
PLACES = {
    "skipped": b'{"x":%s,',
    "prefetch": b'{"prefetch":{"k":{"v":%s}},',
    "context": b'{"context":{"patientId":"p1","userId":"Practitioner/1","x":%s},',
}
REST = b'"hook":"patient-view","hookInstance":"d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"'


@pytest.mark.requirement("GEN-1")
@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_json_object_is_refused(name: str) -> None:
    """No parser error, no type error: a sentence."""
    assert refusal(BROKEN[name]).element is None


@pytest.mark.requirement("GEN-1")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", IN_PLACE)
def test_bad_json_is_found_also_where_nobody_reads(place: str, name: str) -> None:
    """NaN, bad UTF-8 and deep nesting are refused in skipped and raw parts as everywhere (GEN-1)."""
    assert refusal(PLACES[place] % IN_PLACE[name] + REST + b"}").element is None


def test_syntax_errors_say_where() -> None:
    """The number of the byte helps whoever debugs the client, and is nobody's secret."""
    assert refusal(b'{"hook": ?}').what == "The body is not well-formed JSON (byte 9)."


def test_a_byte_order_mark_is_tolerated() -> None:
    """RFC 8259 §8.1 lets a parser ignore one."""
    assert read(b"\xef\xbb\xbf" + msgspec.json.encode(request())).patient_id == "p1"


def test_text_beyond_ascii_is_read() -> None:
    """Names of people and units are not ASCII."""
    document = request(prefetch={"patient": {"name": "J\u00f6rg \U0001f600"}})
    assert msgspec.json.decode(read(document).prefetch["patient"])["name"] == "J\u00f6rg \U0001f600"


@pytest.mark.requirement("FA-3", "FA-4", "SEC-17")
def test_nothing_of_the_patient_is_in_a_repr() -> None:
    """A request in a traceback or a log line shows no id and no token (law 4)."""
    shown = repr(read(request(context=context(patientId=MARKER, userId=f"Practitioner/{MARKER}"))))
    assert MARKER not in shown
    assert "token-1" not in shown


DISPATCH = {"patientId": "p1", "dispatchedOrders": ["ServiceRequest/s1"], "performer": "Organization/o1"}


def dispatch_reader() -> ContextReader:
    template = key("performer", "Organization?_id={{context.performer}}")
    return ContextReader(plan("imaging", "order-dispatch", template))


def test_a_dispatched_order_has_no_user() -> None:
    """Trap T-14: order-dispatch carries no userId; its performer can be a token."""
    context = dispatch_reader().read(msgspec.Raw(msgspec.json.encode(DISPATCH)))
    assert context.user_type is None and context.tokens["performer"] == "Organization/o1"


@pytest.mark.parametrize("change", [{"performer": None}, {"performer": 5}, {"dispatchedOrders": "ServiceRequest/s1"}])
def test_a_dispatch_without_its_own_fields_is_refused(change: dict[str, object]) -> None:
    """HK-2: an absent or wrong required field is a 400 that names it."""
    (field,) = change
    with pytest.raises(BadRequest) as caught:
        dispatch_reader().read(msgspec.Raw(msgspec.json.encode(DISPATCH | change)))
    assert caught.value.element == f"context.{field}"
