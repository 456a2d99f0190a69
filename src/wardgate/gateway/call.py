"""A hook request on its way through the gateway: with its id, its clock and its time budget."""

from collections.abc import Callable, Mapping
from enum import StrEnum

import msgspec

from wardgate.domain.context.caller import Caller
from wardgate.domain.decisions.suppression import Repetition
from wardgate.domain.hooks import HookRequest
from wardgate.domain.outcomes import Stage
from wardgate.domain.plans import ServicePlan
from wardgate.gateway.budget import Budget
from wardgate.gateway.hot import HotKey
from wardgate.gateway.trace import Trace


class Kept(StrEnum):
    """What stands in the hot store of earlier calls; the kinds of its keys."""

    ANSWER = "answer"  # for a repeat of the same request
    SCORE = "score"  # for the ladder
    SHOWN = "shown"  # the mark of the card that was shown
    NOTICE = "notice"  # the mark of the notice


class Traces(msgspec.Struct, frozen=True, gc=False):
    """What stands in records for ids and bytes of a call: pseudonyms and keyed fingerprints, made once."""

    patient: str
    encounter: str | None
    user: str | None
    hook_instance: str
    request_print: str
    resources_print: str | None


_NOTHING: Mapping[str, HotKey] = {}
_NO_VALUES: Mapping[str, bytes] = {}


class Memory:
    """What is noted on the way of one call: what the hot store holds for it, looked up once, and what is to be kept.

    `asked` are the keys by what stands under them (a score under the digest of its release), `found` the values that
    were there: nothing of both where the store is down. `caller` is noted as soon as it is known, for a call
    that is cut off. `repetition`: of its card. `unheard`: its client did not wait for the card. `reads` are the URLs
    and bodies that were read for it, and `reply` the model's, as they came: `traces` has their fingerprints, and then
    they are let go. `written` is the answer's JSON.
    """

    __slots__ = ("asked", "caller", "found", "reads", "repetition", "reply", "traces", "unheard", "written")

    def __init__(self, traces: Traces | None = None) -> None:
        self.asked: Mapping[str, HotKey] = _NOTHING
        self.found: Mapping[str, bytes] = _NO_VALUES
        self.caller: Caller | None = None
        self.repetition = Repetition.NEW
        self.unheard = False
        self.reads: list[tuple[str, bytes]] = []
        self.reply = b""
        self.traces = traces
        self.written = b""


def _stays() -> bool:
    return False


def milliseconds(seconds: float) -> float:
    """To the microsecond. `round` makes a text of the number and reads it again, at five times the price."""
    return int(seconds * 1e6 + 0.5) / 1000


class HookCall(msgspec.Struct, frozen=True, eq=False):
    """`now` is the wall clock of the call in epoch seconds, the only "now" that anything computed uses.

    `budget` says how long each part of it may take. `stages` collects the end of each stage as (name, monotonic
    seconds), for records and telemetry; nothing decides by it. `body` are the bytes of the request, by which a repeat
    is known. `trace` is None where nothing is traced. `gone` says whether its client has stopped waiting; a call is
    answered all the same.
    """

    request: HookRequest
    plan: ServicePlan
    decision_id: str
    now: float
    budget: Budget
    body: bytes = b""
    stages: list[tuple[Stage, float]] = []
    memory: Memory = msgspec.field(default_factory=Memory)
    trace: Trace | None = None
    gone: Callable[[], bool] = _stays

    def __repr__(self) -> str:
        """Nothing of the patient."""
        return f"HookCall({self.decision_id!r})"

    @property
    def started(self) -> float:
        return self.budget.started

    def stages_ms(self) -> dict[str, float]:
        """Milliseconds that each stage took, in their order; the names are the spine's own."""
        durations: dict[str, float] = {}
        before = self.started
        for name, ended in self.stages:
            durations[name] = milliseconds(ended - before)
            before = ended
        return durations
