"""What a model was asked and what it said, written down as it goes over the wire, and played again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from wardgate.adapters.http.client import HttpClient, HttpError, HttpFailure, HttpReply
from wardgate.adapters.http.model_wire import without_mark
from wardgate.gateway.replay import Asked, Difference

_MARKED = b'"}'


def _plain(body: bytes | None) -> tuple[bytes, bytes]:
    """The body without its mark, which differs each time, and the mark."""
    body = body or b""
    return without_mark(body) if b',"id":"' in body and body.endswith(_MARKED) else (body, b"")


@dataclass
class HttpTape:
    """Meets `HttpClient`: asks another, and writes down each question with its reply."""

    inner: HttpClient
    asked: list[Asked] = field(default_factory=list)

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
        sent, mark = _plain(body)
        told = Asked(url, sent, mark, failure=HttpFailure.TIMEOUT)  # until there is a reply: cut off
        try:
            reply = await self.inner.send(method, url, headers, body, timeout, max_bytes, oldest)
            told = Asked(url, sent, mark, reply.status, reply.content_type, reply.body)
        except HttpError as error:
            told = Asked(url, sent, mark, failure=error.kind)
            raise
        finally:
            self.asked.append(told)
        return reply

    def renew(self, url: str) -> int | None:
        return self.inner.renew(url)

    async def close(self) -> None:
        await self.inner.close()


class PlayedHttp:
    """Meets `HttpClient`: replies that were written down, to the very questions that they answered."""

    def __init__(self, asked: Iterable[Asked]) -> None:
        self._left = list(asked)
        self.noted: list[Difference] = []

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
        sent, mark = _plain(body)
        if not self._left:
            self.noted.append(Difference("predict", "request", None, sent))
            raise HttpError(HttpFailure.UNREACHABLE)
        asked = self._left.pop(0)
        for name, before, now in (("url", asked.url, url), ("request", asked.sent, sent)):
            if before != now:
                self.noted.append(Difference("predict", name, before, now))
                raise HttpError(HttpFailure.UNREACHABLE)
        if asked.failure is not None:
            raise HttpError(HttpFailure(asked.failure))
        reply = asked.reply.replace(asked.mark, mark) if asked.mark else asked.reply
        return HttpReply(asked.status, asked.content_type, reply)

    def renew(self, url: str) -> int | None:
        return None

    async def close(self) -> None:
        return None
