"""Every kind of fault: its name in a scenario is the key in KINDS, its parameters (`with:`) are its fields.

Lasting   a state of the listener: nobody is there, nobody accepts
Meeting   what becomes of one exchange over HTTP; some work on the bytes of a raw TCP connection as well
Edited    the real answer with something in it that should not be there
"""

import asyncio
import gzip
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import msgspec

from wardgate.lab.chaos.exchange import Exchange
from wardgate.lab.chaos.messages import response

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m)")
_IN_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_PIECE = 64 * 1024


def seconds(text: str) -> float:
    """Of `30ms`, `2s` or `1m`; ValueError otherwise."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a duration such as 30ms, 2s or 1m")
    return float(found[1]) * _IN_SECONDS[found[2]]


class Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`tcp`: it can also be done to a connection whose protocol the proxy does not know."""

    tcp: ClassVar[bool] = False


# --- the listener ---------------------------------------------------------------------------------------------------


class Lasting(Kind, frozen=True):
    """What the proxy is told when it begins; it undoes it in the end."""

    tcp: ClassVar[bool] = True


class Refused(Lasting, frozen=True):
    """Nobody listens: the port is closed, and the connections that there were are gone."""


class NotAccepted(Lasting, frozen=True):
    """Connections stay in the backlog of a process that does nothing; those that there were fall silent and end."""


# --- one exchange ---------------------------------------------------------------------------------------------------


class Meeting(Kind, frozen=True):
    async def meet(self, exchange: Exchange) -> None:
        raise NotImplementedError


class Latency(Meeting, frozen=True):
    """The right answer, later: `fixed`, `uniform` [from, to], or lognormal by `median` and `sigma`."""

    tcp: ClassVar[bool] = True
    fixed: str = ""
    uniform: tuple[str, str] | None = None
    median: str = ""
    sigma: float = 0.5

    def __post_init__(self) -> None:
        if sum(map(bool, (self.fixed, self.uniform, self.median))) != 1:
            raise ValueError("latency needs one of fixed, uniform and median")
        for text in (self.fixed, *(self.uniform or ()), self.median):
            if text:
                seconds(text)

    async def wait(self, dice: Any) -> None:
        if self.uniform is not None:
            await asyncio.sleep(dice.uniform(seconds(self.uniform[0]), seconds(self.uniform[1])))
        elif self.fixed:
            await asyncio.sleep(seconds(self.fixed))
        else:
            await asyncio.sleep(seconds(self.median) * dice.lognormvariate(0, self.sigma))

    async def meet(self, exchange: Exchange) -> None:
        await self.wait(exchange.dice)
        await exchange.write((await exchange.reply()).wire())


class Hang(Meeting, frozen=True):
    """It reads the request and never answers."""

    tcp: ClassVar[bool] = True

    async def meet(self, exchange: Exchange) -> None:
        await exchange.gone()


class Drip(Meeting, frozen=True):
    """The right answer, a byte at a time, from its `head` or only from its `body` on."""

    tcp: ClassVar[bool] = True
    every: str = "20ms"
    start: Literal["head", "body"] = "head"

    def __post_init__(self) -> None:
        seconds(self.every)

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        first, rest = (b"", reply.wire()) if self.start == "head" else (reply.head(), reply.body)
        await exchange.write(first)
        await self.drip(rest, exchange.write)

    async def drip(self, data: bytes, write: Callable[[bytes], Any]) -> None:
        for place in range(len(data)):
            await write(data[place : place + 1])
            await asyncio.sleep(seconds(self.every))


class Reset(Meeting, frozen=True):
    """The connection is reset (RST): when it is accepted, after the request, in the head or in the body."""

    tcp: ClassVar[bool] = True
    at: Literal["accept", "request", "head", "body"] = "request"

    async def meet(self, exchange: Exchange) -> None:
        if self.at in ("head", "body"):
            reply = await exchange.reply()
            half = len(reply.body) // 2
            await exchange.write(reply.head()[:40] if self.at == "head" else reply.head() + reply.body[:half])
            await asyncio.sleep(0.005)  # an RST overtakes what has not been read
        exchange.reset()


