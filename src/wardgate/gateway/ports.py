"""What the gateway needs from the world. Adapters meet these; tests bring small fakes."""

import sys
from collections.abc import Sequence
from typing import Protocol

from wardgate.domain.feedback import FeedbackEntry
from wardgate.domain.hooks import FhirAccess
from wardgate.domain.inference.endpoint import Endpoint, ModelReply, Readiness
from wardgate.domain.inference.prediction import ModelInputs
from wardgate.domain.outcomes import Reason, Stage
from wardgate.domain.records import DecisionRecord
from wardgate.domain.rollout.rollouts import Snapshot


class Clock(Protocol):
    def now(self) -> float:
        """Wall clock, epoch seconds."""
        ...

    def monotonic(self) -> float:
        """Seconds; only differences mean something."""
        ...


class Snapshots(Protocol):
    def current(self) -> Snapshot: ...


class FhirReader(Protocol):
    async def read(self, access: FhirAccess, url: str, timeout: float) -> bytes | None:
        """GET one absolute URL under `access.server`; the body of a 200 (a resource or a Bundle), else None.

        Never raises for what a server does: unreachable, slow, an error status, too large, a redirect are all
        None (and counted by the adapter). `url` has been checked to stay on the server's origin and path.
        """
        ...


NEW_CONNECTION = sys.maxsize
"""As `oldest`: no connection has this number."""


class ModelClient(Protocol):
    async def infer(
        self,
        endpoint: Endpoint,
        inputs: ModelInputs,
        timeout: float,
        oldest: int = 0,
        traceparent: str | None = None,
    ) -> ModelReply:
        """One prediction, checked for version, shape and finiteness; raises ModelUnavailable with its reason.

        `timeout` is told to the endpoint: the seconds after which nobody waits for the answer any more. Holds no timer
        itself: the attempt timeout of the model stack does. No connection is used whose number is below `oldest`,
        where the client numbers them. `traceparent` is the W3C header, where anything is traced.
        """
        ...

    async def ready(self, endpoint: Endpoint) -> Readiness:
        """Whether the endpoint says that this very version is ready; raises ModelUnavailable like `infer`."""
        ...

    def renew(self, endpoint: Endpoint) -> int | None:
        """Use none of the connections to this host that there are now for another request. The number of the newest
        one that was opened so far; None where the client does not number them, and goes on with all."""
        ...


class RecordSink(Protocol):
    async def append(self, record: DecisionRecord, seconds: float, longest: float) -> None:
        """Acknowledged when it returns: the record outlives this process. Raises RecordUnavailable where it is not;
        what is kept of it then says that the card was withheld. `seconds` are for the disk; where that is not what is
        waited for, but a processor that others use, the wait ends with `longest`."""
        ...

    def note(self, record: DecisionRecord) -> None:
        """Kept without waiting, and counted where it is lost."""
        ...


class FeedbackSink(Protocol):
    async def add(self, entries: Sequence[FeedbackEntry], seconds: float) -> None:
        """All are acknowledged when it returns. Raises RecordUnavailable where they are not, within `seconds`; sent
        again, they are the same entries (FB-6)."""
        ...


class Fingerprints(Protocol):
    def of(self, content: bytes) -> str:
        """A keyed hash, with the id of its key."""
        ...


class HotStore(Protocol):
    """Short-lived values by opaque keys, shared by replicas where it is Redis. What it loses may be lost: each use
    states its answer for "not there" and for "down". Nothing here ever raises, and nothing waits beyond the store's
    own bound."""

    async def read(self, keys: Sequence[bytes]) -> Sequence[bytes | None] | None:
        """The values in the order of the keys, in one round trip for all. None: the store is down, or did not answer
        in time."""
        ...

    def write(self, key: bytes, value: bytes, ttl: float) -> None:
        """Taken note of, and written off the path; dropped and counted where too much waits, or it is too large.
        `ttl` in seconds."""
        ...

    async def claim(self, key: bytes, ttl: float) -> bool | None:
        """Whether this caller is the first within `ttl` seconds. None: the store is down, or did not answer in time."""
        ...


class AnswerVault(Protocol):
    """Seals an answer under a key of the deployment and of the very request that it answers."""

    def seal(self, name: bytes, body: bytes, answer: bytes) -> bytes:
        """`name` is the key under which it will be kept: it opens under no other."""
        ...

    def open(self, name: bytes, body: bytes, sealed: bytes) -> bytes | None:
        """None: another body or name, forged, or sealed under a secret that is gone."""
        ...


class Meter(Protocol):
    def call_ended(
        self, service_id: str, hook: str, mode: str, arm: str, outcome: str, reason: str, step: str, seconds: float
    ) -> None: ...

    def call_timed(self, service_id: str, started: float, stages: Sequence[tuple[Stage, float]], left: float) -> None:
        """The end of each stage on the monotonic clock, and the seconds that were left of the deadline."""
        ...

    def call_deferred(self, service_id: str, question: str, reason: str) -> None:
        """`question` is the exclusion, or the number of the `defer` rule, that decided; `none` where it was neither."""
        ...

    def score_reused(self, service_id: str, age: float) -> None:
        """A cached score stood in for the model; its age in seconds."""
        ...

    def input_marked(self, model: str, feature: str, mark: str) -> None:
        """A feature has no value, for this reason."""
        ...

    def feedback_given(self, service_id: str, outcome: str, override: str) -> None:
        """`outcome` is `accepted`, `overridden`, or `refused` for a report that could not be read; `override` is the
        class of the reason, `unknown` or `none`."""
        ...

    def feedback_untimed(self, service_id: str) -> None:
        """The time in a report cannot be that of an action, and is not kept."""
        ...

    def resource_dropped(self, cause: str, count: int) -> None: ...

    def input_adjusted(self, model: str, feature: str, how: str) -> None:
        """`how` is `filled` or `clipped`."""
        ...

    def input_late(self, model: str, feature: str) -> None:
        """It took longer to become available than its feed has promised."""
        ...

    def contributions_absent(self, model: str, version: str) -> None:
        """Declared by the release and not in the reply."""
        ...

    def breaker_changed(self, service_id: str, model: str, version: str, state: str) -> None:
        """The state in which the circuit to this release's endpoint is now."""
        ...

    def model_retried(self, service_id: str, model: str, version: str) -> None: ...

    def model_coalesced(self, service_id: str, model: str, version: str) -> None:
        """A call that shares the answer of an equal one."""
        ...

    def shadow_ended(self, service_id: str, model: str, version: str, outcome: str, reason: str) -> None:
        """A release that was asked after the response."""
        ...

    def shadow_shed(self, service_id: str, count: int) -> None:
        """Calls whose shadow work was given up, since there was too much to do."""
        ...

    def probe_ended(self, model: str, version: str, reason: Reason | None) -> None:
        """`reason` None: passed."""
        ...


class FaultLog(Protocol):
    def fault(self, stage: str, error: BaseException) -> None:
        """A failure that no table expected. Implementations note its class and place, never its message."""
        ...
