"""Prefetch templates: the subset that is allowed, the errors with their remedies, and filling."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.context_fhir import ENCOUNTER, LABS, PATIENT, TOKENS
from wardgate.domain.context.prefetch import PrefetchKey, TemplateError, fill, names_context, parse_template
from wardgate.domain.hooks import HOOKS

ID = "{{context.patientId}}"


def parse(template: str, cds_hooks: str = "2.0") -> PrefetchKey:
    return parse_template("key", template, TOKENS, False, cds_hooks)


def _never() -> date:
    raise AssertionError("no date is asked for")


def test_an_instance_read_is_taken_apart() -> None:
    """A read has its type, literal text and token in turn, and no parameters."""
    key = parse_template("patient", PATIENT, TOKENS, required=True)
    assert key == PrefetchKey("patient", PATIENT, "Patient", True, ("Patient/", "patientId", ""), (), True)


def test_a_search_keeps_its_parameters_decoded() -> None:
    """Parameters stand as pairs, percent-decoded, with tokens left in place; the template itself is unchanged."""
    template = (
        f"Observation?patient={ID}&code=http://loinc.org%7C33914-3,http://loinc.org%7C2160-0&_sort=-date&_count=50"
    )
    key = parse(template)
    assert (key.resource_type, key.read, key.template) == ("Observation", False, template)
    assert key.parameters == (
        ("patient", ID),
        ("code", "http://loinc.org|33914-3,http://loinc.org|2160-0"),
        ("_sort", "-date"),
        ("_count", "50"),
    )


@pytest.mark.requirement("PF-7", "PF-8", "PF-9")
@pytest.mark.parametrize(
    "template",
    [
        PATIENT,
        LABS,
        ENCOUNTER,
        "Practitioner/{{userPractitionerId}}",
        "PractitionerRole?_id={{userPractitionerRoleId}}",
        f"Condition?patient=Patient/{ID}&clinical-status=active,recurrence",
        f"Observation?subject={ID}&date=ge2020-01-01",
        f"Observation?subject={ID}&date=lt2020-01-01T00:00:00Z,gt2021",
        f"Observation?patient={ID}&code:in=http://example.org/ValueSet/labs",
        f"Observation?patient={ID}&_sort=-date,code&_lastUpdated=le2024",
        f"Observation?patient={ID}&code=sa1,ne2",
        "MedicationRequest?requester={{context.userId}}",
    ],
)
def test_the_restricted_subset_is_accepted(template: str) -> None:
    """What the standard asks of every client parses (PF-9)."""
    assert parse(template).template == template


@pytest.mark.requirement("PF-7", "PF-8", "PF-9", "PF-13")
@pytest.mark.parametrize(
    ("template", "remedy"),
    [
        ("Patient/{{context.medication}}", "does not mark"),
        ("Patient/{{context.draftOrders.id}}", "neither context"),
        (f"Observation?patient={ID}&date=ge{{{{today() - 90 days}}}}", 'cds_hooks: "3.0"'),
        (f"Patient/{ID}{ID}", "instance read"),
        ("Patient/{{ context.patientId }}", "spaces inside"),
        ("Patient/{{context.patientId}", "brace"),
        ("Patient/{context.patientId}", "brace"),
        ("Patient/{{}}", "neither context"),
        ("Condition?code={{%patient.id}}", "write the query out"),
        ("Condition?code={{context.patientId.resolve()}}", "neither context"),
        ("{{context.patientId}}/Patient", "instance read"),
        ("{{context.userId}}", "instance read"),
        ("Practitioner/{{context.userId}}", "userPractitionerId"),
        ("Patient", "instance read"),
        ("Patient/123", "instance read"),
        (f"Patient/{ID}/_history", "instance read"),
        (f"/Patient/{ID}", "instance read"),
        (f"http://ehr.test/fhir/Patient/{ID}", "instance read"),
        (f"Patient/{ID}/$everything", "instance read"),
        (f"Observation/$lastn?patient={ID}", "one resource type"),
        (f"Patient/{ID}/Observation?code=x", "one resource type"),
        (f"?patient={ID}", "one resource type"),
        ("Observation?", "name=value"),
        (f"Observation?patient={ID}&", "name=value"),
        (f"Observation?patient={ID}&code", "name=value"),
        (f"Observation?patient={ID}&code=", "name=value"),
        (f"Observation?patient.identifier={ID}", "chained"),
        (f"Observation?subject:Patient.name={ID}", "chained"),
        (f"Patient?_has:Observation:patient:code={ID}", "chained"),
        (f"Observation?patient={ID}&code:not=x", ":in"),
        (f"Observation?patient={ID}&code:text=x", ":in"),
        (f"Observation?patient={ID}&date:missing=true", ":in"),
        (f"Observation?patient={ID}&sort:desc=date", ":in"),
        (f"Observation?patient={ID}&_include=Observation:device", "subset"),
        (f"Observation?patient={ID}&_maxresults=5", "subset"),
        (f"Observation?patient={ID}&_summary=true", "subset"),
        (f"Observation?{ID}=patient", "belong into values"),
        (f"Observation?patient={ID}&Sort=date", "in letters"),
        (f"Observation?patient={ID}&date=ge2020-01-01&date=le2021-01-01", "stands twice"),
        (f"Observation?patient={ID}&code=a&code:in=b", "stands twice"),
        (f"Observation?patient={ID}&date=ne2020-01-01", "eq, lt, gt, ge, le"),
        (f"Observation?patient={ID}&date=ge2020,ap2021-01", "eq, lt, gt, ge, le"),
        (f"Observation?patient={ID}&date=sa2020", "eq, lt, gt, ge, le"),
        (f"Observation?patient={ID}&code=http://loinc.org|2160-0", "%7C"),
        (f"Observation?patient={ID}&code=a b", "%20"),
        (f"Observation?patient={ID}&code=a+b", "%2B"),
        (f"Observation?patient={ID}&code=a#b", "%23"),
        (f"Observation?patient={ID}&code=é", "percent-encode it"),
        (f"Observation?patient={ID}&code=%zz", "percent-encode it"),
        (f"Observation?patient={ID}&code=a\nb", "percent-encode it"),
        (f"Observation?patient={ID}&_count=0", "above 0"),
        (f"Observation?patient={ID}&_count=many", "above 0"),
        (f"Observation?patient={ID}&_sort=--date", "_sort=-date"),
        ("Observation?code=2160-0", "add patient="),
    ],
)
def test_everything_else_is_an_error_with_a_remedy(template: str, remedy: str) -> None:
    """Each error of the templates says how to mend it (PF-7 to PF-9, PF-13, T-12)."""
    with pytest.raises(TemplateError) as caught:
        parse(template)
    assert remedy in str(caught.value)


def test_a_hook_of_nobodys_library_may_name_any_context_field() -> None:
    """Where the hook's definition is not known, every `context.<field>` is legal, and still nothing deeper."""
    key = parse_template("x", "Device/{{context.pumpId}}", None, required=False)
    assert fill(key, {"pumpId": "d1"}, _never) == "Device/d1"
    with pytest.raises(TemplateError):
        parse_template("x", "Device/{{context.pump.id}}", None, required=False)


