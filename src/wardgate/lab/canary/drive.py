"""Calls, reports and questions on their way to a gateway, and what comes back on its way to the sweep: error bodies,
heads of all answers, and everything of the admin listener. The card itself is the clinician's, and is not searched."""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from wardgate.lab.canary.marks import Marks
from wardgate.lab.canary.sweep import Sweep

Request = dict[str, Any]
_PATIENCE = 30.0


@dataclass(frozen=True)
class Base:
    """A call of a service that the gateway can answer, before anything is planted; `labels`: outcomes that the service
    is followed up by."""

    service: str
    request: Request
    labels: tuple[str, ...] = ()


@dataclass
class Driver:
    """`gateway`, `admin` and `fhir` are URLs; `publish` puts resources where the gateway may read them, `withdraw`
    takes all of them back."""

    gateway: str
    admin: str
    fhir: str
    marks: Marks
    sweep: Sweep
    publish: Callable[[Iterable[Request]], None]
    withdraw: Callable[[], object]
    answered: dict[int, int] = field(default_factory=dict)
    """By HTTP status, on the EHR's listener; 0: no answer."""
    cards: int = 0
    uuids: list[str] = field(default_factory=list)
    """Of the last cards."""

    def planted(self, base: Base) -> Request:
        self.marks.fresh()
        planted: Request = self.marks.plant(base.request)
        return planted

    async def call(self, base: Base, request: Any, headers: Mapping[str, str] | None = None, tail: str = "") -> int:
        body = request if isinstance(request, bytes) else json.dumps(request).encode()
        return await self.send("POST", f"/cds-services/{base.service}{tail}", body, headers)

    async def send(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        length: int | None = None,
        stays: bool = False,
    ) -> int:
        """The status, 0 where the connection was broken off. `length`: what is announced of the body; who sends less
        hangs up then, unless she `stays`."""
        sent = {"content-type": "application/json", **self.marks.headers(), **(headers or {})}
        status, head, answer = await self._exchange(self.gateway, method, target, body, sent, length, stays)
        self.answered[status] = self.answered.get(status, 0) + 1
        self.sweep.hear("heads of answers", head)
        if status != 200:
            self.sweep.hear("error bodies", answer)
        elif b'"cards"' in answer:
            shown = json.loads(answer)["cards"]
            self.cards += len(shown)
            self.uuids = (self.uuids + [card["uuid"] for card in shown])[-20:]
        return status

    async def ask(
        self,
        target: str,
        body: bytes | None = None,
        content_type: str = "application/json",
        method: str = "",
        token: str = "",
    ) -> tuple[int, bytes]:
        """On the admin listener; status and body of the answer. Whoever brings no token is `local` under insecure_demo,
        so only a question with a `token` bears one."""
        headers = {"content-type": content_type, **self.marks.headers()}
        if token:
            headers["authorization"] = f"Bearer {token}"
        else:
            del headers["authorization"]
        way = method or ("GET" if body is None else "POST")
        status, head, answer = await self._exchange(self.admin, way, target, body or b"", headers)
        self.sweep.hear("admin answers", head + answer)
        return status, answer

    async def _exchange(
        self,
        url: str,
        method: str,
        target: str,
        body: bytes,
        headers: Mapping[str, str],
        length: int | None = None,
        stays: bool = False,
    ) -> tuple[int, bytes, bytes]:
        parts = urlsplit(url)
        lines = [f"{method} {target} HTTP/1.1", f"host: {parts.netloc}", "connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"content-length: {len(body) if length is None else length}", "", ""]
        try:
            async with asyncio.timeout(_PATIENCE):
                reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
                try:
                    writer.write("\r\n".join(lines).encode("latin-1") + body)
                    if length is not None and not stays:
                        writer.write_eof()
                    answer = await reader.read()
                finally:
                    writer.close()
        except (OSError, EOFError, TimeoutError):
            return 0, b"", b""
        head, _, rest = answer.partition(b"\r\n\r\n")
        status = head.split(b" ", 2)[1:2]
        return (int(status[0]) if status and status[0].isdigit() else 0), head, rest
