"""A call that can be run again: all that came into it, and what each stage made of that.

    capture   a call runs as ever; its ports write down what they brought
    replay    the same spine runs on what was written down, at the recorded clock and decision id

Law 5: the same inputs, clock and id give the same card, byte for byte. Where they do not, the first stage that differs
is named. A capture holds a patient's data, and belongs to whoever made it on a terminal.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec

from wardgate.domain.hooks import FhirAccess
from wardgate.domain.records import DecisionRecord
from wardgate.domain.rollout.assignment import Assignment
from wardgate.domain.rollout.rollouts import Rollout
from wardgate.gateway.outcome import HookOutcome
from wardgate.gateway.ports import FhirReader

FORMAT = 2
LATEST = 253_402_300_800  # the year 10000: no calendar goes on


class Read(msgspec.Struct, frozen=True):
    """One FHIR read; None: it brought nothing, or not in time."""

    url: str
    body: bytes | None


class Asked(msgspec.Struct, frozen=True):
    """One question to the model, and its reply, as bytes. `mark`: what the request bore so that its reply is known.
    `failure` in place of a reply: see `adapters.http.client.HttpFailure`."""

    url: str
    sent: bytes
    mark: bytes = b""
    status: int = 0
    content_type: str = ""
    reply: bytes = b""
    failure: str | None = None


class Prints(msgspec.Struct, frozen=True):
    """The keyed fingerprints of the record of this call."""

    request: str | None = None
    resources: str | None = None
    reply: str | None = None


class Capture(msgspec.Struct, frozen=True):
    format: int
    wardgate: str  # the version that made it
    service_id: str
    decision_id: str
    now: Annotated[float, msgspec.Meta(ge=0, lt=LATEST)]
    epoch: int
    rollout: Rollout
    versions: Mapping[str, str]
    """Of the releases that the rollout names, by digest: one that has been edited since is still to be compared."""
    request: bytes
    reads: tuple[Read, ...]
    asked: tuple[Asked, ...]
    steps: Mapping[str, Any]
    answer: bytes
    of_gateway: bool
    """Whether the gateway itself gave this answer, byte for byte; else it was worked out beside it alone."""
    prints: Prints = Prints()
    client: str = ""
    """Whose call it was; empty: nobody wrote it down, and the first of the configuration is taken."""


class Difference(msgspec.Struct, frozen=True):
    """`field` names a place in what the stage made; `before` and `now` may be a patient's, for a terminal only."""

    stage: str
    field: str
    before: Any
    now: Any


RELEASE = "release"
STAGES = ("gather", "locate", "assign", "extract", "predict", "decide", "render")
"""In the order of a call; `answer`, the bytes, comes last."""


def steps_of(outcome: HookOutcome) -> dict[str, Any]:
    """What each stage made, as plain data; a stage that was not reached is not there."""
    release, record, prediction = outcome.release, outcome.record, outcome.prediction
    steps: dict[str, Any] = {
        RELEASE: release and {"digest": release.digest, "version": release.version},
        "gather": record and {"dropped": dict(record.dropped), "wrong_patient": record.wrong_patient},
        "locate": outcome.caller,
        "assign": _assigned(outcome),
        "extract": outcome.vector and dict(outcome.vector.values),
        "predict": prediction,
        "decide": outcome.decision or {"reason": outcome.reason},
        "render": outcome.rendered,
    }
    reached = {name: made for name, made in steps.items() if made is not None}
    return msgspec.json.decode(msgspec.json.encode(reached))  # type: ignore[no-any-return]  # as a file gives it back


def _assigned(outcome: HookOutcome) -> Assignment | None:
    """With the version in the digest's place: whether the content is another, `release` says. Without the bucket, which
    decides nothing that the arm does not say."""
    if outcome.assignment is None or outcome.release is None:
        return outcome.assignment
    return msgspec.structs.replace(outcome.assignment, release=outcome.release.version, bucket=None)


class Replayed(msgspec.Struct, frozen=True):
    """`same`: the answer, byte for byte. `release`: another release than then; `first`: the first difference of what
    the stages made, in their order."""

    same: bool
    release: Difference | None = None
    first: Difference | None = None


def compare(capture: Capture, steps: Mapping[str, Any], answer: bytes, noted: Iterable[Difference] = ()) -> Replayed:
    """`noted`: what the ports were asked besides what they hold."""
    by_stage = {each.stage: each for each in noted}
    found = [by_stage.get(stage) or _first(stage, "", capture.steps.get(stage), steps.get(stage)) for stage in STAGES]
    return Replayed(
        capture.answer == answer,
        _first(RELEASE, "", capture.steps.get(RELEASE), steps.get(RELEASE)),
        next((each for each in found if each is not None), None) or _of_answer(capture.answer, answer),
    )


def _of_answer(before: bytes, now: bytes) -> Difference | None:
    if before == now:
        return None
    return _first("answer", "", _decoded(before), _decoded(now)) or Difference("answer", "bytes", before, now)


def _first(stage: str, place: str, before: Any, now: Any) -> Difference | None:
    if isinstance(before, dict) and isinstance(now, dict):
        keys: list[Any] = list(dict.fromkeys([*before, *now]))
        pairs = [(str(key), before.get(key), now.get(key)) for key in keys]
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        pairs = [(str(number), *pair) for number, pair in enumerate(zip(before, now, strict=True))]
    else:
        return None if before == now else Difference(stage, place, before, now)
    for key, one, other in pairs:
        found = _first(stage, f"{place}.{key}".lstrip("."), one, other)
        if found is not None:
            return found
    return None


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None


@dataclass
class ReadTape:
    """Meets `FhirReader`: asks another, and writes down what it brought."""

    inner: FhirReader
    reads: list[Read] = field(default_factory=list)

    async def read(self, access: FhirAccess, url: str, timeout: float) -> bytes | None:
        body = None
        try:
            body = await self.inner.read(access, url, timeout)
        finally:  # cut off by the deadline, it has brought nothing
            self.reads.append(Read(url, body))
        return body


class PlayedReads:
    """Meets `FhirReader`: what was written down, and nothing else."""

    def __init__(self, reads: Iterable[Read]) -> None:
        self._bodies = {read.url: read.body for read in reads}
        self.noted: list[Difference] = []

    async def read(self, access: FhirAccess, url: str, timeout: float) -> bytes | None:
        if url not in self._bodies:
            self.noted.append(Difference("gather", "read", sorted(self._bodies), url))
            return None
        return self._bodies[url]


def prints_of(record: DecisionRecord) -> Prints:
    return Prints(record.request_print, record.resources_print, record.reply_print)
