"""What a model was asked and said, written down and played again."""

from collections.abc import Mapping

import pytest

from wardgate.adapters.http.client import HttpError, HttpFailure, HttpReply
from wardgate.adapters.http.model_wire import with_mark
from wardgate.adapters.http.tape import HttpTape, PlayedHttp
from wardgate.gateway.replay import Asked

URL = "http://127.0.0.1:8082/infer"
BODY = b'{"inputs":[1,"a"]}'


class Server:
    """Meets `HttpClient`: echoes the mark as a model server does, or fails."""

    def __init__(self, failure: HttpFailure | None = None) -> None:
        self.failure = failure

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
        if self.failure is not None:
            raise HttpError(self.failure)
        mark = (body or b"").rpartition(b'"id":"')[2].removesuffix(b'"}')
        return HttpReply(200, "application/json", b'{"id":"%b","score":0.1}' % mark)

    def renew(self, url: str) -> int | None:
        return None

    async def close(self) -> None: ...


async def send(http: HttpTape | PlayedHttp, body: bytes, url: str = URL) -> bytes:
    return (await http.send("POST", url, {}, body, None, 1000)).body


async def test_a_reply_is_played_under_another_mark() -> None:
    """Each request bears a mark of its own, which its reply must bear: the recorded one is put in its place."""
    tape = HttpTape(Server())
    await send(tape, with_mark(BODY, "aa-1"))
    assert tape.asked == [Asked(URL, BODY, b"aa-1", 200, "application/json", b'{"id":"aa-1","score":0.1}')]
    assert await send(PlayedHttp(tape.asked), with_mark(BODY, "bb-7")) == b'{"id":"bb-7","score":0.1}'


async def test_a_request_without_a_mark_is_left_as_it_is() -> None:
    """Other protocols have none."""
    tape = HttpTape(Server())
    await send(tape, BODY)
    assert (tape.asked[0].sent, tape.asked[0].mark) == (BODY, b"")


@pytest.mark.parametrize(
    ("body", "url", "field"), [(b'{"inputs":[2]}', URL, "request"), (BODY, "http://127.0.0.1:9/", "url")]
)
async def test_another_question_gets_no_reply(body: bytes, url: str, field: str) -> None:
    """It is noted, with both."""
    played = PlayedHttp([Asked(URL, BODY, b"", 200, "", b"{}")])
    with pytest.raises(HttpError):
        await send(played, body, url)
    assert [(each.stage, each.field) for each in played.noted] == [("predict", field)]


async def test_one_question_more_is_noted() -> None:
    """The capture holds no reply to it."""
    played = PlayedHttp([])
    with pytest.raises(HttpError):
        await send(played, BODY)
    assert played.noted[0].before is None


@pytest.mark.parametrize("failure", HttpFailure)
async def test_a_failure_is_played_as_one(failure: HttpFailure) -> None:
    """The same kind again."""
    tape = HttpTape(Server(failure))
    for http in (tape, PlayedHttp):
        with pytest.raises(HttpError) as error:
            await send(http if isinstance(http, HttpTape) else http(tape.asked), BODY)
        assert error.value.kind is failure
