"""Asking the admin listener of a gateway, from a terminal."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2
import msgspec

from wardgate.cli import running
from wardgate.settings import admin_token

_DEFAULT = "http://127.0.0.1:8081"
_PATIENCE = httpx2.Timeout(10.0, read=300.0)
Params = Mapping[str, str | None]


class CannotAsk(Exception):
    """Why there is no answer, and what to do about it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


def url_of(given: str | None) -> str:
    """The one given, else the running demo's, else the default."""
    if given is not None:
        return given.rstrip("/")
    demo = running.find()
    return _DEFAULT if demo is None else demo.admin


def token_header() -> dict[str, str]:
    """Empty without WARDGATE_TOKEN: a demo's gateway asks for none."""
    token = admin_token()
    return {} if token is None or not token.isascii() else {"Authorization": f"Bearer {token.strip()}"}


class Admin:
    def __init__(self, url: str | None, besides: str = "") -> None:
        """`besides`: what else helps where nobody answers."""
        self.url, self._besides = url_of(url), besides

    def get(self, path: str, params: Params | None = None) -> bytes:
        """The body of a 200; raises CannotAsk."""
        with self._ask("GET", path, params) as reply:
            return reply.read()

    def lines(self, path: str, params: Params | None = None) -> Iterator[bytes]:
        """The lines of a stream, without their ends; raises CannotAsk."""
        with self._ask("GET", path, params) as reply:
            yield from (line.encode() for line in reply.iter_lines())

    def post(self, path: str, params: Params, body: Iterable[bytes], content_type: str) -> bytes:
        with self._ask("POST", path, params, body, {"Content-Type": content_type}) as reply:
            return reply.read()

    def json(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        dry_run: bool = False,
    ) -> Any:
        """The document of an answer; raises CannotAsk."""
        sent = None if body is None else [msgspec.json.encode(body)]
        kind = {} if body is None else {"Content-Type": "application/json"}
        params = {"dry_run": "true"} if dry_run else None
        with self._ask(method, path, params, sent, {**kind, **(headers or {})}) as reply:
            return msgspec.json.decode(reply.read())

    @contextmanager
    def _ask(
        self,
        method: str,
        path: str,
        params: Params | None,
        body: Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[httpx2.Response]:
        answered = False
        asked = {name: value for name, value in (params or {}).items() if value is not None}
        headers = {**(headers or {}), **token_header()}
        try:
            with (
                httpx2.Client(timeout=_PATIENCE, trust_env=False) as http,
                http.stream(method, f"{self.url}{path}", params=asked or None, content=body, headers=headers) as reply,
            ):
                answered = True
                if reply.status_code not in (200, 202):
                    reply.read()
                    raise refused_by(reply)
                yield reply
        except (httpx2.TransportError, httpx2.InvalidURL, httpx2.UnsupportedProtocol):
            if answered:
                raise CannotAsk(f"The answer of {self.url} broke off.", "Ask again; its log may say why.") from None
            remedy = f"{_where(self.url)} {self._besides}".strip()
            raise CannotAsk(f"No admin listener answers at {self.url}.", remedy) from None


class Refused(CannotAsk):
    """The gateway answers, and says why not: `more` is the rest of its problem details (RFC 9457)."""

    def __init__(self, status: int, what: str, more: Mapping[str, Any], remedy: str = "") -> None:
        super().__init__(what, remedy)
        self.status = status
        self.more = more


def _where(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        return f"Write the whole URL: --admin http://{url}"
    return "Is the gateway up? Name its admin listener (`admin.listen` in wardgate.yaml) with --admin URL."


def refused_by(reply: httpx2.Response) -> Refused:
    try:
        body = msgspec.json.decode(reply.content)
    except msgspec.DecodeError:
        body = None
    told = body if isinstance(body, dict) else {}
    status, what = reply.status_code, told.get("detail") or told.get("title")
    if not told.get("detail") and status in (404, 405) or not isinstance(what, str):
        url = f"{reply.url.scheme}://{reply.url.netloc.decode()}"
        what = f"What answers at {url} is no admin listener of wardgate's, or of another version ({status})."
        return Refused(status, what, told, "The EHR's port is another one: see `admin.listen` in wardgate.yaml.")
    return Refused(status, what, told, _token_remedy(status))


def _token_remedy(status: int) -> str:
    if status != 401:
        return ""
    if token_header():
        return "WARDGATE_TOKEN is set: is it a token of this gateway, whole, and not expired?"
    return (
        "Set WARDGATE_TOKEN to your token. Whoever runs the gateway gives one: `wardgate token new NAME --role ROLE`."
    )
