"""The spine on ports that write down, or play again, what they bring: for `call --capture` and `replay`.

It is the gateway's own parse, flow and encoding. Left out are the layers that answer out of memory, or guard a running
gateway's resources: coalescing, bulkhead, retry, breaker, the hot store, and the proof of the model. A capture says
whether the gateway, which has them all, gave the same answer.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import msgspec

from wardgate import __version__
from wardgate.adapters.aead.fingerprints import KeyedFingerprints
from wardgate.adapters.http.client import HttpClient
from wardgate.adapters.http.fhir import HttpFhirReader
from wardgate.adapters.http.model_client import HttpModelClient
from wardgate.adapters.http.tape import HttpTape, PlayedHttp
from wardgate.adapters.logs.events import EventLog
from wardgate.adapters.memory.hot import MemoryHotStore
from wardgate.adapters.prometheus.meter import PrometheusMeter
from wardgate.bootstrap.configured import Configured
from wardgate.bootstrap.machine import DecisionIds, SystemClock
from wardgate.bootstrap.models import releases_of
from wardgate.bootstrap.parts import Faults, http_client, recall_of
from wardgate.domain.context.caller import compile_attributes
from wardgate.domain.errors import Refusal
from wardgate.domain.inference.endpoint import ModelReply
from wardgate.domain.outcomes import Mode
from wardgate.domain.plans import Catalog
from wardgate.domain.pseudonyms import SECRET_BYTES, KeyRing, Purpose
from wardgate.domain.record_names import RecordNames
from wardgate.domain.records import DecisionRecord
from wardgate.domain.rollout.previews import with_previews
from wardgate.domain.rollout.rollouts import Rollout, Snapshot
from wardgate.gateway.budget import Budget
from wardgate.gateway.call import HookCall
from wardgate.gateway.gather import Gatherer
from wardgate.gateway.hook_flow import HookFlow
from wardgate.gateway.layers import noticed, rescue, translate_model_errors
from wardgate.gateway.model_call import ModelRequest
from wardgate.gateway.notices import Notices
from wardgate.gateway.outcome import HookOutcome
from wardgate.gateway.ports import Clock, FhirReader
from wardgate.gateway.recording import resources_print
from wardgate.gateway.replay import (
    FORMAT,
    Capture,
    PlayedReads,
    Prints,
    ReadTape,
    Replayed,
    compare,
    prints_of,
    steps_of,
)
from wardgate.resilience.stack import Handler, stack
from wardgate.resilience.timeouts import AttemptTimeoutOptions, attempt_timeout
from wardgate.web.edge import answer_of
from wardgate.web.problems import refusal_response
from wardgate.web.routes import Routes
from wardgate.web.wire import parse


class NoService(Exception):
    """The configuration has no such service, or not under this hook."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What a call is pinned to: its id, its clock, and what people had decided by then."""

    decision_id: str
    now: float
    snapshot: Snapshot
    client: str = ""
    """Whose call it was, by the name in the configuration; empty: the first."""


@dataclass(frozen=True, slots=True)
class _Frozen:
    """Meets `Snapshots`."""

    snapshot: Snapshot

    def current(self) -> Snapshot:
        return self.snapshot


class _Standing:
    """Meets `Clock`: no time passes in a replay, so that nothing is ever too late."""

    def __init__(self, now: float) -> None:
        self._now = now

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return 0.0


def moment_of(configured: Configured, service_id: str, record: DecisionRecord | None) -> Moment:
    """That of the gateway's own decision; without its record, now and under an id of its own."""
    catalog, clients = configured.catalog, configured.settings.clients
    rollouts: Mapping[str, Rollout]
    rollouts = with_previews(catalog.rollouts, catalog.previews, clients, RecordNames(_ring(configured)))
    if record is None:
        return Moment(DecisionIds()(), SystemClock.now(), Snapshot(0, rollouts))
    rollout = rollouts.get(service_id)
    if rollout is not None and record.mode in list(Mode) and record.mode != Mode.NONE:
        rollouts = {**rollouts, service_id: msgspec.structs.replace(rollout, mode=Mode(record.mode))}
    return Moment(record.decision_id, record.at, Snapshot(record.snapshot_epoch or 0, rollouts), record.client)


