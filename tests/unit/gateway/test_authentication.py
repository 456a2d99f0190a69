"""The steps of authentication: the standard's own token, what comes before what, and what holds nobody up."""

import asyncio
import json
import threading
from typing import Any

import pytest

from tests.fakes.tokens import ISSUER, URL, claims, ec_signer, registration, rsa_signer, token
from tests.fakes.waiting import until
from tests.web.doors import Doors
from wardgate.adapters.jwt.keys import read_key_set
from wardgate.domain.errors import Overloaded, Unauthenticated
from wardgate.domain.token_faults import TokenFault
from wardgate.domain.tokens import read_token
from wardgate.gateway.authentication import OneClient
from wardgate.gateway.key_sets import KeyName

# CDS Hooks 2.0.1, "Trusting CDS Clients", Example (CC0): the key set and the token, as the page has them.
EXAMPLE_KEYS = b"""{"keys": [{"kty": "EC", "use": "sig", "crv": "P-384", "kid": "example-kid",
 "x": "46SDH7Znh821wblCBglA61sNE9ZrHYKKt3qRtRTmSXyOI_FIGBLWrWa0GPUkDCEk",
 "y": "XMcRuuoGW7CXjQdy-F5i3FeBE0x9hPLdeFdSoDd3ELmx404tLX0VRRcqzAsPhXcI", "alg": "ES384"}]}"""
EXAMPLE_TOKEN = (
    b"eyJhbGciOiJFUzM4NCIsInR5cCI6IkpXVCIsImtpZCI6ImV4YW1wbGUta2lkIiwiamt1IjoiaHR0cHM6Ly9maGlyLWVoci5leGFtcGxlLmNvbS9q"
    b"d2tfdXJpIn0.eyJpc3MiOiJodHRwczovL2ZoaXItZWhyLmV4YW1wbGUuY29tLyIsImF1ZCI6Imh0dHBzOi8vY2RzLmV4YW1wbGUub3JnL2Nkcy1z"
    b"ZXJ2aWNlcy9zb21lLXNlcnZpY2UiLCJleHAiOjE0MjI1Njg4NjAsImlhdCI6MTMxMTI4MDk3MCwianRpIjoiZWUyMmIwMjEtZTFiNy00NjExLWJh"
    b"NWItOGVlYzZhMzNhYzFlIiwidGVuYW50IjoiMmRkZDZjM2EtOGU5YS00NGM2LWEzMDUtNTIxMTFhZDMwMmEyIn0.d1WfLjGRKlcWB94l9do4cM8R"
    b"EXeYJLL6SGUBO8VHZhfM8mwKYP70EMxJ67War4TQblEpaQrp11wx5p7oPFm2ETYgCicS84vXWEIYTdjooZdooCSDf2L8-i4awdoUwiEb"
)
EXAMPLE_URL = frozenset({"https://cds.example.org/cds-services/some-service"})
EXAMPLE_ISSUED, EXAMPLE_EXPIRES = 1311280970, 1422568860


def example() -> Doors:
    terms = registration(
        issuer="https://fhir-ehr.example.com/",
        tenant="2ddd6c3a-8e9a-44c6-a305-52111ad302a2",
        jku=frozenset({"https://fhir-ehr.example.com/jwk_uri"}),
    )
    return Doors([(terms, EXAMPLE_KEYS)])


@pytest.mark.requirement("SEC-18")
async def test_the_standards_own_token() -> None:
    """At the time when it was issued; and never again, nor later, nor for another service."""
    doors = example()
    doors.clock.advance(EXAMPLE_ISSUED + 1 - doors.clock.now())
    caller = await doors.authenticator.caller([b"Bearer " + EXAMPLE_TOKEN], EXAMPLE_URL, 0.1)
    assert caller.name == "ward-ehr" and doors.ages == [1.0]
    for urls in (EXAMPLE_URL, frozenset({URL})):
        with pytest.raises(Unauthenticated):
            await doors.authenticator.caller([b"Bearer " + EXAMPLE_TOKEN], urls, 0.1)
    doors.clock.advance(EXAMPLE_EXPIRES - 1 - doors.clock.now())
    with pytest.raises(Unauthenticated):
        await doors.authenticator.caller([b"Bearer " + EXAMPLE_TOKEN], EXAMPLE_URL, 0.1)
    assert [fault for _, fault in doors.results[1:]] == [
        TokenFault.REPLAYED,
        TokenFault.AUDIENCE,
        TokenFault.TOO_OLD,
    ]


