"""A whole gateway in one process: real configuration, edge, stacks and spine; fake clock, model and FHIR server."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from tests.fakes.asgi import JSON, Reply, ask
from tests.fakes.clock import FakeClock
from tests.fakes.hot import RING, DownStore, recall_of
from tests.fakes.meter import FakeMeter
from tests.fakes.model import FakeModel, model_ask, told_to_be
from tests.fakes.records import FakeFeedbackSink, FakeRecordSink, recorder_of
from wardgate.adapters.files.catalog import load
from wardgate.domain.clients import Client
from wardgate.domain.hooks import FhirAccess
from wardgate.domain.outcomes import Mode
from wardgate.domain.plans import Catalog
from wardgate.domain.record_names import RecordNames
from wardgate.domain.rollout.previews import with_previews
from wardgate.domain.rollout.rollouts import Ceiling, Rollout, Snapshot
from wardgate.gateway.authentication import OneClient
from wardgate.gateway.feedback import FeedbackDesk
from wardgate.gateway.gather import Gatherer
from wardgate.gateway.hook_flow import HookFlow
from wardgate.gateway.notices import Notices
from wardgate.gateway.ports import FhirReader, HotStore, RecordSink
from wardgate.gateway.probes import ProvenModel
from wardgate.gateway.proof import Proof
from wardgate.gateway.shadow import Shadow, ShadowOptions
from wardgate.gateway.stacks import hook_stack
from wardgate.resilience.gate import Gate
from wardgate.web.edge import Edge, EdgeOptions

DEMO = Path(__file__).parents[2] / "config" / "demo" / "wardgate.yaml"
NAMES = RecordNames(RING)
FHIR = "http://127.0.0.1:8083/fhir"


@dataclass
class FakeFhir:
    """Meets `gateway.ports.FhirReader`: answers by URL, nothing for any other."""

    answers: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def read(self, access: FhirAccess, url: str, timeout: float) -> bytes | None:
        self.asked.append(url)
        return self.answers.get(url)


@dataclass
class Reader:
    """Meets `gateway.ports.FhirReader`: asks whoever a test puts here."""

    delegate: FhirReader

    async def read(self, access: FhirAccess, url: str, timeout: float) -> bytes | None:
        return await self.delegate.read(access, url, timeout)


@dataclass
class Snapshots:
    """Meets `gateway.ports.Snapshots`; a test swaps the snapshot as an operator would."""

    snapshot: Snapshot

    def current(self) -> Snapshot:
        return self.snapshot


@cache
def demo() -> Catalog:
    """What the demo's files say, which no test changes."""
    return load(DEMO).catalog


class FakeGateway:
    """`proven` False leaves the model's gate closed, as before its probes have passed. `hot` None: the store is down.
    Shadow work waits until a test runs `shadow.run()`. `records` stands in for the list of `sink`."""

    def __init__(
        self,
        config: Path = DEMO,
        model: FakeModel | None = None,
        now: float = 1_795_251_600.0,  # 2026-11-21T09:00:00Z
        site: str | None = "demo",
        proven: bool = True,
        options: EdgeOptions | None = None,
        system_actions: bool = False,
        hot: Callable[[FakeClock], HotStore] | None = None,
        shadow: ShadowOptions | None = None,
        records: RecordSink | None = None,
    ) -> None:
        self.catalog = demo() if config == DEMO else load(config).catalog
        self.clock, self.meter, self.sink, self.fhir = FakeClock(now), FakeMeter(), FakeRecordSink(), FakeFhir()
        self.feedback = FakeFeedbackSink()
        self.model = model or FakeModel(contributions=(0.2, 0.1, 1.5, 0.4))
        self.client = Client("ehr", frozenset({FHIR}), ("http://localhost:*",), site, ZoneInfo("UTC"), system_actions)
        rollouts = with_previews(self.catalog.rollouts, self.catalog.previews, [self.client], NAMES)
        self.snapshots = Snapshots(Snapshot(1, rollouts))
        self.isolated = False
        """Whether an operator has taken the models out of use."""
        self.proven = self._proven(proven)
        self.reader = Reader(self.fhir)
        gatherer = Gatherer(self.reader, self.meter, self.clock)
        self.hot = DownStore() if hot is None else hot(self.clock)
        recall = recall_of(self.hot, self.snapshots, self.meter, trouble=lambda digest: self.proven[digest].trouble)
        flow = HookFlow(self.snapshots, gatherer.gather, {}, self.proven, self.clock, self.meter, recall, NAMES)
        recorder = recorder_of(self.clock)
        self.shadow = Shadow(
            flow,
            gatherer.given,
            {},
            self.snapshots,
            recorder,
            records or self.sink,
            self.clock,
            self.meter,
            self.meter,
            options=shadow,
        )
        notices = Notices(self.snapshots, {}, recall, NAMES)
        self.stack = hook_stack(
            flow, self.clock, self.meter, recorder, records or self.sink, self.meter, recall, notices, self.shadow
        )
        self._ids = (f"00000000-0000-4000-8000-{n:012d}" for n in itertools.count(1))
        self.edge = self.edge_of(self.client, options)

    def edge_of(self, client: Client, options: EdgeOptions | None = None) -> Edge:
        """An edge whose calls are all this client's, in front of the one stack."""
        return Edge(
            catalog=lambda: self.catalog,
            handler=lambda plan: self.stack,
            feedback=FeedbackDesk(self.feedback, NAMES, self.clock, self.meter).take,
            callers=OneClient(client),
            gate=Gate(),
            clock=self.clock,
            new_id=lambda: next(self._ids),
            meter=self.meter,
            faults=self.meter,
            ready=lambda: True,
            options=options,
        )

    def mode(self, mode: Mode, service: str = "kidney-failure") -> None:
        """What an operator does."""
        old = self.snapshots.snapshot
        rollout = old.rollouts[service]
        rollouts = {**old.rollouts, service: Rollout(rollout.champion, mode, shadows=rollout.shadows)}
        self.snapshots.snapshot = Snapshot(old.epoch + 1, rollouts)

    def decide(self, service: str = "kidney-failure", **changes: Any) -> None:
        """What an operator does to a rollout, in a new snapshot."""
        old = self.snapshots.snapshot
        rollouts = {**old.rollouts, service: msgspec.structs.replace(old.rollouts[service], **changes)}
        self.snapshots.snapshot = msgspec.structs.replace(old, epoch=old.epoch + 1, rollouts=rollouts)

    def hold(self, *ceilings: Ceiling, **changes: Any) -> None:
        """What comes besides: ceilings from a hot copy or a local file, without a new epoch."""
        self.snapshots.snapshot = msgspec.structs.replace(self.snapshots.snapshot, ceilings=ceilings, **changes)

    async def call(self, body: dict[str, Any], service: str = "kidney-failure") -> Reply:
        return await ask(self.edge, "POST", f"/cds-services/{service}", msgspec.json.encode(body), JSON)

    def _proven(self, open_: bool) -> dict[str, ProvenModel]:
        proven = {}
        for plan in self.catalog.plans():
            for release in plan.releases.values():
                ask_model = model_ask(self.model, self.clock, release.endpoint)
                model = ProvenModel(
                    release.model,
                    release.version,
                    release.endpoint,
                    release.probes,
                    self.model,
                    ask_model,
                    self.clock,
                    self.meter,
                    isolated=lambda: self.isolated,
                )
                told_to_be(model, Proof.PASSED if open_ else Proof.PENDING)
                proven[release.digest] = model
        return proven