def capture(
    configured: Configured,
    service_id: str,
    body: bytes,
    moment: Moment,
    gateways_answer: bytes,
    record: DecisionRecord | None,
) -> Capture:
    """Runs the call against the FHIR server that it names and the model; raises NoService."""

    async def run() -> Capture:
        http = http_client(configured.settings.http_client)
        reads, asked = ReadTape(HttpFhirReader(http)), HttpTape(http)
        try:
            outcome, answer = await _run(configured, service_id, body, moment, reads, asked, SystemClock())
        finally:
            await http.close()
        return Capture(
            FORMAT,
            __version__,
            service_id,
            moment.decision_id,
            moment.now,
            moment.snapshot.epoch,
            moment.snapshot.rollouts[service_id],
            _versions(configured.catalog, service_id),
            body,
            tuple(reads.reads),
            tuple(asked.asked),
            {} if outcome is None else steps_of(outcome),
            answer,
            answer == gateways_answer and record is not None and _ends_alike(outcome, record),
            Prints() if record is None else prints_of(record),
            moment.client,
        )

    return asyncio.run(run())


def _ends_alike(outcome: HookOutcome | None, record: DecisionRecord) -> bool:
    """An answer without cards says little: how it came about must be the same as well."""
    if outcome is None:
        return False
    digest = None if outcome.release is None else outcome.release.digest
    return (outcome.reason, outcome.step, digest) == (record.reason, record.step, record.release_digest)


def replay(configured: Configured, captured: Capture) -> Replayed:
    """Raises NoService."""

    async def run() -> Replayed:
        reads, asked = PlayedReads(captured.reads), PlayedHttp(captured.asked)
        catalog = configured.catalog
        rollout = _rollout(catalog, captured)
        if rollout is None:
            raise NoService
        rollouts = {**catalog.rollouts, captured.service_id: rollout}
        moment = Moment(captured.decision_id, captured.now, Snapshot(captured.epoch, rollouts), captured.client)
        clock = _Standing(captured.now)
        outcome, answer = await _run(configured, captured.service_id, captured.request, moment, reads, asked, clock)
        steps = {} if outcome is None else steps_of(outcome)
        return compare(captured, steps, answer, [*reads.noted, *asked.noted])

    return asyncio.run(run())


def fingerprints(configured: Configured, captured: Capture, recorded: Prints) -> dict[str, bool | None]:
    """Whether what was captured is what the record was made from, by its name; None: its key is not at hand. What was
    not recorded is not there."""
    ring = KeyRing(configured.secrets.pseudonym) if configured.secrets.pseudonym else None
    keyed = {} if ring is None else {key.id: KeyedFingerprints([key]) for key in ring.keys(Purpose.LOG)}
    reads = [(read.url, read.body) for read in captured.reads if read.body is not None]
    replies = [asked.reply.replace(asked.mark, b"") for asked in captured.asked if asked.failure is None]
    made: dict[str, tuple[str | None, Callable[[KeyedFingerprints], str]]] = {
        "request": (recorded.request, lambda prints: prints.of(captured.request)),
        "resources": (recorded.resources, lambda prints: resources_print(reads, prints)),
        "reply": (recorded.reply, lambda prints: prints.of(replies[-1]) if replies else ""),
    }
    checked: dict[str, bool | None] = {}
    for name, (recorded_print, make) in made.items():
        if recorded_print is not None:
            prints = keyed.get(recorded_print.partition(":")[0])
            checked[name] = None if prints is None else make(prints) == recorded_print
    return checked


