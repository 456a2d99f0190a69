"""The FHIR server: search, paging, errors; and over HTTP with the demo's patients."""

import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2
import pytest
from fhir.resources.R4B import get_fhir_model_class

from wardgate.cli.processes import Child, DidNotStart
from wardgate.lab.asgi import Reply, Request
from wardgate.lab.fhir_server import FhirServer
from wardgate.lab.fhir_store import Store, UnreadableBundle, load_bundle, load_folder

_BASE = "http://fhir.test/fhir"
_LOINC = "http://loinc.org"


def _observation(key: str, when: str | None, code: str = "98979-8", **more: object) -> dict[str, Any]:
    resource: dict[str, Any] = {
        "resourceType": "Observation",
        "id": key,
        "status": "final",
        "code": {"coding": [{"system": _LOINC, "code": code}, {"system": "urn:local", "code": f"L{code}"}]},
        "subject": {"reference": "Patient/p1"},
        **more,
    }
    return resource | ({"effectiveDateTime": when} if when else {})


@pytest.fixture
def store() -> Store:
    store = Store()
    resources = [
        {"resourceType": "Patient", "id": "p1", "gender": "female"},
        {"resourceType": "Patient", "id": "p2", "gender": "male"},
        _observation("b", "2026-03-01T10:00:00Z"),
        _observation("a", "2026-03-01T12:00:00+02:00", code="9318-7"),
        _observation("c", "2026-05"),
        _observation("d", None),
        _observation("e", "2026-04-01", status="entered-in-error"),
        _observation("other", "2026-06-01", subject={"reference": "Patient/p2"}),
        {
            "resourceType": "Condition",
            "id": "k",
            "subject": {"reference": "Patient/p1"},
            "clinicalStatus": {"coding": [{"system": "urn:s", "code": "active"}]},
            "code": {"coding": [{"system": "http://snomed.info/sct", "code": "265764009"}]},
        },
    ]
    for resource in resources:
        store.put(resource)
    return store


@pytest.fixture
def server(store: Store) -> FhirServer:
    return FhirServer(store, _BASE)


def _get(server: FhirServer, path: str, query: Mapping[str, str] = {}, headers: Mapping[str, str] = {}) -> Reply:
    return server.answer(Request("GET", f"/fhir/{path}", urlencode(query), headers, b""))


def _ids(reply: Reply) -> list[str]:
    assert reply.status == 200
    assert isinstance(reply.body, dict)
    return [entry["resource"]["id"] for entry in reply.body["entry"]]


def _search(server: FhirServer, kind: str = "Observation", **query: str) -> list[str]:
    return _ids(_get(server, kind, {name.replace("__", "-"): value for name, value in query.items()}))


def test_a_search_is_for_one_patient(server: FhirServer) -> None:
    """`patient` and `subject` take an id, a relative and an absolute reference, and never return anybody else's."""
    assert _search(server, patient="p1") == ["a", "b", "c", "d", "e"]
    assert _search(server, subject="Patient/p2") == ["other"]
    assert _search(server, patient=f"{_BASE}/Patient/p2") == ["other"]
    assert _search(server, patient="p3") == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        (f"{_LOINC}|98979-8", ["b", "c", "d", "e"]),
        (f"{_LOINC}|98979-8,{_LOINC}|9318-7", ["a", "b", "c", "d", "e"]),
        ("9318-7", ["a"]),
        ("urn:local|L9318-7", ["a"]),
        ("urn:local|9318-7", []),
        ("|9318-7", []),
        ("urn:local|", ["a", "b", "c", "d", "e"]),
    ],
)
def test_tokens_match_by_system_and_code(server: FhirServer, code: str, found: list[str]) -> None:
    """system|code, bare code, system| and |code mean what the search specification says; commas are or."""
    assert _search(server, patient="p1", code=code) == found


def test_withdrawn_results_are_returned_as_real_servers_do(server: FhirServer) -> None:
    """The server filters by what was asked and by nothing else: whoever reads has to look at the status."""
    assert "e" in _search(server, patient="p1", code="98979-8")
    assert _search(server, patient="p1", status="final") == ["a", "b", "c", "d"]