class Watched:
    """Keys that remember what they were asked. A `gate` holds each verification until it opens."""

    slow = True

    def __init__(self, gate: threading.Event | None = None) -> None:
        self.asked: list[KeyName] = []
        self.patience: list[float] = []
        self.threads: set[int] = set()
        self.gate = gate

    async def find(self, name: KeyName, patience: float) -> "Watched":
        self.asked.append(name)
        self.patience.append(patience)
        return self

    def verify(self, signed: bytes, signature: bytes) -> bool:
        self.threads.add(threading.get_ident())
        if self.gate is not None:
            self.gate.wait(10)
        return True


def watched(keys: Watched) -> Doors:
    doors = Doors()
    doors.authenticator._keys = {"ward-ehr": keys}
    return doors


@pytest.mark.requirement("SEC-11")
@pytest.mark.parametrize(
    "changes",
    [{"iss": "https://evil.example"}, {"aud": "https://evil.example"}, {"exp": 1}, {"iat": 1}, {"nbf": 1e11}],
    ids=str,
)
async def test_what_costs_nothing_comes_first(changes: dict[str, Any]) -> None:
    """No key is looked for, fetched or used for a token whose claims are wrong."""
    keys = Watched()
    doors = watched(keys)
    assert (await doors.ask([b"Bearer " + token(**changes)])).status == 401
    assert not keys.asked and not len(doors.replays.used)


async def test_a_call_waits_for_keys_a_fifth_of_its_deadline() -> None:
    """Whatever the key host does (law 1)."""
    keys = Watched()
    assert (await watched(keys).ask([b"Bearer " + token()])).status == 200
    assert keys.patience == [0.1]


@pytest.mark.requirement("SEC-11", "SEC-12")
async def test_an_id_counts_as_used_only_once_the_signature_is_known() -> None:
    """Or whoever guesses one could lock its owner out."""
    doors = Doors()
    head, said, _ = token(rsa_signer()).split(b".")
    assert (await doors.ask([b"Bearer " + b".".join([head, said, b"A" * 342])])).status == 401
    assert not len(doors.replays.used)
    assert (await doors.ask([b"Bearer " + token(rsa_signer())])).status == 200


async def test_slow_signatures_are_checked_off_the_loop() -> None:
    """The loop goes on meanwhile; those of RSA are done in less time than it takes to hand them over."""
    gate = threading.Event()
    keys = Watched(gate)
    doors = watched(keys)
    async with asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(doors.ask([b"Bearer " + token()]))
        await until(lambda: bool(keys.threads))
        assert not asked.done()
        gate.set()
    assert asked.result().status == 200 and threading.get_ident() not in keys.threads
    algorithms = frozenset({"ES384", "RS384", "ES256"})
    sets = b'{"keys":[%s]}'
    for signer, slow in ((ec_signer(), True), (rsa_signer(), False), (ec_signer("p", 256), False)):
        (key,) = read_key_set(sets % json.dumps(signer.jwk()).encode(), algorithms).values()
        assert key.slow is slow


async def test_too_many_signatures_are_turned_away() -> None:
    """503, which is not a refusal of the client: nobody has looked yet."""
    gate = threading.Event()
    doors = watched(Watched(gate))
    doors.authenticator._off_loop = 512
    with pytest.raises(Overloaded):
        await doors.authenticator.caller([b"Bearer " + token()], frozenset({URL}), 0.1)
    assert not doors.results
    doors.authenticator._off_loop = 0


async def test_a_caller_who_goes_leaves_nothing_behind() -> None:
    """Its place among the waiting signatures is free again."""
    gate = threading.Event()
    doors = watched(Watched(gate))
    asked = asyncio.get_running_loop().create_task(doors.ask([b"Bearer " + token()]))
    await until(lambda: doors.authenticator._off_loop > 0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    gate.set()
    assert not doors.authenticator._off_loop


async def test_under_insecure_demo_every_call_is_hers() -> None:
    """Whatever the header says."""
    client = registration().client
    only = OneClient(client)
    assert only.clients == (client,) and only.groups == (only.group(b"Bearer x"),) == ("ward-ehr",)
    assert await only.caller([b"Bearer forged", b"Basic x"], frozenset(), 0.1) is client


def test_nothing_shows_a_token() -> None:
    """No repr of what is passed around holds a claim."""
    read = read_token(token())
    refused = Unauthenticated(TokenFault.SIGNATURE)
    for shown in (repr(read), repr(refused), str(refused), repr(TokenFault.SIGNATURE)):
        assert claims()["jti"] not in shown and ISSUER not in shown
