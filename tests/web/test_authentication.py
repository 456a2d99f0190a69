"""Who gets in at the EHR's listener (CDS Hooks 2.0.1, "Trusting CDS Clients"): whoever brings a token of a registered
client for this very call, and nobody else."""

import logging
from typing import Any

import pytest

from tests.fakes.forgeries import FORGERIES
from tests.fakes.tokens import (
    ISSUER,
    JWKS_URL,
    NOW,
    ORIGIN,
    PATH,
    URL,
    Signer,
    claims,
    compact,
    ec_signer,
    header,
    rsa_signer,
    token,
)
from tests.web.doors import PAGE, Doors, clients
from wardgate.domain.token_faults import TokenFault
from wardgate.resilience.admission import AdmissionOptions, Claim

FEEDBACK = f"{PATH}/feedback"
REPORT = (
    b'{"feedback":[{"card":"6d8c1e0e-2a44-4a38-8b8e-4d7a4d9a3f11","outcome":"accepted",'
    b'"outcomeTimestamp":"2026-11-21T09:00:00Z"}]}'
)
REFUSED = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "login", "diagnostics": "This call is not authenticated."}],
}


def bearer(text: bytes) -> list[bytes]:
    return [b"Bearer " + text]


@pytest.mark.requirement("SEC-2", "SEC-3", "SEC-8", "FB-8", "DIS-12")
@pytest.mark.parametrize("key", [ec_signer(), rsa_signer()], ids=["ES384", "RS384"])
async def test_a_client_gets_in_everywhere(key: Signer) -> None:
    """Discovery, a call and feedback, each with a token of its own, and the call is hers."""
    doors = Doors()
    listed = await doors.ask(bearer(token(key, 1, aud=f"{ORIGIN}/cds-services")), "GET", "/cds-services")
    called = await doors.ask(bearer(token(key, 2)))
    reported = await doors.ask(bearer(token(key, 3, aud=f"{URL}/feedback")), path=FEEDBACK, sent=REPORT)
    assert [reply.status for reply in (listed, called, reported)] == [200, 200, 200]
    assert doors.results == [("ward-ehr", None)] * 3 and doors.ages == [0.0] * 3
    assert doors.house.calls[0].request.client.name == doors.house.reports[0].client == "ward-ehr"


@pytest.mark.requirement("SEC-2", "SEC-3", "FB-8")
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/cds-services"), ("HEAD", "/cds-services"), ("POST", PATH), ("POST", FEEDBACK)]
)
async def test_nobody_gets_in_without_a_token(method: str, path: str) -> None:
    """401, and nothing behind the door hears of it."""
    doors = Doors()
    reply = await doors.ask([], method, path)
    assert reply.status == 401 and not doors.house.calls and not doors.house.reports
    assert b"kidney" not in reply.body