def _versions(catalog: Catalog, service_id: str) -> dict[str, str]:
    plans = catalog.services.get(service_id, {}).values()
    return {digest: release.version for plan in plans for digest, release in plan.releases.items()}


def _rollout(catalog: Catalog, captured: Capture) -> Rollout | None:
    """As it was, with the release that is there under the champion's version now; None where there is none. Whether its
    content is the same, the digest says."""
    there = {version: digest for digest, version in _versions(catalog, captured.service_id).items()}
    rollout, challenger = captured.rollout, captured.rollout.challenger
    digest = there.get(captured.versions.get(rollout.champion, ""))
    if digest is None:
        return None
    if challenger is not None:
        other = there.get(captured.versions.get(challenger.release, ""))
        challenger = None if other is None else msgspec.structs.replace(challenger, release=other)
    return msgspec.structs.replace(rollout, champion=digest, challenger=challenger)


def _ring(configured: Configured) -> KeyRing:
    """Nothing is stored under it; users who are named for previews are known by it. Where the gateway draws a key at
    random, it is one that a replay can have again."""
    return KeyRing(configured.secrets.pseudonym or [bytes(SECRET_BYTES)])


async def _run(
    configured: Configured,
    service_id: str,
    body: bytes,
    moment: Moment,
    reader: FhirReader,
    http: HttpClient,
    clock: Clock,
) -> tuple[HookOutcome | None, bytes]:
    """How the call ended, None where it was refused before it began, and the body of its answer."""
    settings, catalog = configured.settings, configured.catalog
    handler = _spine(configured, moment, reader, http, clock)
    client = next((each for each in settings.clients if each.name == moment.client), settings.clients[0])
    routes = Routes(catalog, lambda plan: handler, (client.name,), "", "", settings.cds_hooks)
    route = routes.find(f"/cds-services/{service_id}")
    if route is None or route.service is None:
        raise NoService
    try:
        request = parse(body, route.service.wire, client, settings.limits.depth)
    except Refusal as refusal:
        return None, refusal_response(refusal).body
    plan = route.service.offers[request.hook].plan
    budget = Budget.of(clock.monotonic(), plan.deadline)
    outcome = await handler(HookCall(request, plan, moment.decision_id, moment.now, budget, body))
    return outcome, answer_of(outcome).body


def _spine(
    configured: Configured, moment: Moment, reader: FhirReader, http: HttpClient, clock: Clock
) -> Handler[HookCall, HookOutcome]:
    settings, catalog, meter = configured.settings, configured.catalog, PrometheusMeter()
    faults = Faults(EventLog(), meter)
    snapshots = _Frozen(moment.snapshot)
    ring = _ring(configured)
    names = RecordNames(ring)
    nothing = MemoryHotStore(clock.monotonic, lambda event, count: None)
    recall = recall_of(nothing, ring, snapshots, lambda digest: None, faults)
    attributes = compile_attributes(settings.attributes)
    flow = HookFlow(
        snapshots,
        Gatherer(reader, meter, clock).gather,
        attributes,
        dict(_models(catalog, HttpModelClient(http, settings.model_hosts), clock)),
        clock,
        meter,
        recall,
        names,
    )
    return stack([noticed(Notices(snapshots, attributes, recall, names), faults), rescue(faults)], flow)


def _models(
    catalog: Catalog, client: HttpModelClient, clock: Clock
) -> Iterable[tuple[str, Handler[ModelRequest, ModelReply]]]:
    """By digest."""

    def left(request: ModelRequest) -> float:
        return request.expires - clock.monotonic()

    async def ask(request: ModelRequest) -> ModelReply:
        return await client.infer(request.endpoint, request.inputs, min(request.endpoint.timeout, left(request)))

    for digest, release in releases_of(catalog).items():
        timeout = AttemptTimeoutOptions(release.endpoint.timeout)
        yield digest, stack([translate_model_errors, attempt_timeout(left, timeout)], ask)
