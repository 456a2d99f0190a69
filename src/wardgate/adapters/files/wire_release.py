"""`models/<model>/releases/<version>.yaml` and the probe vectors beside it (docs/configuration.md)."""

import re
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, RootModel, model_validator

from wardgate.adapters.files.wire import (
    SHA256,
    Count,
    Duration,
    Name,
    Number,
    Range,
    Rate,
    Share,
    Text,
    Whole,
    Wire,
    matching,
)
from wardgate.domain.documents import Wrong
from wardgate.domain.inference.calibration import Calibration, Identity, Isotonic, Logistic
from wardgate.domain.inference.endpoint import BreakerSpec, OutputSpec, Probe, Shape
from wardgate.domain.releases import Dossier, Evidence, EvidenceKind, Limit

Datatype = Literal["FP64", "FP32", "FP16", "INT64", "INT32", "BOOL"]

_POINTER = r"(?:/(?:[^~/]|~[01])*)+"
POINTER = matching(
    _POINTER,
    "not a JSON Pointer (RFC 6901)",
    "write /key/key/0 from the root of the reply; ~1 stands for a / in a key, ~0 for a ~",
)
PATH = matching(r"/[!-~]*", "not a path", "write it from the root of the host, such as /health")


def is_pointer(text: str) -> bool:
    return re.fullmatch(_POINTER, text) is not None


class Inputs(Wire):
    tensor: Text = "features"
    """Of oip: the input tensor of shape row; shape named calls each tensor after its feature."""
    shape: Shape | None = None
    """Of oip (default row) and mlflow (default named: with the names of its columns)."""
    datatype: Datatype = "FP64"
    """What is not whole for INT, or not 0 or 1 for BOOL, is not sent."""
    datatypes: dict[str, Datatype] = {}
    """By feature, where it is not `datatype`; not for shape row."""
    order: Annotated[tuple[Text, ...], Field(min_length=1)]
    """The features that leave for the model, and no other."""
    fill: dict[str, Number] = {}
    """By feature: what stands for a missing optional input."""
    clip: dict[str, Range] = {}
    """By feature: bounds that a value is moved to."""

    def datatype_of(self, name: str) -> str:
        return self.datatypes.get(name, self.datatype)


class Output(Wire):
    tensor: Text
    """Of oip. Of mlflow the column, or `predictions` where it has no name; of json a JSON Pointer into the reply."""
    index: Annotated[Whole, Field(ge=0)] | None = None
    """In the last dimension. Absent: one number stands there. Not of json, whose pointer says it."""

    def spec(self) -> OutputSpec:
        return OutputSpec(self.tensor, self.index)


class BreakerEntry(Wire):
    failure_rate: Rate = 0.5
    """Share of the judged calls; at or above it no call is made for a moment."""
    slow_after: Duration | None = None
    """From when on a call is slow, however it ends. Absent: nine tenths of `timeout`."""
    slow_rate: Rate = 1.0
    """Share of the judged calls; at or above it no call is made for a moment."""
    minimum: Count = 5
    """Calls below which nothing is judged."""
    recent: Duration = 1.0
    """Calls that ended within this time are judged."""
    calls: Count = 100
    """The last so many at most."""
    few: Count = 20
    """The last so many at least, or `minimum` if that is more: older ones too, where there were not enough."""
    window: Duration = 30.0
    """After which a call is judged no more."""
    open_for: Duration = 1.0
    """Until a call may try again."""
    probes: Count = 1
    """Tries in a row, one at a time, that must go well."""

    @model_validator(mode="after")
    def _can_open(self) -> "BreakerEntry":
        if self.minimum > self.calls:
            raise Wrong("more calls are needed than are looked at", "write a `minimum` of at most `calls`")
        return self

    def spec(self) -> BreakerSpec:
        return BreakerSpec(**self.model_dump())


def _by_name(value: object) -> object:
    return {"tensor": value} if isinstance(value, str) else value


def _with_score(value: object) -> object:
    if isinstance(value, dict) and "score" not in value:
        raise Wrong("no output is called `score`", "add score: with the name of the tensor that holds it")
    return value


def _document(value: object) -> object:
    if value is not None and not isinstance(value, dict | list):
        raise Wrong("not a document", "write a mapping or a list, with $NAME where the input NAME belongs")
    return value


class EndpointEntry(Wire):
    protocol: Literal["oip", "mlflow", "json"] = "oip"
    """oip: the Open Inference Protocol, version 2; mlflow: MLflow's scoring server; json: a declared request
    ([protocols.md](protocols.md))."""
    url: Text
    """Its host must be in `model_hosts`; plain http only on loopback."""
    model_name: Text | None = None
    """Of oip, required: in the path of each call, and checked in the reply."""
    model_version: Text | None = None
    """Of oip, required: in the path of each call, and checked in the reply. Of json: checked where `version_at`
    says. Of mlflow: for the reader; the probes alone prove it."""
    version_at: Annotated[str, POINTER] | None = None
    """Of json: where the reply names its version, as a JSON Pointer."""
    request: Annotated[Any, BeforeValidator(_document)] = None
    """Of json: the document that is sent; a text `$age` is replaced by the number of the input age, `$$` at the start
    of a text is one `$`. Absent: one object with each input under its name."""
    ready: Annotated[str, PATH] | None = None
    """Of json: a path on the same host that answers 2xx while the model is ready. Absent: the URL itself is asked,
    and any answer below 500 will do."""
    timeout: Duration = 0.2
    """Of one attempt."""
    concurrency: Count = 32
    """Calls at a time."""
    queue: Annotated[Whole, Field(ge=0)] = 0
    """Calls that wait where so many are under way; all others are refused at once."""
    retry: Share = 0.1
    """Share of the calls that may be asked a second time, after a failed connection or a 503; 0: none."""
    breaker: BreakerEntry = BreakerEntry()
    """When the endpoint is left alone for a moment ([circuit-breaker.md](policies/circuit-breaker.md))."""
    inputs: Inputs
    outputs: Annotated[
        dict[str, Annotated[Output, BeforeValidator(_by_name)]], BeforeValidator(_with_score), Field(min_length=1)
    ]
    """By name: a tensor, or {tensor, index}. `score` is required; `contributions` is in the order of `order`, or an
    object by its names (mlflow, json); further ones (`uncertainty`) may be named in `defer`."""