class Close(Meeting, frozen=True):
    """It reads the request and closes the connection in order, without an answer."""

    tcp: ClassVar[bool] = True

    async def meet(self, exchange: Exchange) -> None:
        exchange.closed = True


class HalfBody(Meeting, frozen=True):
    """The head promises the whole body; half of it comes, then the connection is closed."""

    tcp: ClassVar[bool] = True

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        await exchange.write(reply.head() + reply.body[: len(reply.body) // 2])
        exchange.closed = True


class CutJson(Meeting, frozen=True):
    """Half of the document, framed as if it were whole."""

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        await exchange.write(reply.with_body(reply.body[: len(reply.body) // 2]).wire())


class StalledBody(Meeting, frozen=True):
    """Half of the body, and then nothing: the connection stays open."""

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        await exchange.write(reply.head() + reply.body[: len(reply.body) // 2])
        await exchange.gone()


class SlowClose(Meeting, frozen=True):
    """The whole answer of a server that promises to close the connection, and does not. Without its `length` the answer
    ends with the connection, and so never; with it, it is there."""

    length: bool = False

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        await exchange.write(reply.head(-1 if self.length else None, _CLOSE) + reply.body)
        await exchange.gone()


class Http10(Meeting, frozen=True):
    """The right answer of a server that closes each connection, as HTTP/1.0 does."""

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        start = reply.start.replace(b"HTTP/1.1", b"HTTP/1.0", 1)
        await exchange.write(start + reply.head(None)[len(reply.start) :] + reply.body)
        exchange.closed = True


class Closing(Meeting, frozen=True):
    """The right answer, and then the end of the connection: `said` in its head (Connection: close), or without a word,
    though HTTP/1.1 keeps it open."""

    said: bool = True

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        await exchange.write(reply.head(-1, *((_CLOSE,) if self.said else ())) + reply.body)
        exchange.closed = True


class Trailers(Meeting, frozen=True):
    """The right answer in chunks of a few bytes, with extensions of the chunks, and header fields after the last."""

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        pieces = [reply.body[place : place + 7] for place in range(0, len(reply.body), 7)]
        chunks = b"".join(b"%x;chaos=1\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        await exchange.write(reply.head(None, _CHUNKED) + chunks + b"0\r\nX-Chaos: trailer\r\n\r\n")


class Status(Meeting, frozen=True):
    """Any status, with a body that says more than it should; `retry_after` in seconds."""

    status: int = 500
    retry_after: int | None = None

    def __post_init__(self) -> None:
        if not 200 <= self.status <= 599:
            raise ValueError("a status is 200 to 599")

    async def meet(self, exchange: Exchange) -> None:
        more = () if self.retry_after is None else ((b"Retry-After", b"%d" % self.retry_after),)
        if self.status in (204, 304):
            return await exchange.write(response(self.status).head(None))
        await exchange.write(
            response(self.status, b'{"error":"chaos: patient Zebulon"}', b"application/json", *more).wire()
        )


class Redirect(Meeting, frozen=True):
    """302 to another host, which must never see a token or a patient."""

    to: str = "http://127.0.0.1:9/elsewhere"

    async def meet(self, exchange: Exchange) -> None:
        location = (b"Location", self.to.encode("latin-1", "replace"))
        await exchange.write(response(302, b"", b"text/plain", location).wire())


class Garbage(Meeting, frozen=True):
    """200, and bytes that are no JSON."""

    tcp: ClassVar[bool] = True
    size: int = 500

    async def meet(self, exchange: Exchange) -> None:
        await exchange.write(response(200, exchange.dice.randbytes(self.size)).wire())


class NotHttp(Meeting, frozen=True):
    """Bytes that are no HTTP at all."""

    async def meet(self, exchange: Exchange) -> None:
        await exchange.write(b"\x16\x03\x01 chaos\r\n\r\n" + exchange.dice.randbytes(200))
        exchange.closed = True


class Empty(Meeting, frozen=True):
    """200 without a body."""

    async def meet(self, exchange: Exchange) -> None:
        await exchange.write(response(200).wire())


class Page(Meeting, frozen=True):
    """200 with the login page of something in between."""

    async def meet(self, exchange: Exchange) -> None:
        await exchange.write(response(200, b"<html><h1>Sign in</h1></html>", b"text/html").wire())


class HugeBody(Meeting, frozen=True):
    """200 and a body of `size` bytes that says so in its head, or (`announced: false`) only goes on and on."""

    size: int = 64 * 1024 * 1024
    announced: bool = True

    async def meet(self, exchange: Exchange) -> None:
        exchange.closed = True
        head = response(200, b"")
        await exchange.write(head.head(self.size) if self.announced else head.head(None, _CHUNKED))
        piece = b" " * _PIECE
        framed = piece if self.announced else b"%x\r\n%b\r\n" % (len(piece), piece)
        for _ in range(self.size // _PIECE):
            await exchange.write(framed)


class EndlessHeaders(Meeting, frozen=True):
    """A head that never ends."""

    async def meet(self, exchange: Exchange) -> None:
        exchange.closed = True
        await exchange.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(1_000_000):
            await exchange.write(b"X-Chaos-%d: %b\r\n" % (number, b"z" * 60))


class HugeHeader(Meeting, frozen=True):
    """The right answer, with one header field of `size` bytes."""

    size: int = 100_000

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        await exchange.write(reply.with_header(b"X-Chaos", b"z" * self.size).wire())


class TwoLengths(Meeting, frozen=True):
    """The right answer, whose head gives two lengths: whoever believes the first reads another body than whoever
    believes the second."""

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        await exchange.write(reply.head(-1, (b"Content-Length", b"%d" % (len(reply.body) // 2))) + reply.body)


class EarlyHints(Meeting, frozen=True):
    """Interim answers (100, 103): as many as `count`, then the real one; or without end."""

    every: str = "1ms"
    count: int | None = None

    def __post_init__(self) -> None:
        seconds(self.every)

    async def meet(self, exchange: Exchange) -> None:
        for _ in range(100_000 if self.count is None else self.count):
            await exchange.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </chaos>\r\n\r\n")
            await asyncio.sleep(seconds(self.every))
        if self.count is None:
            exchange.closed = True
        else:
            await exchange.write((await exchange.reply()).wire())


class BrokenChunks(Meeting, frozen=True):
    """Chunked, with a chunk size that is no number."""

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        await exchange.write(reply.head(None, _CHUNKED) + b"zz\r\n" + reply.body + b"\r\n0\r\n\r\n")
        exchange.closed = True


class ShortLength(Meeting, frozen=True):
    """A Content-Length below the body's: what is left over stands where the next answer should begin."""

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        await exchange.write(reply.head(len(reply.body) // 2) + reply.body)


class Twice(Meeting, frozen=True):
    """The right answer, and at once a second one that nobody asked for: it must not answer the next call."""

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        await exchange.write(reply.wire())
        other = re.sub(rb"0\.\d+", b"0.91", reply.body)
        await exchange.write(reply.with_body(other).wire())


class Leftovers(Meeting, frozen=True):
    """The right answer, and `after` a moment bytes that nobody asked for and that are no HTTP."""

    after: str = "2ms"

    def __post_init__(self) -> None:
        seconds(self.after)

    async def meet(self, exchange: Exchange) -> None:
        await exchange.write((await exchange.reply()).wire())
        await asyncio.sleep(seconds(self.after))
        await exchange.write(exchange.dice.randbytes(40))


class Greeting(Meeting, frozen=True):
    """The server speaks first: whoever connects is greeted, before he has asked anything. Then the right answers."""

    text: str = "220 ready"

    async def meet(self, exchange: Exchange) -> None:
        await exchange.write((await exchange.reply()).wire())


class Says(Meeting, frozen=True):
    """One line in place of each answer, as of a server that is not ready for anybody."""

    tcp: ClassVar[bool] = True
    text: str = "-LOADING Redis is loading the dataset in memory"

    async def meet(self, exchange: Exchange) -> None:
        await exchange.write(self.line)
        exchange.closed = True

    @property
    def line(self) -> bytes:
        return self.text.encode("utf-8") + b"\r\n"


class GzipLie(Meeting, frozen=True):
    """The right answer that says it is gzip and is not, or (`really: true`) is, though nobody asked for it."""

    really: bool = False

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        body = gzip.compress(reply.body) if self.really else reply.body
        await exchange.write(reply.with_body(body).with_header(b"Content-Encoding", b"gzip").wire())


class Deep(Meeting, frozen=True):
    """JSON that is nested too deep to be read by recursion."""

    levels: int = 100_000

    async def meet(self, exchange: Exchange) -> None:
        await exchange.write(response(200, b"[" * self.levels + b"]" * self.levels).wire())


# --- the answer, edited ---------------------------------------------------------------------------------------------


class Edited(Meeting, frozen=True):
    """Answers that are no JSON object, or not of the kind that it edits, pass as they are."""

    def edit(self, document: dict[str, Any], exchange: Exchange) -> None:
        raise NotImplementedError

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        document = reply.document()
        if isinstance(document, dict):
            self.edit(document, exchange)
            reply = reply.with_body(json.dumps(document).encode())  # NaN and Infinity as Python writes them
        await exchange.write(reply.wire())


class Score(Edited, frozen=True):
    """Another value where the numbers of the prediction stand: `nan`, `infinity`, `null`, `text`, or above 1."""

    value: Literal["nan", "infinity", "null", "text", "above"] = "nan"
    _VALUES: ClassVar[Mapping[str, object]] = {
        "nan": float("nan"),
        "infinity": float("inf"),
        "null": None,
        "text": "0.42",
        "above": 1.7,
    }

    def edit(self, document: dict[str, Any], exchange: Exchange) -> None:
        _set_numbers(document, self._VALUES[self.value])


class WrongShape(Edited, frozen=True):
    """More numbers than one patient has."""

    def edit(self, document: dict[str, Any], exchange: Exchange) -> None:
        for output in _outputs(document):
            output["data"] = [*output.get("data", []), 0.5, 0.5]
            output["shape"] = [1, len(output["data"])]
        if isinstance(document.get("predictions"), list):
            document["predictions"] += [0.5, 0.5]


class NoOutputs(Edited, frozen=True):
    """The prediction is left out."""

    def edit(self, document: dict[str, Any], exchange: Exchange) -> None:
        for name in ("outputs", "predictions"):
            if name in document:
                document[name] = []


class WrongVersion(Edited, frozen=True):
    """The answer of another version of the model."""

    def edit(self, document: dict[str, Any], exchange: Exchange) -> None:
        if "model_version" in document:
            document["model_version"] = "666"


class WrongModel(Edited, frozen=True):
    """The answer of another model."""

    def edit(self, document: dict[str, Any], exchange: Exchange) -> None:
        if "model_name" in document:
            document["model_name"] = "another"


class DuplicateKeys(Meeting, frozen=True):
    """A JSON object in which each key of the real answer stands twice, first with a wrong value."""

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        document = reply.document()
        if isinstance(document, dict) and document:
            twins = ",".join(
                f"{json.dumps(name)}:{{}},{json.dumps(name)}:{json.dumps(v)}" for name, v in document.items()
            )
            reply = reply.with_body(f"{{{twins}}}".encode())
        await exchange.write(reply.wire())


class WrongPatient(Edited, frozen=True):
    """The chart of somebody else: the ids and the references of another patient in every resource."""

    def edit(self, document: dict[str, Any], exchange: Exchange) -> None:
        _readdress(document)


class OperationOutcome(Meeting, frozen=True):
    """200 with an OperationOutcome in place of what was asked for."""

    async def meet(self, exchange: Exchange) -> None:
        issue = {"severity": "error", "code": "exception", "diagnostics": "chaos"}
        document = {"resourceType": "OperationOutcome", "issue": [issue]}
        await exchange.write(response(200, json.dumps(document).encode(), b"application/fhir+json").wire())


class EmptyBundle(Edited, frozen=True):
    """Searches find nothing: a chart that is clinically empty, which is no failure."""

    def edit(self, document: dict[str, Any], exchange: Exchange) -> None:
        if document.get("resourceType") == "Bundle":
            document["total"], document["entry"] = 0, []


class EndlessPages(Edited, frozen=True):
    """Each page of a search has a next one."""

    def edit(self, document: dict[str, Any], exchange: Exchange) -> None:
        if document.get("resourceType") == "Bundle":
            target = exchange.request.start.split(b" ")[1].decode("latin-1").partition("&chaos=")[0]
            url = f"http://{exchange.request.header(b'host').decode('latin-1')}{target}&chaos={exchange.number}"
            document["link"] = [{"relation": "next", "url": url}]


# --- any of them ----------------------------------------------------------------------------------------------------


class AnyOf(Meeting, frozen=True):
    """One of `kinds`, another for each request; without them, of all that can be done to an exchange."""

    kinds: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.kinds:
            if name not in EXCHANGES:
                raise ValueError(f"{name!r} is no kind of fault of an exchange")

    async def meet(self, exchange: Exchange) -> None:
        await EXCHANGES[exchange.dice.choice(self.kinds or tuple(EXCHANGES))].meet(exchange)


_CHUNKED = (b"Transfer-Encoding", b"chunked")
_CLOSE = (b"Connection", b"close")


def _outputs(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The tensors of an Open Inference reply."""
    found = document.get("outputs")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _set_numbers(document: dict[str, Any], value: object) -> None:
    outputs = _outputs(document)
    for output in outputs:
        output["data"] = [value for _ in output.get("data", [])]
    if outputs:
        return
    for name, found in document.items():
        document[name] = _with_numbers(found, value)


def _with_numbers(node: Any, value: object) -> Any:
    if isinstance(node, dict):
        return {name: _with_numbers(inner, value) for name, inner in node.items()}
    if isinstance(node, list):
        return [_with_numbers(inner, value) for inner in node]
    return value if isinstance(node, int | float) and not isinstance(node, bool) else node


def _readdress(node: Any) -> None:
    if isinstance(node, list):
        for inner in node:
            _readdress(inner)
    elif isinstance(node, dict):
        if node.get("resourceType") == "Patient":
            node["id"] = "somebody-else"
        if isinstance(node.get("reference"), str) and node["reference"].startswith("Patient/"):
            node["reference"] = "Patient/somebody-else"
        for inner in node.values():
            _readdress(inner)


KINDS: Mapping[str, type[Kind]] = {
    "refused": Refused,
    "not_accepted": NotAccepted,
    "latency": Latency,
    "hang": Hang,
    "drip": Drip,
    "reset": Reset,
    "close": Close,
    "half_body": HalfBody,
    "cut_json": CutJson,
    "stalled_body": StalledBody,
    "slow_close": SlowClose,
    "http10": Http10,
    "closing": Closing,
    "trailers": Trailers,
    "status": Status,
    "redirect": Redirect,
    "garbage": Garbage,
    "not_http": NotHttp,
    "empty": Empty,
    "page": Page,
    "huge_body": HugeBody,
    "endless_headers": EndlessHeaders,
    "huge_header": HugeHeader,
    "two_lengths": TwoLengths,
    "early_hints": EarlyHints,
    "broken_chunks": BrokenChunks,
    "short_length": ShortLength,
    "twice": Twice,
    "leftovers": Leftovers,
    "greeting": Greeting,
    "says": Says,
    "gzip_lie": GzipLie,
    "deep": Deep,
    "score": Score,
    "wrong_shape": WrongShape,
    "no_outputs": NoOutputs,
    "wrong_version": WrongVersion,
    "wrong_model": WrongModel,
    "duplicate_keys": DuplicateKeys,
    "wrong_patient": WrongPatient,
    "operation_outcome": OperationOutcome,
    "empty_bundle": EmptyBundle,
    "endless_pages": EndlessPages,
    "any": AnyOf,
}

EXCHANGES: Mapping[str, Meeting] = {
    name: Latency(fixed="80ms") if kind is Latency else kind()
    for name, kind in KINDS.items()
    if issubclass(kind, Meeting) and kind is not AnyOf
}
"""What can be done to one exchange, with default parameters."""
