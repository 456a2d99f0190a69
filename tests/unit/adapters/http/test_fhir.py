"""FHIR reads: what is sent, what counts as an answer, and where the token never goes."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import pytest

from tests.fakes.raw_server import http_answer, raw_server
from wardgate.adapters.http.aiohttp_client import AiohttpClient
from wardgate.adapters.http.client import HttpError, HttpFailure, HttpReply
from wardgate.adapters.http.fhir import FhirReaderOptions, HttpFhirReader, ReadFailure
from wardgate.domain.hooks import FhirAccess

SERVER = "https://ehr.test/fhir"
URL = f"{SERVER}/Patient/p1"
ACCESS = FhirAccess(SERVER, "secret-token")


@dataclass
class FakeHttp:
    """Meets `HttpClient`: one answer for everything, and a note of what was sent."""

    answer: HttpReply | HttpFailure
    sent: list[tuple[str, str, dict[str, str], float | None, int]] = field(default_factory=list)

    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout: float | None,
        max_bytes: int,
        oldest: int = 0,
    ) -> HttpReply:
        assert body is None
        self.sent.append((method, url, dict(headers), timeout, max_bytes))
        if isinstance(self.answer, HttpFailure):
            raise HttpError(self.answer)
        return self.answer

    def renew(self, url: str) -> None: ...

    async def close(self) -> None: ...


def reply(status: int = 200, content_type: str = "application/fhir+json", body: bytes = b"{}") -> HttpReply:
    return HttpReply(status, content_type, body)


@pytest.mark.requirement("FA-2", "GEN-5")
async def test_a_read_is_one_get_with_the_token_of_the_call() -> None:
    """FA-2: the bearer token goes along, with FHIR's media type, the time left and a bound."""
    http = FakeHttp(reply(body=b'{"resourceType":"Patient"}'))
    body = await HttpFhirReader(http, options=FhirReaderOptions(max_bytes=99)).read(ACCESS, URL, 0.2)
    assert body == b'{"resourceType":"Patient"}'
    headers = {"Accept": "application/fhir+json, application/json;q=0.9", "Authorization": "Bearer secret-token"}
    assert http.sent == [("GET", URL, headers, 0.2, 99)]


@pytest.mark.requirement("INV-4")
async def test_an_open_server_gets_no_token() -> None:
    """`fhirServer` may come without authorization (INV-4)."""
    http = FakeHttp(reply())
    await HttpFhirReader(http).read(FhirAccess(SERVER, None), URL, 0.2)
    assert "Authorization" not in http.sent[0][2]


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.test/fhir/Patient/p1",
        "http://ehr.test/fhir/Patient/p1",
        "https://ehr.test/fhirx/Patient/p1",
        "https://ehr.test/fhir.evil.test/Patient",
        "https://ehr.test/fhir@evil.test/",
        SERVER,
        "",
    ],
)
async def test_a_url_off_the_server_is_never_sent(url: str) -> None:
    """The last check before the wire, whoever built the URL."""
    http, failures = FakeHttp(reply()), list[ReadFailure]()
    assert await HttpFhirReader(http, failures.append).read(ACCESS, url, 0.2) is None
    assert http.sent == [] and failures == [ReadFailure.OFF_SERVER]


@pytest.mark.parametrize(
    "content_type",
    ["application/fhir+json; charset=utf-8", "application/json", "Application/JSON+FHIR", "text/json", "", "; x"],
)
async def test_the_ways_to_say_json(content_type: str) -> None:
    """Servers differ in how they name it; the body is judged when it is decoded."""
    assert await HttpFhirReader(FakeHttp(reply(content_type=content_type))).read(ACCESS, URL, 0.2) == b"{}"


@pytest.mark.requirement("FA-5")
@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (reply(201), ReadFailure.STATUS),
        (reply(204), ReadFailure.STATUS),
        (reply(302), ReadFailure.REDIRECT),
        (reply(307), ReadFailure.REDIRECT),
        (reply(401), ReadFailure.NOT_ALLOWED),
        (reply(403), ReadFailure.NOT_ALLOWED),
        (reply(404), ReadFailure.STATUS),
        (reply(500), ReadFailure.STATUS),
        (reply(content_type="text/html"), ReadFailure.NOT_JSON),
        (reply(content_type="application/fhir+xml"), ReadFailure.NOT_JSON),
        *((failure, ReadFailure(failure.value)) for failure in HttpFailure),
    ],
)
async def test_everything_else_is_no_answer_and_counted(answer: HttpReply | HttpFailure, failure: ReadFailure) -> None:
    """An error is None and a cause from a closed list; its body is not looked at."""
    failures: list[ReadFailure] = []
    assert await HttpFhirReader(FakeHttp(answer), failures.append).read(ACCESS, URL, 0.2) is None
    assert failures == [failure]


@pytest.fixture
async def http() -> AsyncIterator[AiohttpClient]:
    client = AiohttpClient()
    yield client
    await client.close()


@pytest.mark.requirement("FA-4")
async def test_on_the_wire_a_redirect_keeps_the_token_home(http: AiohttpClient) -> None:
    """A real server that redirects to another: the other one never hears of it (FA-4)."""
    async with raw_server(http_answer("200 OK", b"{}")) as other:
        redirect = http_answer("302 Found", b"", extra=b"Location: " + other.url.encode() + b"/fhir/Patient/p1\r\n")
        async with raw_server(redirect) as server:
            access = FhirAccess(f"{server.url}/fhir", "secret-token")
            assert await HttpFhirReader(http).read(access, f"{access.server}/Patient/p1", 2.0) is None
            assert len(server.requests) == 1 and b"Authorization: Bearer secret-token\r\n" in server.requests[0][0]
        assert other.connections == 0


async def test_on_the_wire_a_token_cannot_add_a_header(http: AiohttpClient) -> None:
    """A token with a line break in it is not sent at all."""
    async with raw_server(http_answer("200 OK", b"{}")) as server:
        access = FhirAccess(f"{server.url}/fhir", "x\r\nX-Evil: 1")
        assert await HttpFhirReader(http).read(access, f"{access.server}/Patient/p1", 2.0) is None
        assert server.requests == []


async def test_on_the_wire_a_server_that_hangs_is_given_up(http: AiohttpClient) -> None:
    """The time left of the call bounds the read."""

    async def hang(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    failures: list[ReadFailure] = []
    async with raw_server(hang) as server:
        access = FhirAccess(f"{server.url}/fhir", None)
        reader = HttpFhirReader(http, failures.append)
        assert await reader.read(access, f"{access.server}/Patient/p1", 0.05) is None
    assert failures == [ReadFailure.TIMEOUT]
