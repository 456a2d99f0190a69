"""A release's endpoint as its file declares it; adapters translate it to a protocol's wire (docs/protocols.md)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec


class Oip(msgspec.Struct, frozen=True):
    """The Open Inference Protocol, version 2. Name and version stand in the path and are checked in the reply."""

    model_name: str
    model_version: str


class Mlflow(msgspec.Struct, frozen=True):
    """MLflow's scoring server: `/invocations`. Its reply names no version, so that probes alone prove it."""


class PlainJson(msgspec.Struct, frozen=True):
    """A POST of the declared request to the URL itself; outputs are JSON Pointers (RFC 6901) into the reply.

    In `request` a text `$name` stands for the input of that name, `$$` at the start of a text for one `$`.
    """

    request: Any
    ready: str | None = None  # a path on the same host, answered with 2xx where the model is ready
    version: tuple[str, str] | None = None  # pointer, and the version that must stand there


class Shape(StrEnum):
    ROW = "row"
    NAMED = "named"


class InputSpec(msgspec.Struct, frozen=True):
    tensor: str
    shape: Shape
    datatype: str  # FP64 | FP32 | FP16 | INT64 | INT32 | BOOL
    order: tuple[str, ...]
    fill: Mapping[str, float]
    clip: Mapping[str, tuple[float, float]]
    datatypes: Mapping[str, str] = {}  # by input, where it is not `datatype`; never for a row


class OutputSpec(msgspec.Struct, frozen=True):
    """Where a number stands in the reply: `name` is a tensor (oip), a column (mlflow), or a JSON Pointer (json);
    `index` counts in its last dimension."""

    name: str
    index: int | None = None


class BreakerSpec(msgspec.Struct, frozen=True):
    """When this endpoint is left alone for a moment (docs/policies/circuit-breaker.md); times in seconds."""

    failure_rate: float = 0.5
    slow_after: float | None = None  # None: nine tenths of the endpoint's timeout
    slow_rate: float = 1.0
    minimum: int = 5
    recent: float = 1.0
    calls: int = 100
    few: int = 20
    window: float = 30.0
    open_for: float = 1.0
    probes: int = 1


class Endpoint(msgspec.Struct, frozen=True):
    protocol: Oip | Mlflow | PlainJson
    url: str  # no trailing slash
    timeout: float  # seconds
    concurrency: int
    inputs: InputSpec
    score: OutputSpec
    contributions: OutputSpec | None = None
    others: Mapping[str, OutputSpec] = {}  # further declared outputs, e.g. uncertainty
    queue: int = 0  # calls that wait where `concurrency` are under way
    retry: float = 0.1  # share of calls that may be asked a second time; 0: none
    breaker: BreakerSpec = BreakerSpec()

    def outputs(self) -> tuple[OutputSpec, ...]:
        contributions = () if self.contributions is None else (self.contributions,)
        return (self.score, *self.others.values(), *contributions)


class ModelReply(msgspec.Struct, frozen=True):
    """What the model said, in the endpoint's terms; already checked for version, shape and finiteness."""

    score: float
    contributions: tuple[float, ...] | None  # in the order of inputs.order; None: not declared or absent
    others: Mapping[str, float]
    connection: int | None = None
    """The number of the connection that it came over, counted in the order of their opening; None: not known."""
    body: bytes = b""
    """As it came, for its fingerprint."""


class Readiness(msgspec.Struct, frozen=True):
    """What the endpoint says of itself, and over which connection (as in ModelReply)."""

    ready: bool
    connection: int | None = None


class Probe(msgspec.Struct, frozen=True):
    """A probe vector: what this very model answers (`probes.json`)."""

    inputs: Mapping[str, float]
    outputs: Mapping[str, float | tuple[float, ...]]


class ProbePlan(msgspec.Struct, frozen=True):
    probes: tuple[Probe, ...]
    every: float  # seconds
    tolerance: float  # absolute
