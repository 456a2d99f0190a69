"""The models of a configuration: the stack of each release's endpoint, behind the proof that it is the pinned one."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from wardgate.adapters.http.model_client import HttpModelClient
from wardgate.adapters.logs.events import EventLog
from wardgate.adapters.prometheus.meter import PrometheusMeter
from wardgate.bootstrap.machine import SystemClock
from wardgate.domain.plans import Catalog, ReleasePlan
from wardgate.gateway.probes import ProvenModel
from wardgate.gateway.proof import Proof
from wardgate.gateway.stacks import ModelPolicies, ReleaseName, model_stack
from wardgate.resilience.breaker import State
from wardgate.resilience.coalesce import Spawn

Known = Sequence[tuple[ReleasePlan, ProvenModel]]

_PROVE_FIRST = 3.0
"""Seconds that new models get at a reload to prove themselves before they are asked."""


class Models:
    """Makes the models of each configuration, and keeps those alive that are asked now."""

    def __init__(
        self, client: HttpModelClient, clock: SystemClock, meter: PrometheusMeter, log: EventLog, spawn: Spawn
    ) -> None:
        self._client = client
        self._clock = clock
        self._meter = meter
        self._log = log
        self._spawn = spawn
        self._shows: dict[ProvenModel, Callable[[], None]] = {}
        self._proving: dict[ProvenModel, asyncio.Task[None]] = {}
        self._policies: dict[ProvenModel, ModelPolicies] = {}
        self._isolated: frozenset[tuple[str, str]] = frozenset()

    def isolate(self, circuits: frozenset[tuple[str, str]]) -> None:
        """Keep all calls away from these (service, release), and from no others by hand; also from what a later
        configuration makes of them. The whole set, so that whoever tells it (today the admin listener, later the
        rollout snapshot) need not know what was told before."""
        self._isolated = circuits
        for policies in self._policies.values():
            policies.isolate(_circuit(policies) in circuits)

    def circuits(self, models: Iterable[ProvenModel]) -> dict[tuple[str, str], str]:
        """The state of each."""
        found = [self._policies[model] for model in models]
        return {_circuit(policies): policies.breaker.state.value for policies in found}

    def of(self, catalog: Catalog, known: Known) -> dict[str, ProvenModel]:
        """One for each release digest. A model that is `known`, at the same endpoint with the same probes, keeps its
        proof and the state of its layers, whatever else of the release changed."""

        def same(release: ReleasePlan) -> ProvenModel | None:
            return next((model for other, model in known if _asks_alike(release, other)), None)

        return {digest: same(release) or self._made(release) for digest, release in releases_of(catalog).items()}

    def _made(self, release: ReleasePlan) -> ProvenModel:
        client, clock, meter = self._client, self._clock, self._meter
        policies = _policies(release, meter, self._log)
        policies.isolate(_circuit(policies) in self._isolated)
        model = ProvenModel(
            release.model,
            release.version,
            release.endpoint,
            release.probes,
            client,
            model_stack(client, policies, clock, self._spawn),
            clock,
            meter,
            told=_proof_news(release, meter, self._log),
            isolated=lambda: policies.isolated,
            room=lambda: policies.bulkhead.room,
        )
        self._policies[model] = policies
        self._shows[model] = partial(_show, release, model, policies, meter)
        return model

    def beside(self, release: ReleasePlan) -> ProvenModel:
        """To be proven once, and asked by no call: no gauge shows it, and nothing keeps it alive."""
        client, clock, meter = self._client, self._clock, self._meter
        policies = _policies(release, meter, self._log)
        stack = model_stack(client, policies, clock, self._spawn)
        name = release.model, release.version, release.endpoint, release.probes
        return ProvenModel(*name, client, stack, clock, meter)

    def show(self, models: Iterable[ProvenModel]) -> None:
        """The gauges are those of the models that are asked now, not of those that wait for a swap."""
        for model in models:
            self._shows[model]()

    def run(self, models: Iterable[ProvenModel], tasks: asyncio.TaskGroup) -> None:
        for model in models:
            if model not in self._proving:
                self._proving[model] = tasks.create_task(model.run())

    def rest(self) -> None:
        for task in self._proving.values():
            task.cancel()

    def retire(self, old: Known, now: Known) -> None:
        """Models that are asked no more. The calls that still go on with one have the proof that it had."""
        names = {(release.service_id, release.model, release.version) for release, _ in now}
        kept = {model for _, model in now}
        for release, model in old:
            if model in kept:
                continue
            task = self._proving.pop(model, None)
            if task is not None:
                task.cancel()
            del self._shows[model], self._policies[model]
            name = (release.service_id, release.model, release.version)
            if name not in names:
                self._meter.model_gone(*name)


async def prove_first(models: Iterable[ProvenModel]) -> None:
    """New models get a moment to prove themselves before they are asked. What is not proven by then shows no score
    until it is: a change that hides something must not wait for a model that is away."""
    try:
        async with asyncio.timeout(_PROVE_FIRST), asyncio.TaskGroup() as proving:
            for model in models:
                proving.create_task(model.prove())
    except TimeoutError:
        return


def releases_of(catalog: Catalog) -> dict[str, ReleasePlan]:
    """By digest."""
    return {release.digest: release for plan in catalog.plans() for release in plan.releases.values()}


def known_of(catalog: Catalog, models: Mapping[str, ProvenModel]) -> Known:
    return [(release, models[digest]) for digest, release in releases_of(catalog).items()]


def _asks_alike(one: ReleasePlan, other: ReleasePlan) -> bool:
    names = one.service_id == other.service_id and one.model == other.model and one.version == other.version
    return names and one.endpoint == other.endpoint and one.probes == other.probes


def _policies(release: ReleasePlan, meter: PrometheusMeter, log: EventLog) -> ModelPolicies:
    name = ReleaseName(release.service_id, release.model, release.version)

    def told(state: State) -> None:
        log.event("breaker", service_id=name.service_id, model_name=name.model, model_version=name.version, state=state)

    return ModelPolicies(release.endpoint, name, meter, told)


def _circuit(policies: ModelPolicies) -> tuple[str, str]:
    return policies.name.service_id, policies.name.version


def _show(release: ReleasePlan, model: ProvenModel, policies: ModelPolicies, meter: PrometheusMeter) -> None:
    """Watched by the meter from now on."""
    name = (release.service_id, release.model, release.version)
    states = {state.value: partial(_is, policies, state) for state in State}
    meter.watch_policies(*name, lambda: policies.bulkhead.in_use, lambda: policies.bulkhead.waiting, states)
    meter.proven(*name, model.proof is Proof.PASSED)


def _is(policies: ModelPolicies, state: State) -> bool:
    return policies.breaker.state is state


def _proof_news(release: ReleasePlan, meter: PrometheusMeter, log: EventLog) -> Callable[[Proof], None]:
    """Whoever is on call reads when a model lost its proof, and when it had it again."""

    def told(proof: Proof) -> None:
        meter.proven(release.service_id, release.model, release.version, proof is Proof.PASSED)
        name = release.service_id, release.model, release.version
        log.event("proof", service_id=name[0], model_name=name[1], model_version=name[2], proof=proof)

    return told
