"""Next links as attacks, and what a page proves about the pages behind it."""

from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest

from tests.fakes.context_fhir import BASE, LABS, TOKENS, Json, condition, observation, raw
from wardgate.domain.context.fhir import Resource
from wardgate.domain.context.paging import newest_back_to, next_url
from wardgate.domain.context.prefetch import parse_template

KEY = parse_template("labs", LABS, TOKENS, required=True)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("link", "url"),
    [
        (f"{BASE}/Observation?page=2", f"{BASE}/Observation?page=2"),
        (f"{BASE}?_getpages=abc&_offset=50", f"{BASE}?_getpages=abc&_offset=50"),
        ("http://EHR.test/fhir/Observation?page=2", f"{BASE}/Observation?page=2"),
        ("http://ehr.test:80/fhir/Observation?page=2", f"{BASE}/Observation?page=2"),
        ("Observation?page=2", f"{BASE}/Observation?page=2"),
        ("/fhir/Observation?page=2", f"{BASE}/Observation?page=2"),
        ("?page=2", f"{BASE}/?page=2"),
        (f"{BASE}/_page/2", f"{BASE}/_page/2"),
        (f"{BASE}/Observation?next=http%3A%2F%2Fevil.test%2F", f"{BASE}/Observation?next=http%3A%2F%2Fevil.test%2F"),
    ],
)
def test_links_on_the_server_are_followed(link: str, url: str) -> None:
    """Absolute or relative, a link under the base is sent to exactly the base's origin."""
    assert next_url(BASE, link) == url


@pytest.mark.parametrize(
    "link",
    [
        "",
        BASE,
        f"{BASE}/",
        "https://ehr.test/fhir/Observation?page=2",
        "http://evil.test/fhir/Observation?page=2",
        "http://ehr.test.evil.test/fhir/Observation?page=2",
        "http://ehr.test:8080/fhir/Observation?page=2",
        "http://ehr.test:x/fhir/Observation?page=2",
        "http://user@ehr.test/fhir/Observation?page=2",
        "http://ehr.test@evil.test/fhir/Observation?page=2",
        "http://ehr.test:80@evil.test/fhir/Observation?page=2",
        "//evil.test/fhir/Observation?page=2",
        "///fhir/Observation?page=2",
        "http:///fhir/Observation?page=2",
        "http:Observation?page=2",
        "\\\\evil.test\\fhir",
        "http:\\\\evil.test/fhir/Observation",
        "/admin?page=2",
        "/fhirx/Observation?page=2",
        "/FHIR/Observation?page=2",
        "../admin",
        "Observation/../../admin",
        f"{BASE}/../admin",
        f"{BASE}/./Observation",
        f"{BASE}/%2e%2e/admin",
        f"{BASE}/%2E%2E%2Fadmin",
        f"{BASE}/Observation%2f..%2fadmin",
        f"{BASE}/%252e%252e/admin",
        f"{BASE}//evil.test/x",
        f"{BASE}/Observation?page=2#frag",
        f"{BASE}/Observation?page=2\r\nHost: evil.test",
        f"{BASE}/Observation?page= 2",
        f"{BASE}/Observation?page=é",
        "http://[::1/fhir/Observation?page=2",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "ftp://ehr.test/fhir/Observation?page=2",
    ],
)
def test_links_that_leave_the_server_are_not(link: str) -> None:
    """Another origin, another prefix, or anything that two parsers could read differently (DESIGN, "Context")."""
    assert next_url(BASE, link) is None


def test_a_server_at_the_root_of_its_host_has_the_empty_prefix() -> None:
    """A base without a path is legal, and still an origin."""
    assert next_url("https://ehr.test", "https://ehr.test/Observation?p=2") == "https://ehr.test/Observation?p=2"
    assert next_url("https://ehr.test", "https://evil.test/Observation?p=2") is None
    assert next_url("http://[::1]:8080/r4", "http://[::1]:8080/r4?p=2") == "http://[::1]:8080/r4?p=2"
    assert next_url("http://[::1]:8080/r4", "http://[::2]:8080/r4?p=2") is None


def read_back_to(*values: Json, template: str = LABS) -> float | None:
    key = parse_template("labs", template, TOKENS, required=True)
    return newest_back_to(key, [msgspec.json.decode(raw(value), type=Resource) for value in values], BERLIN)


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def at(text: str | None) -> Json:
    return observation(effectiveDateTime=text)


def test_entries_in_order_prove_that_they_are_the_newest() -> None:
    """Descending by instant, whatever the offsets say; equal times are in order."""
    times = [at("2026-08-02T00:00:00Z"), at("2026-08-02T01:00:00+02:00"), at("2026-08-01"), at("2026-08-01")]
    assert read_back_to(*times, at("2026-07-31T10:00:00Z")) == seconds("2026-07-31T10:00:00Z")


@pytest.mark.parametrize("last", ["2026-08-01", "2026-08-01T00:00:00"])
def test_a_time_that_a_server_may_read_otherwise_is_not_read_back_to(last: str) -> None:
    """A date is any time of its day, and a time without an offset may be 14 hours off: unread ones may be as late."""
    found = read_back_to(at("2026-08-02T00:00:00Z"), at(last))
    assert found is not None and found >= seconds("2026-08-02T14:00:00Z")


@pytest.mark.parametrize(
    "values",
    [
        (),
        (at("2026-08-01"), at("2026-08-02")),
        (at("2026-08-02T00:00:00Z"), at("2026-08-02T01:00:00Z")),
        (at("2026-08-02"), at(None)),
        (at("2026-08-02"), at("2026-08")),
        (at("2026-08-02"), at("rubbish")),
        (at("2026-08-02"), condition()),
        (observation(effectiveDateTime=None, effectivePeriod={"start": "2026-08-01"}),),
    ],
)
def test_anything_else_proves_nothing(values: tuple[Json, ...]) -> None:
    """Out of order, undated, partial, a period, another type, or nothing at all."""
    assert read_back_to(*values) is None


@pytest.mark.parametrize("sort", ["", "&_sort=date", "&_sort=code", "&_sort=code,-date"])
def test_without_the_sort_in_the_template_order_proves_nothing(sort: str) -> None:
    """Entries that happen to descend may still be any page of the search."""
    template = "Observation?patient={{context.patientId}}" + sort
    assert read_back_to(at("2026-08-02"), at("2026-08-01"), template=template) is None