DATED = f"Observation?patient={ID}&date=ge{{{{today() - 90 days}}}},lt{{{{today()}}}}"


@pytest.mark.requirement("PF-10")
def test_dates_are_understood_from_3_0_on() -> None:
    """`today()` and a number of days before or after it, in a search, and computed by us where we read (PF-10)."""
    key = parse(DATED, "3.0")
    assert key.template == DATED
    url = fill(key, {"patientId": "p1"}, lambda: date(2024, 3, 1))
    assert url == "Observation?patient=p1&date=ge2023-12-02,lt2024-03-01"
    later = parse(f"Appointment?patient={ID}&date=le{{{{today() + 1 days}}}}", "3.0")
    assert fill(later, {"patientId": "p1"}, lambda: date(2023, 12, 31)) == "Appointment?patient=p1&date=le2024-01-01"


@pytest.mark.requirement("PF-10")
@pytest.mark.parametrize(
    ("template", "remedy"),
    [
        (f"Observation?patient={ID}&date=ge{{{{today()-90 days}}}}", "{{today() - 90 days}}"),
        (f"Observation?patient={ID}&date=ge{{{{today() - 3 months}}}}", "{{today() - 90 days}}"),
        (f"Observation?patient={ID}&date=ge{{{{today() - 999999 days}}}}", "{{today() - 90 days}}"),
        (f"Observation?patient={ID}&date=ne{{{{today()}}}}", "eq, lt, gt, ge, le"),
        ("Observation?date=ge{{today()}}", "add patient="),
        ("Patient/{{today()}}", "instance read"),
        ("Condition?code={{%patient.id}}", "write the query out"),
        (f"Observation?patient={ID}&_maxresults=5", "subset"),
    ],
)
def test_what_3_0_does_not_have_is_an_error_there_too(template: str, remedy: str) -> None:
    """Another unit, another place, a date instead of a patient: each says how to mend it. `%key` stays out (PF-11)."""
    with pytest.raises(TemplateError) as caught:
        parse(template, "3.0")
    assert remedy in str(caught.value)