def test_sorting_is_by_instant_and_the_undated_come_last(server: FhirServer) -> None:
    """Offsets are honoured, partial dates start at their first instant, ties go by id."""
    assert _search(server, patient="p1", _sort="-date") == ["c", "e", "a", "b", "d"]
    assert _search(server, patient="p1", _sort="date") == ["a", "b", "e", "c", "d"]


@pytest.mark.parametrize(
    ("date", "found"),
    [
        ("ge2026-04-01", ["c", "e"]),
        ("2026-03", ["a", "b"]),
        ("lt2026-03-02", ["a", "b"]),
        ("gt2026-05", []),
        ("2026-03-01T10:00", ["a", "b"]),
        ("2026-03-01T10:00:00Z", ["a", "b"]),
        ("2026-03-01T10:01", []),
    ],
)
def test_dates_compare_by_their_precision(server: FhirServer, date: str, found: list[str]) -> None:
    """A month is a range, and prefixes compare ranges."""
    assert _search(server, patient="p1", date=date) == found


def test_conditions_are_found_by_code_and_status(server: FhirServer) -> None:
    """The problem list answers to `code` and `clinical-status`."""
    assert _search(server, "Condition", patient="p1", code="http://snomed.info/sct|265764009") == ["k"]
    assert _search(server, "Condition", patient="p1", clinical__status="resolved") == []


def test_pages_follow_each_other_without_state(store: Store) -> None:
    """Each `next` link stays under the base, holds all that the next page needs, and every match comes once."""
    reply = _get(FhirServer(store, _BASE), "Observation", {"patient": "p1", "_sort": "-date", "_count": "2"})
    seen = _ids(reply)
    while (link := _next(reply)) is not None:
        assert link.startswith(f"{_BASE}/Observation?")
        reply = FhirServer(store, _BASE).answer(Request("GET", urlsplit(link).path, urlsplit(link).query, {}, b""))
        seen += _ids(reply)
    assert seen == ["c", "e", "a", "b", "d"]


def _next(reply: Reply) -> str | None:
    assert isinstance(reply.body, dict)
    return next((link["url"] for link in reply.body["link"] if link["relation"] == "next"), None)


def test_a_bundle_says_what_it_is(server: FhirServer) -> None:
    """A searchset carries the total of all pages, and each entry its address and why it is there."""
    body = _get(server, "Observation", {"patient": "p1", "_count": "1"}).body
    assert isinstance(body, dict)
    assert (body["type"], body["total"]) == ("searchset", 5)
    assert (body["entry"][0]["fullUrl"], body["entry"][0]["search"]) == (f"{_BASE}/Observation/a", {"mode": "match"})


def test_the_same_search_goes_by_post(server: FhirServer) -> None:
    """`_search` takes its parameters from a form."""
    request = Request("POST", "/fhir/Observation/_search", "", {}, b"patient=p1&code=9318-7")
    assert _ids(server.answer(request)) == ["a"]


@pytest.mark.parametrize(
    "query",
    [
        {"nonsense": "1"},
        {"code:not": "1"},
        {"patient": "Group/1"},
        {"_sort": "value"},
        {"_count": "-1"},
        {"_page": "AAAA"},
        {"date": "ap2026"},
        {"date": "ge2026-13-45"},
    ],
)
def test_what_is_not_supported_is_an_error(server: FhirServer, query: dict[str, str]) -> None:
    """An ignored filter would make a test pass that should not."""
    reply = _get(server, "Observation", query)
    assert reply.status == 400
    assert isinstance(reply.body, dict)
    assert reply.body["resourceType"] == "OperationOutcome"


def test_lenient_handling_is_a_choice_of_the_caller(server: FhirServer) -> None:
    """`Prefer: handling=lenient` leaves unknown parameters out."""
    reply = _get(server, "Observation", {"patient": "p2", "nonsense": "1"}, {"prefer": "handling=lenient"})
    assert _ids(reply) == ["other"]


