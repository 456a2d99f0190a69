"""What comes from one reading of the configuration: the edge, the stacks and the models that answer by it."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from wardgate.bootstrap.configured import Configured
from wardgate.bootstrap.editions import Fitted
from wardgate.bootstrap.lasting import Lasting
from wardgate.bootstrap.models import Known, known_of
from wardgate.bootstrap.obeyed import rollouts_of
from wardgate.bootstrap.parts import recall_of
from wardgate.domain.context.caller import compile_attributes
from wardgate.domain.guard import configured_names
from wardgate.domain.plans import ServicePlan
from wardgate.gateway.generations import FileSnapshots, GenerationSnapshots
from wardgate.gateway.hook_flow import HookFlow
from wardgate.gateway.in_vain import in_vain
from wardgate.gateway.notices import Notices
from wardgate.gateway.probes import ProvenModel
from wardgate.gateway.recording import Recorder
from wardgate.gateway.shadow import Shadow
from wardgate.gateway.stacks import HookHandler, hook_stack
from wardgate.gateway.tracing import Tracing, TracingOptions
from wardgate.settings import Settings
from wardgate.web.edge import Edge, EdgeOptions


@dataclass(frozen=True, slots=True)
class Generation:
    """A call ends in the generation in which it began."""

    fitted: Fitted
    snapshots: GenerationSnapshots
    models: Mapping[str, ProvenModel]
    shadow: Shadow
    edge: Edge

    @property
    def configured(self) -> Configured:
        return self.fitted.configured

    @property
    def known(self) -> Known:
        return known_of(self.configured.answers, self.models)


def generation_of(
    lasting: Lasting, fitted: Fitted, before: Generation | None, known: Known, ready: Callable[[], bool]
) -> Generation:
    """One that may follow `before`. Models that are `known` go on as they are."""
    configured = fitted.configured
    settings, catalog = configured.settings, configured.answers
    clock, meter, faults, names = lasting.clock, lasting.meter, lasting.faults, lasting.names
    gatherer, records = lasting.gatherer, lasting.spool.sink
    lasting.log.guard.know(configured_names(catalog, settings.clients, settings.attributes))
    snapshots = _snapshots(lasting, configured, before)
    models = lasting.models.of(catalog, known)
    attributes = compile_attributes(settings.attributes)
    recall = recall_of(lasting.hot.store, lasting.ring, snapshots, lambda digest: models[digest].trouble, faults)
    flow = HookFlow(snapshots, gatherer.gather, attributes, models, clock, meter, recall, names)
    custody = None if lasting.durable is None else lasting.durable.custody
    shown = None if custody is None else custody.note
    recorder = Recorder(names, lasting.prints, clock, settings.environment, catalog.digest or None, shown)
    pressed = lambda: lasting.gate.pressed  # noqa: E731 - asked anew each time
    shadow = Shadow(flow, gatherer.given, attributes, snapshots, recorder, records, clock, meter, faults, pressed)
    notices = Notices(snapshots, attributes, recall, names)
    tracing = _tracing(lasting, settings.telemetry.keep)
    in_flight = None if lasting.obeyed is None else lasting.obeyed.in_flight
    stack = hook_stack(flow, clock, meter, recorder, records, faults, recall, notices, shadow, tracing, in_flight)

    def handler(plan: ServicePlan) -> HookHandler:
        return stack

    edge = Edge(
        catalog=lambda: catalog,
        handler=handler,
        feedback=lasting.feedback.take,
        callers=lasting.clients.of(settings, configured.secrets),
        gate=lasting.gate,
        clock=clock,
        new_id=lasting.new_id,
        meter=meter,
        faults=faults,
        ready=ready,
        options=_edge_options(settings),
        tracing=tracing,
        in_vain=lambda plan, coming: in_vain(plan, snapshots.current(), models, coming),
    )
    return Generation(fitted, snapshots, models, shadow, edge)


def _snapshots(lasting: Lasting, configured: Configured, before: Generation | None) -> GenerationSnapshots:
    if lasting.obeyed is not None:
        return lasting.obeyed.of(configured)
    rollouts = rollouts_of(configured, lasting.names)
    if before is not None and isinstance(before.snapshots, FileSnapshots):
        return before.snapshots.following(rollouts)
    return FileSnapshots(rollouts)


def _tracing(lasting: Lasting, keep: float) -> Tracing | None:
    if lasting.sender is None:
        return None
    later, lost, options = asyncio.get_running_loop().call_soon, lasting.log.guard.lost, TracingOptions(keep=keep)
    return Tracing(lasting.sender, lasting.clock, lasting.faults, lasting.trace_ids, later, lost, options)


def _edge_options(settings: Settings) -> EdgeOptions:
    return EdgeOptions(
        max_body=settings.limits.body,
        max_depth=settings.limits.depth,
        read_timeout=settings.limits.read,
        cds_hooks=settings.cds_hooks,
        server_timing=settings.server_timing,
        base=settings.base_path,
        origin=settings.origin,
    )