def test_references_are_searched_with_and_not_read() -> None:
    """What holds a type and an id, or several, cannot stand after a type; a search takes them joined by commas."""
    tokens = HOOKS["order-dispatch"].tokens()
    key = parse_template("tasks", "Task?focus={{context.dispatchedOrders}}", tokens, required=False)
    orders = {"dispatchedOrders": "ServiceRequest/1,ServiceRequest/2"}
    assert fill(key, orders, _never) == "Task?focus=ServiceRequest%2F1%2CServiceRequest%2F2"
    for field in ("dispatchedOrders", "performer"):
        with pytest.raises(TemplateError) as caught:
            parse_template("x", f"ServiceRequest/{{{{context.{field}}}}}", tokens, required=False)
        assert f"Task?focus={{{{context.{field}}}}}" in str(caught.value)


@pytest.mark.requirement("PF-13")
def test_filling_encodes_every_value() -> None:
    """A token's value cannot add a parameter, a path segment or another query."""
    key = parse(f"Observation?patient={ID}&_count=5")
    assert (
        fill(key, {"patientId": "a/b?c&d=e|f é"}, _never)
        == "Observation?patient=a%2Fb%3Fc%26d%3De%7Cf%20%C3%A9&_count=5"
    )


@given(value=st.text(min_size=1, max_size=20))
def test_a_filled_read_never_leaves_its_type(value: str) -> None:
    """Whatever the value, the URL is `Patient/` and one segment of unreserved and encoded characters, or nothing."""
    url = fill(parse(PATIENT), {"patientId": value}, _never)
    if url is None:
        assert value in (".", "..")
    else:
        kind, _, rest = url.partition("/")
        assert kind == "Patient" and rest not in (".", "..") and not set(rest) & set("/?#&= \\")


def test_a_url_has_an_end() -> None:
    """Regression: a list of references made a URL of two megabytes. The rest of it would be another question."""
    key = parse_template("x", "Task?focus={{context.orders}}", None, required=False)
    assert fill(key, {"orders": "x" * 8000}, _never) == f"Task?focus={'x' * 8000}"
    assert fill(key, {"orders": "x" * 8192}, _never) is None
    assert fill(key, {"orders": "," * 8000}, _never) is None, "each takes three characters"
    assert fill(key, {"orders": "x" * 2_000_000}, _never) is None


def test_a_key_without_its_token_cannot_be_asked() -> None:
    """No encounter in the context: the encounter's key has no URL."""
    assert fill(parse(ENCOUNTER), {"patientId": "p1"}, _never) is None
    assert fill(parse(ENCOUNTER), {"patientId": "p1", "encounterId": ""}, _never) is None


@pytest.mark.parametrize("value", [".", ".."])
def test_an_id_of_dots_never_climbs(value: str) -> None:
    """`..` matches the grammar of FHIR ids and would turn `Patient/..` into the base itself."""
    assert fill(parse(PATIENT), {"patientId": value}, _never) is None


@pytest.mark.parametrize(
    ("template", "field"),
    [
        (PATIENT, "patientId"),
        (ENCOUNTER, "encounterId"),
        (f"Patient?_id={ID}", "patientId"),
        (f"Encounter?patient={ID}", None),
        (LABS, None),
        ("Patient/{{userPatientId}}", None),
    ],
)
def test_which_keys_ask_for_what_the_context_names(template: str, field: str | None) -> None:
    """Only the patient's and the encounter's own resource must agree with the context."""
    assert names_context(parse(template)) == field