def test_reads_and_what_is_not_there(server: FhirServer) -> None:
    """A read gives the resource; an unknown one, path or method an OperationOutcome."""
    body = _get(server, "Patient/p1").body
    assert isinstance(body, dict)
    assert body["id"] == "p1"
    assert _get(server, "Patient/p9").status == 404
    assert server.answer(Request("GET", "/elsewhere", "", {}, b"")).status == 404
    assert server.answer(Request("PATCH", "/fhir/Patient/p1", "", {}, b"")).status == 405


def test_metadata_says_r4(server: FhirServer) -> None:
    """The CapabilityStatement names the version and the searches."""
    body = _get(server, "metadata").body
    assert isinstance(body, dict)
    assert body["fhirVersion"] == "4.0.1"
    names = {each["type"]: {p["name"] for p in each["searchParam"]} for each in body["rest"][0]["resource"]}
    assert {"patient", "code", "date", "_id"} <= names["Observation"]


def test_what_the_server_says_is_valid_fhir(server: FhirServer) -> None:
    """An independent validator accepts Bundles, outcomes and the CapabilityStatement."""
    replies = [_get(server, "metadata"), _get(server, "Observation", {"_count": "2"}), _get(server, "Patient/p9")]
    for reply in replies:
        assert isinstance(reply.body, dict)
        get_fhir_model_class(reply.body["resourceType"]).model_validate(reply.body)


def test_a_token_is_demanded_where_one_is_set(store: Store) -> None:
    """Without the bearer token there is nothing but metadata."""
    server = FhirServer(store, _BASE, token="s3cret")
    assert _get(server, "Patient/p1").status == 401
    assert _get(server, "Patient/p1", headers={"authorization": "Bearer wrong"}).status == 401
    assert _get(server, "Patient/p1", headers={"authorization": "Bearer s3cret"}).status == 200
    assert _get(server, "metadata").status == 200


# -- further types and parameters -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "element", "parameter", "value", "other"),
    [
        ("MedicationRequest", {"status": "active"}, "status", "active", "stopped"),
        ("MedicationRequest", {"authoredOn": "2026-03-01"}, "authoredon", "ge2026-03", "lt2026-03"),
        (
            "MedicationStatement",
            {"effectivePeriod": {"start": "2026-03-01"}},
            "effective",
            "ge2026-03-02",
            "lt2026-03-01",
        ),
        (
            "MedicationStatement",
            {"category": {"coding": [{"code": "inpatient"}]}},
            "category",
            "inpatient",
            "community",
        ),
        ("Encounter", {"class": {"code": "IMP"}}, "class", "IMP", "AMB"),
        ("Encounter", {"period": {"start": "2026-03-01", "end": "2026-03-04"}}, "date", "2026-03", "2026-03-02"),
        ("DocumentReference", {"type": {"coding": [{"code": "18842-5"}]}}, "type", "18842-5", "11506-3"),
        ("DocumentReference", {"date": "2026-03-01T10:00:00Z"}, "date", "2026-03-01", "2026-03-02"),
        ("ServiceRequest", {"intent": "order"}, "intent", "order", "plan"),
        ("ServiceRequest", {"authoredOn": "2026-03-01"}, "authored", "eq2026-03-01", "ne2026-03-01"),
        ("Condition", {"recordedDate": "2026-03-01"}, "recorded-date", "sa2026-02", "eb2026-03"),
        ("AllergyIntolerance", {"criticality": "high"}, "criticality", "high", "low"),
        ("Procedure", {"performedDateTime": "2026-03-01"}, "date", "le2026-03-01", "gt2026-03-01"),
        ("Immunization", {"vaccineCode": {"coding": [{"code": "140"}]}}, "vaccine-code", "140", "141"),
        ("Observation", {"component": [{"code": {"coding": [{"code": "8480-6"}]}}]}, "combo-code", "8480-6", "8462-4"),
    ],
)
def test_each_type_has_its_parameters(
    kind: str, element: dict[str, object], parameter: str, value: str, other: str
) -> None:
    """What matches is found, what does not is not: one pair for each element that is searched."""
    store = Store()
    of = "patient" if kind in ("AllergyIntolerance", "Immunization") else "subject"
    store.put({"resourceType": kind, "id": "x", of: {"reference": "Patient/p1"}, **element})
    server = FhirServer(store, _BASE)
    assert _ids(_get(server, kind, {"patient": "p1", parameter: value})) == ["x"]
    assert _ids(_get(server, kind, {"patient": "p1", parameter: other})) == []


