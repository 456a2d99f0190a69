"""The admin listener of a gateway, from a terminal."""

import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2
import msgspec

from wardgate.cli import running
from wardgate.settings import admin_certificates, admin_token

_DEFAULT = "http://127.0.0.1:8081"
_CONNECT = 10.0
_LONG = 300.0
"""Seconds without a byte of a stream, which may take long to begin."""
_SOON = 20.0
"""Seconds for an answer that a person waits for; a gateway that is well takes one or two."""
_WHO_KNOWS = (500, 502, 504)
"""After which a change may have been done: a fault, or a proxy that lost the answer."""
_PERHAPS = "It MAY HAVE BEEN DONE: `wardgate rollout show` says. Any other gateway takes it as well."
Params = Mapping[str, str | None]


class CannotAsk(Exception):
    """Why there is no answer, and what to do about it. `perhaps_done`: a change was asked for, and whether it was done
    is not known."""

    def __init__(self, what: str, remedy: str, perhaps_done: bool = False) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy
        self.perhaps_done = perhaps_done


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


def client_for(url: str, timeout: httpx2.Timeout) -> httpx2.Client:
    """No proxy of the environment stands between. With TLS, those are trusted whom this machine trusts, or the one that
    is named. Raises CannotAsk."""
    if not url.startswith("https://"):
        return httpx2.Client(timeout=timeout, trust_env=False)
    authority, own = admin_certificates()
    try:
        trusting = ssl.create_default_context(cafile=authority)
        if own is not None:
            trusting.load_cert_chain(own)
    except (OSError, ValueError):
        what = "WARDGATE_ADMIN_CA or WARDGATE_ADMIN_CERT names no PEM file that can be used."
        raise CannotAsk(what, "The first has an authority's certificate, the second one's own, and its key.") from None
    return httpx2.Client(timeout=timeout, trust_env=False, verify=trusting)


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
        has: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        dry_run: bool = False,
        wait: float | None = None,
    ) -> Any:
        """The document of an answer; raises CannotAsk, also where it has no field `has`: then somebody else gave it.
        `wait`: seconds until it is there."""
        sent = None if body is None else [msgspec.json.encode(body)]
        kind = {} if body is None else {"Content-Type": "application/json"}
        params = {"dry_run": "true"} if dry_run else None
        with self._ask(method, path, params, sent, {**kind, **(headers or {})}, wait or _SOON) as reply:
            told = _document(reply.read())
            if has not in told:
                raise stranger(reply)
            return told

    @contextmanager
    def _ask(
        self,
        method: str,
        path: str,
        params: Params | None,
        body: Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        wait: float = _LONG,
    ) -> Iterator[httpx2.Response]:
        asked = {name: value for name, value in (params or {}).items() if value is not None}
        headers = {**(headers or {}), **token_header()}
        changes = method != "GET" and "dry_run" not in asked
        try:
            with (
                client_for(self.url, httpx2.Timeout(_CONNECT, read=wait)) as http,
                http.stream(method, f"{self.url}{path}", params=asked or None, content=body, headers=headers) as reply,
            ):
                if reply.status_code not in (200, 202):
                    reply.read()
                    raise refused_by(reply, changes)
                yield reply
        except (httpx2.TransportError, httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
            raise unanswered(self.url, error, self._besides, changes) from None


class Refused(CannotAsk):
    """The gateway answers, and says why not: `more` is the rest of its problem details (RFC 9457)."""

    def __init__(self, status: int, what: str, more: Mapping[str, Any], remedy: str = "") -> None:
        super().__init__(what, remedy)
        self.status = status
        self.more = more


def unanswered(url: str, error: Exception, besides: str, changes: bool) -> CannotAsk:
    """`changes`: what was asked for changes something."""
    if not url.startswith(("http://", "https://")):
        return CannotAsk(f"No admin listener answers at {url}.", _scheme(url))
    if isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.InvalidURL, httpx2.PoolTimeout)):
        trouble = _of_tls(error)
        if trouble is not None:
            return CannotAsk(f"No TLS with {url}: {trouble[0]}.", trouble[1])
        remedy = "Is the gateway up? Name its admin listener (`admin.listen` in wardgate.yaml) with --admin URL."
        return CannotAsk(f"No admin listener answers at {url}.", f"{remedy} {besides}".strip())
    late = isinstance(error, httpx2.TimeoutException)
    what = f"{url} took the question, and does not answer." if late else f"The answer of {url} broke off."
    remedies = []
    if changes:
        remedies.append(_PERHAPS)
    if _ssl_error(error) is not None:
        remedies.append("Where it asks for a certificate of yours, WARDGATE_ADMIN_CERT names it, with its key.")
    elif not late and url.startswith("http://"):
        remedies.append("Where the listener has a certificate, write https://.")
    return CannotAsk(what, "\n".join(remedies) or "Ask again; its log may say why.", changes)


def _scheme(url: str) -> str:
    return "Write http:// or https://." if "://" in url else f"Write the whole URL: --admin http://{url}"


def _ssl_error(error: BaseException | None) -> ssl.SSLError | None:
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error


def _of_tls(error: Exception) -> tuple[str, str] | None:
    found = _ssl_error(error)
    if found is None:
        return None
    if isinstance(found, ssl.SSLCertVerificationError):
        what = "its certificate is of another name, too old, or of an authority that this machine does not know"
        return what, "WARDGATE_ADMIN_CA names the PEM file of the authority that signed it."
    return (
        "it speaks another protocol, or wants a certificate",
        "Without a certificate (`admin.listen.tls`), write http://.",
    )


def _document(raw: bytes) -> Mapping[str, Any]:
    """Empty for what is no JSON object."""
    try:
        told = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return told if isinstance(told, dict) else {}


def stranger(reply: httpx2.Response) -> Refused:
    url = f"{reply.url.scheme}://{reply.url.netloc.decode()}"
    what = f"What answers at {url} is no admin listener of wardgate's, or of another version ({reply.status_code})."
    remedy = "The EHR's port is another one, and a proxy may stand between: see `admin.listen` in wardgate.yaml."
    return Refused(reply.status_code, what, {}, remedy)


def refused_by(reply: httpx2.Response, changes: bool) -> Refused:
    """`changes`: what was asked for changes something."""
    told, status = _document(reply.content), reply.status_code
    what = told.get("detail") or told.get("title")
    if not told.get("detail") and status in (404, 405) or not isinstance(what, str):
        refused = stranger(reply)
    else:
        refused = Refused(status, what, told, _token_remedy(status))
    if changes and status in _WHO_KNOWS:
        refused.perhaps_done = True
        if "code" not in told:  # else it says so itself
            refused.remedy = f"{_PERHAPS}\n{refused.remedy}".strip()
    return refused


def _token_remedy(status: int) -> str:
    if status != 401:
        return ""
    if token_header():
        return "WARDGATE_TOKEN is set: is it a token of this gateway, whole, and not expired?"
    return (
        "Set WARDGATE_TOKEN to your token. Whoever runs the gateway gives one: `wardgate token new NAME --role ROLE`."
    )
