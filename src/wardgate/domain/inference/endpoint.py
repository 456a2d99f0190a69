"""A release's endpoint as its file declares it; adapters translate it to a protocol's wire."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class Protocol(StrEnum):
    OIP = "oip"


class Shape(StrEnum):
    ROW = "row"
    NAMED = "named"


class InputSpec(msgspec.Struct, frozen=True):
    tensor: str
    shape: Shape
    datatype: str  # FP64 | FP32 | INT64 | INT32 | BOOL
    order: tuple[str, ...]
    fill: Mapping[str, float]
    clip: Mapping[str, tuple[float, float]]


class OutputSpec(msgspec.Struct, frozen=True):
    """Where a number stands in the reply: a tensor by name, `index` in its last dimension."""

    tensor: str
    index: int | None = None


class Endpoint(msgspec.Struct, frozen=True):
    protocol: Protocol
    url: str  # no trailing slash
    model_name: str
    model_version: str
    timeout: float  # seconds
    concurrency: int
    inputs: InputSpec
    score: OutputSpec
    contributions: OutputSpec | None = None
    others: Mapping[str, OutputSpec] = {}  # further declared outputs, e.g. uncertainty


class ModelReply(msgspec.Struct, frozen=True):
    """What the model said, in the endpoint's terms; already checked for version, shape and finiteness."""

    score: float
    contributions: tuple[float, ...] | None  # in the order of inputs.order; None: not declared or absent
    others: Mapping[str, float]


class Probe(msgspec.Struct, frozen=True):
    """A probe vector: what this very model answers (`probes.json`)."""

    inputs: Mapping[str, float]
    outputs: Mapping[str, float | tuple[float, ...]]


class ProbePlan(msgspec.Struct, frozen=True):
    probes: tuple[Probe, ...]
    every: float  # seconds
    tolerance: float  # absolute
