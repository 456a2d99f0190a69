"""The terms of a registration, each at its border."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.tokens import NOW, URL, registration, token
from wardgate.domain.errors import Unauthenticated
from wardgate.domain.registrations import Registration, Registry
from wardgate.domain.token_faults import TokenFault
from wardgate.domain.tokens import Token, read_token

URLS = frozenset({URL})
SOUND = read_token(token())


def admitted(now: float = NOW, terms: Registration | None = None, **changes: object) -> float | TokenFault:
    try:
        return (terms or registration()).admit(msgspec.structs.replace(SOUND, **changes), URLS, now)
    except Unauthenticated as refused:
        return refused.fault


@pytest.mark.requirement("SEC-5", "SEC-12")
def test_times_have_a_leeway_of_a_minute() -> None:
    """It counts from `iat` and `nbf` to `exp`, and no longer than `max_age`; its id is remembered until then."""
    assert admitted(NOW + 359) == NOW + 360 and admitted(NOW + 360) is TokenFault.EXPIRED
    assert admitted(NOW - 60) == NOW + 360 and admitted(NOW - 60.5) is TokenFault.NOT_YET
    assert admitted(not_before=NOW + 60) == NOW + 360 and admitted(not_before=NOW + 61) is TokenFault.NOT_YET
    assert admitted(not_before=0.0, issued=NOW + 61) is TokenFault.NOT_YET
    assert admitted(NOW + 3659, expires=NOW + 1e6) == NOW + 3660
    assert admitted(NOW + 3660, expires=NOW + 1e6) is TokenFault.TOO_OLD
    strict = registration(leeway=0.0, max_age=60.0)
    assert admitted(NOW + 59, strict) == NOW + 60 and admitted(NOW + 60, strict) is TokenFault.TOO_OLD


@given(
    now=st.floats(0, 1e11),
    issued=st.floats(-1e12, 1e12),
    expires=st.floats(-1e12, 1e12),
    not_before=st.none() | st.floats(-1e12, 1e12),
    leeway=st.floats(0, 300),
    max_age=st.floats(60, 86400),
)
def test_what_is_admitted_counts_now_and_not_for_ever(
    now: float, issued: float, expires: float, not_before: float | None, leeway: float, max_age: float
) -> None:
    """Whatever the token says: never after its end, and remembered for at most max_age and twice the leeway."""
    terms = registration(leeway=leeway, max_age=max_age)
    until = admitted(now, terms, issued=issued, expires=expires, not_before=not_before)
    if isinstance(until, float):
        assert now < until <= min(expires, issued + max_age) + leeway
        assert until - now <= max_age + 2 * leeway + 1e-3
        assert issued - leeway <= now and (not_before is None or not_before - leeway <= now)


@pytest.mark.requirement("SEC-9", "SEC-10")
def test_a_jku_is_on_the_list_or_of_no_interest() -> None:
    """With a list, it must be on it; with a file and no list, it may name any, since none is fetched."""
    listed = registration(jku=frozenset({"https://ehr.example/jwks"}))
    assert admitted(terms=listed, jku="https://evil.example") is TokenFault.JKU
    assert admitted(terms=listed, jku="https://ehr.example/jwks") == NOW + 360
    assert admitted(terms=listed) == admitted(jku="https://evil.example") == NOW + 360


@pytest.mark.parametrize(
    ("audience", "found"),
    [
        (URL, True),
        (URL + "/", True),
        (URL + "//", True),
        (URL.replace("/cds-services", "//cds-services"), True),
        (URL.replace("https://", "https:/"), False),
        (URL.replace("https://", "https:///"), False),
        (URL.upper(), False),
        (URL + "/feedback", False),
        (" " + URL, False),
        ("", False),
        ("https://cds.example", False),
    ],
)
def test_audiences(audience: str, found: bool) -> None:
    """Slashes apart, whole."""
    assert isinstance(admitted(audiences=(audience,)), float) is found


def test_a_token_is_what_the_rules_are_about() -> None:
    """None of its fields is left out of the comparison by accident."""
    checked = {"audiences", "expires", "issued", "not_before", "algorithm", "jku"}
    elsewhere = {"issuer", "tenant", "key_id", "id", "signed", "signature"}
    assert set(Token.__struct_fields__) == checked | elsewhere


@pytest.mark.requirement("SEC-7", "SEC-8")
def test_algorithms_are_on_the_list() -> None:
    """ES384 and RS384 unless said otherwise."""
    assert admitted(algorithm="RS384") == NOW + 360
    assert admitted(algorithm="RS256") is TokenFault.ALGORITHM
    assert admitted(algorithm="RS256", terms=registration(algorithms=frozenset({"RS256"}))) == NOW + 360


def test_the_registry_finds_whose_a_token_says_it_is() -> None:
    """By issuer and, where one signs for many, by tenant; a registration without one takes whatever tenant comes."""
    one, north, south = (
        registration("one", "https://one.example"),
        registration("north", "https://many.example", tenant="n"),
        registration("south", "https://many.example", tenant="s"),
    )
    registry = Registry([one, north, south])

    def found(issuer: str, tenant: str | None) -> Registration | TokenFault:
        try:
            return registry.find(msgspec.structs.replace(SOUND, issuer=issuer, tenant=tenant))
        except Unauthenticated as refused:
            return refused.fault

    assert found("https://one.example", None) is found("https://one.example", "n") is one
    assert found("https://many.example", "n") is north and found("https://many.example", "s") is south
    assert found("https://many.example", None) is found("https://many.example", "w") is TokenFault.TENANT
    assert found("https://other.example", "n") is TokenFault.ISSUER
    assert registry.knows("https://one.example") and not registry.knows("https://other.example")