def test_people_are_found_by_name_and_birth_date() -> None:
    """A part of the name, whatever the case; nobody by the middle of a word."""
    store = Store()
    store.put({"resourceType": "Patient", "id": "a", "name": [{"family": "Ångström", "given": ["Ida", "Bo"]}]})
    store.put({"resourceType": "Patient", "id": "b", "birthDate": "1960-05-02", "name": [{"text": "Bodil"}]})
    server = FhirServer(store, _BASE)
    assert _search(server, "Patient", name="bo") == ["a", "b"]
    assert _search(server, "Patient", given="IDA") == ["a"]
    assert _search(server, "Patient", family="ström") == []
    assert _search(server, "Patient", birthdate="1960") == ["b"]


def test_the_oldest_media_type_is_answered_with_itself(server: FhirServer) -> None:
    """`application/json+fhir`, as clients of DSTU2's days ask for it."""
    assert _get(server, "Patient/p1", headers={"accept": "application/json+fhir"}).headers == {
        "content-type": "application/json+fhir"
    }
    assert "content-type" not in _get(server, "Patient/p1", headers={"accept": "application/fhir+json"}).headers


def test_metadata_may_say_stu3(store: Store) -> None:
    """The version is a setting; STU3's statement has an element that R4 dropped."""
    body = _get(FhirServer(store, _BASE, version="STU3"), "metadata").body
    assert isinstance(body, dict)
    assert (body["fhirVersion"], body["acceptUnknown"]) == ("3.0.2", "no")


# -- changes --------------------------------------------------------------------------------------


_PAGE = {"origin": "http://127.0.0.1:8084", "content-type": "application/fhir+json"}


def _send(server: FhirServer, method: str, path: str, body: object = None, headers: Mapping[str, str] = _PAGE) -> Reply:
    return server.answer(Request(method, f"/fhir/{path}", "", headers, json.dumps(body).encode()))


def test_what_is_changed_is_read_and_found_and_can_be_taken_back(server: FhirServer) -> None:
    """Update, delete and create are seen by the next search; a reset of the patient puts the chart back whole."""
    before = _get(server, "Observation", {"patient": "p1"}).body
    assert _send(server, "PUT", "Observation/b", _observation("b", "2026-07-01")).status == 200
    assert _send(server, "DELETE", "Observation/a").status == 204
    created = _send(server, "POST", "Observation", _observation("ignored", "2026-08-01"))
    assert created.status == 201
    assert isinstance(created.body, dict)
    assert created.headers["location"] == f"{_BASE}/Observation/{created.body['id']}"
    assert _search(server, patient="p1", _sort="-date")[:2] == [created.body["id"], "b"]
    assert _get(server, "Observation/a").status == 404
    assert _send(server, "POST", "Patient/p1/$reset").status == 200
    assert _get(server, "Observation", {"patient": "p1"}).body == before


