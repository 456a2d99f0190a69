"""The parts that a gateway is built from, each by its own recipe."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wardgate import __version__
from wardgate.adapters.aead.answers import SealedAnswers
from wardgate.adapters.http.aiohttp_client import AiohttpClient
from wardgate.adapters.http.client import HttpClient, HttpError
from wardgate.adapters.logs.events import EventLog
from wardgate.adapters.memory.hot import MemoryHotStore
from wardgate.adapters.prometheus.meter import PrometheusMeter
from wardgate.bootstrap.machine import SystemClock
from wardgate.domain.attributes import ResourceAttributes
from wardgate.domain.findings import Finding
from wardgate.domain.hot import HotState, StorePlace
from wardgate.domain.pseudonyms import SECRET_BYTES, KeyRing, Pseudonyms, Purpose
from wardgate.domain.record_names import RecordNames
from wardgate.gateway.hot import HotCache
from wardgate.gateway.ports import HotStore, Snapshots
from wardgate.gateway.recall import Recall, Trouble
from wardgate.settings import Secrets, Settings
from wardgate.web.tls import Certificates

if TYPE_CHECKING:
    from wardgate.adapters.otel.sender import SpanSender

_LONGEST_ANSWER = 64 * 1024
"""Bytes of what a collector says."""


class Faults:
    """Meets `gateway.ports.FaultLog`: noted by class and place, and counted."""

    def __init__(self, log: EventLog, meter: PrometheusMeter) -> None:
        self._log = log
        self._meter = meter

    def fault(self, stage: str, error: BaseException) -> None:
        self._log.fault(stage, error)
        self._meter.fault(stage)


class Tasks:
    """The task group that owns what a call starts and others may share; lent before the first call comes."""

    def __init__(self) -> None:
        self._group: asyncio.TaskGroup | None = None

    def lend(self, group: asyncio.TaskGroup) -> None:
        self._group = group

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        assert self._group is not None
        return self._group.create_task(work)


@dataclass(frozen=True, slots=True)
class Hot:
    """The hot store with what belongs to it: `run` until cancelled, where it has anything to run; what health says."""

    store: HotStore
    run: Callable[[], Coroutine[Any, Any, None]] | None
    health: Callable[[], Mapping[str, str]]


def key_ring(secrets: Secrets, log: EventLog) -> KeyRing:
    """Where no secret is named, which only insecure_demo lets pass, one is drawn."""
    return KeyRing(secrets.pseudonym or [draw_secret(log)])


def draw_secret(log: EventLog) -> bytes:
    """For this process, or for the workers of a parent."""
    what = "no pseudonym_key: one is drawn at random for this start, so nobody else finds what is stored with it"
    log.finding("warning", Finding("", 0, "pseudonym_key", what, "add `pseudonym_key: {env: NAME}`", warning=True))
    return os.urandom(SECRET_BYTES)


def hot_store(
    place: StorePlace | None, ring: KeyRing, clock: SystemClock, meter: PrometheusMeter, log: EventLog
) -> Hot:
    if place is None:
        meter.hot_up(True)
        return Hot(MemoryHotStore(clock.monotonic, meter.hot_event), None, lambda: {"kind": "memory", "state": "up"})
    from wardgate.adapters.redis.hot import RedisHotStore  # only where it is used: a third of a second to import
    from wardgate.adapters.redis.seals import Seals

    def news(state: HotState) -> None:
        meter.hot_up(state is HotState.UP)
        if state is HotState.REFUSES_WRITES and store.refusal is not None:
            log.event("hot_store", state=state.value, cause=store.refusal.value)
        else:
            log.event("hot_store", state=state.value)

    def health() -> Mapping[str, str]:
        why = {"reason": store.refusal.value} if store.refusal is not None else {}
        return {"kind": "redis", "state": store.state.value, **why}

    store = RedisHotStore(place, Seals(ring.keys(Purpose.STORE)), clock.now, meter.hot_event, news)
    return Hot(store, store.run, health)


def certificates_of(secrets: Secrets) -> tuple[Certificates | None, Certificates | None]:
    """Of the EHR's listener and of the admin listener. Raises CertificateError."""
    ehr, admin = [None if tls is None else Certificates(tls.cert, tls.key, tls.client_ca) for tls in secrets.tls]
    return ehr, admin


def recall_of(store: HotStore, ring: KeyRing, snapshots: Snapshots, trouble: Trouble, faults: Faults) -> Recall:
    """What it keeps of a call is worked out when the answer has been written: by the loop's next turn."""
    return Recall(
        HotCache(store, Pseudonyms(ring, Purpose.CACHE)),
        ring.keys(Purpose.CACHE)[0].secret,
        SealedAnswers(ring.keys(Purpose.ANSWER)),
        snapshots,
        trouble,
        faults,
        asyncio.get_running_loop().call_soon,
        RecordNames(ring),
    )


def span_sender(
    settings: Settings, secrets: Secrets, http: HttpClient, faults: Faults, meter: PrometheusMeter, log: EventLog
) -> "SpanSender | None":
    """None: there is nowhere to send traces."""
    otlp = settings.telemetry.otlp
    if otlp is None:
        return None
    from wardgate.adapters.otel.collector import CONTENT_TYPE, SIGNAL_PATH  # only where it is used: protobuf
    from wardgate.adapters.otel.sender import SpanSender
    from wardgate.adapters.otel.spans import Spans

    url, headers = otlp.removesuffix(SIGNAL_PATH) + SIGNAL_PATH, {**secrets.otlp_headers, **CONTENT_TYPE}

    async def post(body: bytes, seconds: float) -> tuple[int, bytes] | None:
        try:
            reply = await http.send("POST", url, headers, body, seconds, _LONGEST_ANSWER)
        except HttpError:
            return None
        return reply.status, reply.body

    def news(up: bool) -> None:
        meter.collector_up(up)
        log.event("traces", state="up" if up else "down")

    resource: ResourceAttributes = {
        "service.name": "wardgate",
        "service.version": __version__,
        "deployment.environment.name": settings.environment,
    }
    if log.worker is not None:
        resource["wardgate.worker"] = log.worker
    return SpanSender(Spans(resource, log.guard), post, log.guard, faults, meter.export_ended, news)


def http_client(name: str) -> HttpClient:
    if name == "pyreqwest":
        from wardgate.adapters.http.pyreqwest_client import PyreqwestClient

        return PyreqwestClient()
    return AiohttpClient()