@pytest.mark.requirement("SEC-14", "SEC-17", "SEC-16")
async def test_a_refusal_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The same bytes whatever is wrong, `WWW-Authenticate` without a cause, and the origin of the page: a browser would
    hide even the error. Nothing is logged."""
    caplog.set_level(logging.DEBUG)
    doors = Doors()
    answers = set()
    for make, _ in FORGERIES.values():
        reply = await doors.ask(make(), headers=[(b"origin", PAGE.encode())])
        answers.add((reply.status, reply.body, tuple(sorted(reply.headers.items()))))
    ((status, _, headers),) = answers
    assert status == 401 and reply.json() == REFUSED
    assert dict(headers)["www-authenticate"] == "Bearer" and dict(headers)["access-control-allow-origin"] == PAGE
    assert not [record for record in caplog.records if record.name != "asyncio"]


@pytest.mark.requirement("SEC-4", "SEC-5", "SEC-6", "SEC-7", "SEC-9", "SEC-11")
@pytest.mark.parametrize("name", FORGERIES)
async def test_a_forged_token(name: str) -> None:
    """Stays outside, for the reason that it should: a forgery that fails by accident proves nothing."""
    make, fault = FORGERIES[name]
    doors = Doors()
    assert (await doors.ask(make())).status == 401
    assert [found for _, found in doors.results] == [fault] and not doors.house.calls


def test_the_corpus_is_large() -> None:
    assert len(FORGERIES) >= 100


@pytest.mark.requirement("SEC-5", "SEC-6")
@pytest.mark.parametrize(
    "changes",
    [
        {"aud": [URL]},
        {"aud": ["https://other.example", URL]},
        {"aud": f"{URL}/"},
        {"aud": f"{ORIGIN}/cds-services//kidney-failure"},
        {"exp": NOW - 59.5},
        {"iat": NOW + 59.5},
        {"exp": NOW + 300.25, "iat": NOW - 0.75},
        {"iat": NOW - 300, "nbf": NOW - 600, "exp": NOW + 600, "sub": "epic-client"},
        {"nbf": NOW + 59},
        {"tenant": "whatever"},
        {"exp": NOW + 1e9},
        {"jti": "a" * 2000},
        {"jti": "Zoë \ud83d\ude00 \x00"},
    ],
    ids=str,
)
async def test_what_sound_tokens_may_look_like(changes: dict[str, Any]) -> None:
    """Arrays, slashes, fractions, clocks that differ a little, claims of vendors."""
    assert (await Doors().ask(bearer(token(**changes)))).status == 200


@pytest.mark.parametrize("scheme", [b"Bearer ", b"bearer ", b"BEARER "])
async def test_the_scheme_in_any_case(scheme: bytes) -> None:
    """RFC 9110 §11.1."""
    assert (await Doors().ask([scheme + token()])).status == 200


@pytest.mark.requirement("SEC-9")
@pytest.mark.parametrize(
    "extra",
    [{"jku": JWKS_URL}, {"x5t": "AAAA"}, {"jwk": ec_signer().jwk()}, {"typ": "jwt"}],
    ids=["jku", "x5t", "jwk", "typ"],
)
async def test_what_sound_headers_may_hold(extra: dict[str, Any]) -> None:
    """The registered `jku`; and what is ignored, since keys come from the registration alone."""
    key = ec_signer()
    assert (await Doors().ask(bearer(compact(key, header(key, **extra), claims())))).status == 200


@pytest.mark.requirement("SEC-6", "FB-8")
@pytest.mark.parametrize("audience", [URL, f"{URL}/feedback"])
async def test_feedback_takes_the_service_as_its_audience(audience: str) -> None:
    """Clients send either."""
    reply = await Doors().ask(bearer(token(aud=audience)), path=FEEDBACK, sent=REPORT)
    assert reply.status == 200


async def test_audiences_of_the_registration() -> None:
    """For clients that send what they like, compared whole; no other client gains by it."""
    doors = Doors(clients(audiences=frozenset({"sand_man"})))
    assert (await doors.ask(bearer(token(number=1, aud="sand_man")))).status == 200
    assert (await doors.ask(bearer(token(number=2, aud="sand_man/")))).status == 401
    other = token(ec_signer("other-1"), 3, iss="https://other.example", aud="sand_man")
    assert (await doors.ask(bearer(other))).status == 401
    assert doors.results[-1] == ("other", TokenFault.AUDIENCE)


@pytest.mark.requirement("SEC-6")
async def test_no_forwarded_header_changes_the_audience() -> None:
    """The URL that was called is `public_url`, whatever a request says of itself."""
    doors = Doors()
    forwarded = [
        (b"host", b"evil.example"),
        (b"x-forwarded-host", b"evil.example"),
        (b"x-forwarded-proto", b"http"),
        (b"forwarded", b"host=evil.example;proto=http"),
    ]
    evil = token(number=1, aud=f"http://evil.example{PATH}")
    assert (await doors.ask(bearer(evil), headers=forwarded)).status == 401
    assert (await doors.ask(bearer(token(number=2)), headers=forwarded)).status == 200


@pytest.mark.requirement("SEC-16")
@pytest.mark.parametrize("path", ["/cds-services", PATH, FEEDBACK])
async def test_a_preflight_needs_no_token(path: str) -> None:
    """A browser sends none with it (trap T-8)."""
    reply = await Doors().ask([], "OPTIONS", path, headers=[(b"origin", PAGE.encode())])
    assert reply.status == 204 and reply.headers["access-control-allow-origin"] == PAGE


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
async def test_health_needs_no_token(path: str) -> None:
    """A load balancer has none."""
    assert (await Doors().ask([], "GET", path)).status == 200


async def test_tenants_share_an_issuer() -> None:
    """The token's tenant says which client it is; one that nobody is registered with stays outside."""
    ward, jwks = clients()[0]
    north, south = (
        (type(ward)(type(ward.client)(name, frozenset(), (), name, ward.client.zone), ISSUER, name), jwks)
        for name in ("north", "south")
    )
    doors = Doors([north, south])
    for number, tenant in enumerate(("south", "north", "west", None)):
        await doors.ask(bearer(token(number=number, tenant=tenant)))
    assert doors.results == [
        ("south", None),
        ("north", None),
        ("unknown", TokenFault.TENANT),
        ("unknown", TokenFault.TENANT),
    ]
    assert [call.request.client.site for call in doors.house.calls] == ["south", "north"]


async def test_queues_by_issuer() -> None:
    """Before anybody knows who calls, turns go by what the token claims, out of a closed list."""
    caller = Doors().authenticator
    strangers = (None, b"", b"Bearer x", b"Bearer a.b.c", b"Bearer " + token(iss="https://evil.example"))
    assert [caller.group(each) for each in strangers] == ["unknown"] * 5
    assert caller.group(b"Bearer " + token()) == ISSUER
    assert set(caller.groups) == {"unknown", ISSUER, "https://other.example"}
    assert Doors(clients()[:1]).authenticator.group(b"Bearer " + token()) == "unknown"


async def test_nothing_is_parsed_for_a_stranger() -> None:
    """What is wrong with a body is told to clients alone; what it must not be is told to all, before it is read."""
    doors = Doors()
    assert (await doors.ask([], sent=b"{}")).status == 401
    assert (await doors.ask(bearer(token()), sent=b"{}")).status == 400
    assert (await doors.ask([], sent=b"x" * 3 * 1024 * 1024)).status == 413
    assert (await doors.ask([], path="/cds-services/none")).status == 404


async def test_under_load_nobody_looks_at_a_token() -> None:
    """503 comes before 401: to check signatures is what is dear."""
    doors = Doors()
    doors.house.gate.adapt(AdmissionOptions(1, 0))
    await doors.house.gate.enter(Claim(9))
    assert (await doors.ask(bearer(token()))).status == 503
    assert not doors.results