def test_a_reset_of_one_patient_leaves_the_others_changes(server: FhirServer) -> None:
    """Two people may look at two charts; a resource that went to another patient goes back too."""
    _send(server, "DELETE", "Observation/other")
    _send(server, "PUT", "Observation/b", _observation("b", "2026-03-01", subject={"reference": "Patient/p2"}))
    _send(server, "PUT", "Patient/p1", {"resourceType": "Patient", "id": "p1", "gender": "male"})
    _send(server, "POST", "Patient/p1/$reset")
    assert _search(server, patient="p1") == ["a", "b", "c", "d", "e"]
    assert _search(server, "Patient", gender="female") == ["p1"]
    assert _search(server, patient="p2") == []
    _send(server, "POST", "$reset")
    assert _search(server, patient="p2") == ["other"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "Observation/b", {"resourceType": "Observation", "id": "other"}, 400),
        ("PUT", "Observation/b", {"resourceType": "Patient", "id": "b"}, 400),
        ("PUT", "Observation/b%2F..", {"resourceType": "Observation", "id": "b%2F.."}, 400),
        ("PUT", "Observation/" + "x" * 65, {"resourceType": "Observation", "id": "x" * 65}, 400),
        ("PUT", "Observation/b", [], 400),
        ("POST", "Patient", None, 400),
        ("POST", "P4tient", {"resourceType": "P4tient"}, 400),
        ("PATCH", "Observation/b", {}, 405),
        ("POST", "Observation/b", {}, 404),
        ("PUT", "Observation", {}, 404),
        ("DELETE", "Observation/nobody", None, 204),
    ],
)
def test_a_change_that_is_wrong_changes_nothing(
    server: FhirServer, method: str, path: str, body: object, status: int
) -> None:
    """The address and the resource must agree; the answer is an OperationOutcome, and the chart as it was."""
    before = _get(server, "Observation", {"patient": "p1"}).body
    assert _send(server, method, path, body).status == status
    assert _get(server, "Observation", {"patient": "p1"}).body == before


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"resourceType": "Patient", "id": "p1", "x": NaN}', b"[" * 100_000])
def test_a_body_that_is_no_json_is_refused(server: FhirServer, body: bytes) -> None:
    """Half-written, not text, not a number, far too deep."""
    assert server.answer(Request("PUT", "/fhir/Patient/p1", "", _PAGE, body)).status == 400


def test_depth_and_number_of_changes_are_bounded(store: Store) -> None:
    """The memory that a page can fill is not endless."""
    server = FhirServer(store, _BASE)
    deep: object = "x"
    for _ in range(70):
        deep = {"a": deep}
    assert _send(server, "PUT", "Patient/p1", {"resourceType": "Patient", "id": "p1", "b": deep}).status == 400
    for number in range(10_000):
        store.change("Basic", str(number), {"resourceType": "Basic", "id": str(number)})
    assert _send(server, "POST", "Basic", {"resourceType": "Basic"}).status == 422
    assert _send(server, "POST", "$reset").status == 200
    assert _send(server, "POST", "Basic", {"resourceType": "Basic"}).status == 201


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1.evil.example", "http://127.0.0.1:8a"]
)
def test_only_a_page_of_this_machine_may_write(server: FhirServer, origin: str) -> None:
    """Everybody's page may read these patients, who do not exist; none but ours may change them."""
    headers = {**_PAGE, "origin": origin}
    assert _send(server, "DELETE", "Patient/p1", headers=headers).status == 403
    assert _send(server, "POST", "$reset", headers=headers).status == 403
    assert _get(server, "Patient/p1", headers=headers).status == 200
    assert _send(server, "PUT", "Patient/p1", {}, {"content-type": "text/plain"}).status == 415


def test_a_change_needs_the_token_too(store: Store) -> None:
    """Where a token is demanded, it is for writing as well."""
    server = FhirServer(store, _BASE, token="s3cret")
    assert _send(server, "DELETE", "Patient/p1").status == 401
    assert _send(server, "DELETE", "Patient/p1", headers={**_PAGE, "authorization": "Bearer s3cret"}).status == 204


# -- loading --------------------------------------------------------------------------------------

_TRANSACTION = {
    "resourceType": "Bundle",
    "type": "transaction",
    "entry": [
        {"fullUrl": "urn:uuid:11", "resource": {"resourceType": "Patient"}},
        {
            "fullUrl": "urn:uuid:22",
            "resource": {"resourceType": "Practitioner", "identifier": [{"system": "urn:npi", "value": "7"}]},
        },
        {
            "fullUrl": "urn:uuid:33",
            "resource": {
                "resourceType": "Observation",
                "subject": {"reference": "urn:uuid:11"},
                "performer": [{"reference": "Practitioner?identifier=urn:npi|7"}],
            },
        },
    ],
}