class ProbesEntry(Wire):
    file: Text
    """From the release's folder."""
    every: Duration = 300.0
    tolerance: Annotated[Number, Field(gt=0)] = 1e-6
    """Absolute."""


class CalibrationEntry(Wire):
    method: Literal["identity", "logistic", "isotonic"] = "identity"
    intercept: Number | None = None
    """Of logistic."""
    slope: Number | None = None
    """Of logistic."""
    points: Annotated[tuple[Range, ...], Field(min_length=2)] | None = None
    """Of isotonic: [raw, calibrated], raw strictly increasing."""

    @model_validator(mode="after")
    def _fits_its_method(self) -> "CalibrationEntry":
        logistic = self.intercept is not None or self.slope is not None
        match self.method:
            case "identity" if logistic or self.points is not None:
                raise Wrong("identity takes no parameters", "remove them, or name the method that they belong to")
            case "logistic" if self.intercept is None or self.slope is None or self.points is not None:
                raise Wrong("logistic takes `intercept` and `slope`", "give both, and no points")
            case "isotonic" if self.points is None or logistic:
                raise Wrong("isotonic takes `points`", "give [[raw, calibrated], …], and nothing else")
        self._increasing()
        return self

    def _increasing(self) -> None:
        points = self.points or ()
        for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
            if x1 <= x0 or y1 < y0:
                raise Wrong(
                    "the points do not increase", "raw scores increase strictly, calibrated ones never fall: sort them"
                )

    def calibration(self) -> Calibration:
        if self.intercept is not None and self.slope is not None:
            return Logistic(self.intercept, self.slope)
        return Isotonic(self.points) if self.points is not None else Identity()


class LimitationEntry(Wire):
    text: Text
    check: Text | None = None
    """The exclusion that watches over it, or `population`."""
    accepted: Text | None = None
    """Why it is accepted that nothing watches over it; for those who approve."""

    @model_validator(mode="after")
    def _one_answer(self) -> "LimitationEntry":
        if self.check is not None and self.accepted is not None:
            raise Wrong("two answers to one limitation", "keep `check` or `accepted`")
        return self


class EvidenceEntry(Wire):
    kind: EvidenceKind
    path: Text
    """From the release's folder. The file is kept with the release when that is submitted."""
    sha256: Annotated[str, Field()]

    @model_validator(mode="before")
    @classmethod
    def _digest(cls, value: object) -> object:
        if isinstance(value, dict) and isinstance(digest := value.get("sha256"), str):
            if not re.fullmatch(r"(?:sha256:)?[0-9a-f]{64}", digest):
                raise Wrong("`sha256` is not a SHA-256 digest", "write its 64 lower-case hex digits")
        return value


def _a_date(value: object) -> object:
    if isinstance(value, str):
        try:
            sound = re.fullmatch(r"\d{4}-\d\d-\d\d", value) is not None and date.fromisoformat(value) is not None
        except ValueError:
            sound = False
        if not sound:
            raise Wrong("not a date", "write it as 2027-05-01")
    return value


class Release(Wire):
    model: Name
    """The name of its folder."""
    version: Name
    """The name of the file."""
    changelog: Text | None = None
    endpoint: EndpointEntry
    artifact: Annotated[str, SHA256] | None = None
    """The digest of the model's own file, for the record."""
    probes: ProbesEntry
    features: Text
    """The version of the feature schema."""
    calibration: CalibrationEntry = CalibrationEntry()
    score_range: Range | None = None
    """Of the raw score; a reply outside of it is refused. Absent: any finite number."""
    intended_use: Text | None = None
    limitations: tuple[LimitationEntry, ...] = ()
    evidence: tuple[EvidenceEntry, ...] = ()
    review_by: Annotated[str, BeforeValidator(_a_date)] | None = None
    """The last day on which the review holds; health and gates say when it is past."""

    def dossier(self) -> Dossier:
        return Dossier(
            tuple(Evidence(each.kind, each.path, each.sha256.removeprefix("sha256:")) for each in self.evidence),
            tuple(Limit(each.text, each.check, each.accepted) for each in self.limitations),
            self.intended_use,
            self.changelog,
            self.artifact,
            self.review_by,
        )


def _number(value: object) -> float:
    if isinstance(value, int | float):
        return float(value)
    raise Wrong("not a number", "write the number that the model takes; true and false are 1 and 0")


def _number_or_list(value: object) -> float | tuple[float, ...]:
    return tuple(_number(item) for item in value) if isinstance(value, list) else _number(value)


class ProbeEntry(Wire):
    inputs: dict[str, Annotated[float, PlainValidator(_number)]]
    """A value for every input of `order`."""
    outputs: dict[str, Annotated[float | tuple[float, ...], PlainValidator(_number_or_list)]]
    """What this very model answers: `score`, and whichever of the other outputs shall be compared."""

    def probe(self) -> Probe:
        return Probe(self.inputs, self.outputs)


class Probes(RootModel[Annotated[tuple[ProbeEntry, ...], Field(min_length=1)]]):
    """The whole of a `probes.json`."""
