"""A model that is a function, with a switch for every way in which a model fails."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.fakes.meter import FakeMeter
from tests.fakes.tasks import Tasks
from wardgate.domain.errors import ModelUnavailable
from wardgate.domain.inference.endpoint import (
    Endpoint,
    InputSpec,
    ModelReply,
    Oip,
    OutputSpec,
    Probe,
    ProbePlan,
    Readiness,
    Shape,
)
from wardgate.domain.inference.prediction import ModelInputs
from wardgate.domain.outcomes import Reason
from wardgate.gateway.ports import NEW_CONNECTION, Clock, ModelClient
from wardgate.gateway.probes import ProvenModel
from wardgate.gateway.proof import Proof
from wardgate.gateway.stacks import ModelHandler, ModelPolicies, ReleaseName, model_stack


def kfre(age: float, male: float, egfr: float, uacr: float) -> float:
    """Kidney failure within two years, four variables, non-North-American calibration (Tangri et al., JAMA 2016)."""
    x = (
        -0.2201 * (age / 10 - 7.036)
        + 0.2467 * (male - 0.5642)
        - 0.5567 * (egfr / 5 - 7.222)
        + 0.4510 * (math.log(uacr) - 5.137)
    )
    return float(1 - 0.9832 ** math.exp(x))


@dataclass
class FakeModel:
    """Meets `gateway.ports.ModelClient`. `broken` is raised instead of an answer; `hang` never answers."""

    function: Callable[..., float] = kfre
    broken: Reason | None = None
    hang: bool = False
    is_ready: bool = True
    contributions: tuple[float, ...] | None = None
    asked: list[tuple[float, ...]] = field(default_factory=list)
    told: list[float] = field(default_factory=list)
    """How long each caller said that it would wait."""
    traced: list[str | None] = field(default_factory=list)
    """The trace that each caller named."""
    connection: int | None = None
    """The number of the one that all replies come over; a caller who wants a newer one has it opened."""

    async def infer(
        self,
        endpoint: Endpoint,
        inputs: ModelInputs,
        timeout: float,
        oldest: int = 0,
        traceparent: str | None = None,
    ) -> ModelReply:
        self.asked.append(inputs.values)
        self.told.append(timeout)
        self.traced.append(traceparent)
        if self.hang:
            await asyncio.Event().wait()
        if self.broken is not None:
            raise ModelUnavailable(self.broken)
        if self.connection is not None and oldest > self.connection:
            self.connection = self.connection + 1 if oldest == NEW_CONNECTION else oldest
        return ModelReply(self.function(*inputs.values), self.contributions, {}, self.connection)

    async def ready(self, endpoint: Endpoint) -> Readiness:
        if self.broken is Reason.MODEL_UNREACHABLE:
            raise ModelUnavailable(self.broken)
        return Readiness(self.is_ready, self.connection)

    def renew(self, endpoint: Endpoint) -> int | None:
        last = self.connection
        if last is not None:
            self.connection = last + 1
        return last


ENDPOINT = Endpoint(
    protocol=Oip("kfre", "1"),
    url="http://127.0.0.1:8082",
    timeout=0.2,
    concurrency=32,
    inputs=InputSpec(
        tensor="features",
        shape=Shape.ROW,
        datatype="FP64",
        order=("age", "male", "egfr", "uacr"),
        fill={},
        clip={"uacr": (1, 10000)},
    ),
    score=OutputSpec("risk_2y"),
    contributions=OutputSpec("contributions"),
)

PROBES = ProbePlan(
    probes=(
        Probe(
            inputs={"age": 70, "male": 1, "egfr": 30, "uacr": 300},
            outputs={"score": kfre(70, 1, 30, 300)},
        ),
    ),
    every=300.0,
    tolerance=1e-6,
)


def told_to_be(model: ProvenModel, proof: Proof) -> None:
    """As if a round of probes had just found that."""
    model.evidence.end(model.evidence.begin(), proof, None)


def model_policies(endpoint: Endpoint = ENDPOINT, meter: FakeMeter | None = None) -> ModelPolicies:
    """The policies of an endpoint, told to a meter that a test may look at."""
    return ModelPolicies(endpoint, ReleaseName("kidney-failure", "kidney-failure", "1.0.0"), meter or FakeMeter())


def model_ask(model: ModelClient, clock: Clock, endpoint: Endpoint = ENDPOINT) -> ModelHandler:
    """The whole model stack before `model`."""
    return model_stack(model, model_policies(endpoint), clock, Tasks())