def test_a_transaction_s_references_are_resolved() -> None:
    """urn:uuid and conditional references become Type/id, and the ids come from the fullUrl."""
    store = Store()
    assert load_bundle(store, json.loads(json.dumps(_TRANSACTION))) == 3
    observation = store.read("Observation", "33")
    assert observation is not None
    assert observation["subject"] == {"reference": "Patient/11"}
    assert observation["performer"] == [{"reference": "Practitioner/22"}]
    assert [each["id"] for each in store.of_patient("Observation", "11")] == ["33"]


def test_a_folder_is_loaded_plain_and_gzipped(tmp_path: Path) -> None:
    """`.json` and `.json.gz` count, other files do not."""
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(json.dumps(_TRANSACTION).encode()))
    (tmp_path / "b.json").write_text('{"resourceType": "Patient", "id": "solo"}')
    (tmp_path / "notes.txt").write_text("no")
    store = Store()
    assert load_folder(store, tmp_path) == 4
    assert store.read("Patient", "solo") is not None


def test_a_folder_without_a_patient_is_an_error(tmp_path: Path) -> None:
    """Nobody could be called for: better to hear that at start."""
    with pytest.raises(UnreadableBundle, match="no patient"):
        load_folder(Store(), tmp_path)


def test_what_is_odd_in_a_bundle_does_not_stop_it() -> None:
    """Entries that are null, no objects or without a resource, ids and identifiers that are no text: loaded around."""
    bundle = {
        "resourceType": "Bundle",
        "entry": [
            None,
            7,
            {},
            {"resource": None},
            {"resource": {"id": "untyped"}},
            {"fullUrl": 7, "resource": {"resourceType": "Patient", "id": 7, "identifier": "x"}},
            {"resource": {"resourceType": "Observation", "id": "o", "meta": [], "identifier": [None]}},
        ],
    }
    store = Store()
    assert load_bundle(store, bundle) == 2
    assert store.read("Observation", "o") is not None


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", b"{}", b'{"resourceType": "Patient", "id": "a", "x": NaN}'])
def test_an_unreadable_file_is_named(tmp_path: Path, content: bytes) -> None:
    """Which file is wrong is what its owner needs to know."""
    (tmp_path / "bad.json").write_bytes(content)
    with pytest.raises(UnreadableBundle, match=r"bad\.json"):
        load_folder(Store(), tmp_path)


def test_a_resource_put_again_moves_with_its_patient(store: Store) -> None:
    """The index never finds a resource under the patient that it had before."""
    store.put(_observation("a", "2026-03-01", subject={"reference": "Patient/p2"}))
    assert "a" not in [each["id"] for each in store.of_patient("Observation", "p1")]
    assert "a" in [each["id"] for each in store.of_patient("Observation", "p2")]


# -- over HTTP ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def live() -> Iterator[str]:
    with Child("fhir", "wardgate.lab.fhir_server", "--port", "0") as child:
        yield child.announced(30)


def test_the_demo_s_patients_are_served(live: str) -> None:
    """A process of its own, its base on standard output, a prefetch-like search with encoded tokens."""
    code = "http://loinc.org%7C98979-8,http://loinc.org%7C9318-7"
    with httpx2.Client(trust_env=False) as http:
        assert http.get(f"{live}/Patient/advanced-01").json()["resourceType"] == "Patient"
        reply = http.get(f"{live}/Observation?patient=advanced-01&code={code}&_sort=-date&_count=3")
        assert reply.headers["content-type"] == "application/fhir+json"
        body = reply.json()
        assert len(body["entry"]) == 3
        following = http.get(_next(Reply(200, body)) or "").json()
        assert following["total"] == body["total"] > 3
        assert http.options(f"{live}/Observation").status_code == 204


def test_a_folder_that_is_not_there_ends_with_a_sentence(tmp_path: Path) -> None:
    """The process says what is wrong and ends; whoever waits for it learns both."""
    with Child("fhir", "wardgate.lab.fhir_server", "--port", "0", "--patients", str(tmp_path / "no")) as child:
        with pytest.raises(DidNotStart, match="No such file"):
            child.announced(20)
