"""The one list of what telemetry may say: every name that a span, a log line or a metric's label can have (law 4).

A name that is not here cannot be set, says the type checker; what gets past it is dropped, and counted, before it
leaves (`domain.guard`). The same annotations say which values a name can have: words from code, names from the
configuration, ids that wardgate issued, numbers within bounds, places in wardgate's own code. There is no other kind,
and so no place for a text from outside.

docs/telemetry.md is written from this file (`python -m tests.telemetry_reference`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, NewType, TypedDict, get_args, get_type_hints

from wardgate.domain.audit import Kept as AuditKept
from wardgate.domain.cards.spec import OverrideClass
from wardgate.domain.context.record import Dropped
from wardgate.domain.errors import WardgateError
from wardgate.domain.features.vector import Mark
from wardgate.domain.feedback import NO_REASON, UNKNOWN_REASON, FeedbackOutcome
from wardgate.domain.hot import HotEvent, HotState, Refusal
from wardgate.domain.outcomes import Arm, Mode, Outcome, Reason, Stage, Step
from wardgate.domain.rollout.hidden import Hidden
from wardgate.domain.spool import SpoolEvent, SpoolState
from wardgate.domain.token_faults import Fetched, TokenFault

OTHER = "other"
"""What a value becomes that is not in its closed set."""

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

Value = str | int | float | bool

ClassName = NewType("ClassName", str)
"""Made by `class_of` alone."""


def class_of(error: BaseException | type[BaseException]) -> ClassName:
    """What is told of an exception: its class, never its message."""
    kind = error if isinstance(error, type) else type(error)
    return ClassName(kind.__name__)


class Sink(StrEnum):
    TRACES = "traces"
    METRICS = "metrics"
    LOGS = "logs"


class Loss(StrEnum):
    """Why something of telemetry did not leave."""

    UNLISTED = "unlisted"  # a name that is not on the list
    VALUE = "value"  # a value that its name cannot have
    RATE = "rate"  # more failed, slow or degraded calls than are kept besides
    QUEUE = "queue"  # more than can wait
    EXPORT = "export"  # the collector did not take it in time
    REJECTED = "rejected"  # the collector refused it


class Kept(StrEnum):
    """Why a call is traced."""

    RATIO = "ratio"
    ERROR = "error"
    SLOW = "slow"
    DEGRADED = "degraded"


# --- kinds of values ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Words:
    """A closed set of the code; an enum as the type says the same."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Configured:
    """A closed set of the configuration (`guard.configured_names`), and these words beside it."""

    besides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Issued:
    """An id of wardgate's own, by its form."""

    form: str


@dataclass(frozen=True, slots=True)
class Measured:
    """A number within bounds, both included."""

    low: float
    high: float
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """A name that stands in program text (a class, a module, a line) or is an address of the configuration; by its
    form."""

    form: str
    origin: str = "program text"


Kind = Words | Configured | Issued | Measured | Code


def _words(*more: str | type[StrEnum]) -> Words:
    lists = ([each] if isinstance(each, str) else [word.value for word in each] for each in more)
    return Words(tuple(word for words in lists for word in words))


def _codes(root: type[WardgateError]) -> Iterator[str]:
    yield root.code
    for child in root.__subclasses__():
        yield from _codes(child)


_DAY_MS = 86_400_000.0
_URL = r"https?://[A-Za-z0-9.:\[\]-]+"
_CLASS = r"[A-Za-z_][A-Za-z0-9_]{0,63}"
_MODULE = r"[A-Za-z_][A-Za-z0-9_.]{0,99}"
_PLACE = r"[A-Za-z0-9_./-]{1,160}:[0-9]{1,6}|outside"

FAULT_STAGES = (
    "hook",
    "edge",
    "recall",
    "notice",
    "shadow",
    "reload",
    "releases",
    "telemetry",
    "durable_store",
    "record",
    "spool",
    "audit",
    "rollout",
    "releases",
    "key_set",
    "certificates",
)
"""Where a failure that no table expected may be noted."""


# --- the list -------------------------------------------------------------------------------------------------------


class Attributes(TypedDict, total=False):
    """By name: its type, its meaning, and, where the type is not an enum, the kind of its values."""

    # what was asked
    service_id: Annotated[str, "the CDS service", Configured(("unknown",))]
    hook: Annotated[str, "the hook", Configured()]
    client: Annotated[str, "the EHR", Configured(("unknown",))]
    decision_id: Annotated[str, "the call; the record has the same", Issued(UUID)]
    repeated: Annotated[bool, "whether the answer was given before"]

    # by whom and where
    site_id: Annotated[str, "the site", Configured()]
    unit: Annotated[str, "the unit", Configured()]
    specialty: Annotated[str, "the specialty", Configured()]
    user_role: Annotated[str, "the role of the user", Configured()]
    encounter_type: Annotated[str, "the kind of encounter", Configured()]

    # who answered
    mode: Annotated[Mode, "the mode of the rollout"]
    arm: Annotated[Arm, "the arm of the rollout"]
    step: Annotated[Step, "the rung of the ladder that answered"]
    model_name: Annotated[str, "the model", Configured()]
    model_version: Annotated[str, "its release", Configured()]
    feature_schema_version: Annotated[str, "the version of its features", Configured()]
    release_digest: Annotated[str, "the digest of all that decides what is shown", Issued(r"sha256:[0-9a-f]{64}")]
    rule: Annotated[str, "the rule of the ladder", Configured()]

    # how it ended
    outcome: Annotated[Outcome | FeedbackOutcome, "how the call, or the card, ended"]
    reason: Annotated[Reason, "why"]
    question: Annotated[str, "the exclusion, or the number of the `defer` rule, that decided", Configured(("none",))]
    score_band: Annotated[str, "the band of the score", Configured()]
    threshold: Annotated[float, "the threshold that the score met", Measured(-1e9, 1e9)]
    error_code: Annotated[str, "the error (docs/errors.md)", Words(tuple(sorted(_codes(WardgateError))))]
    error_class: Annotated[ClassName, "the class of an exception", Code(_CLASS)]
    where: Annotated[str, "its place in wardgate's code", Code(_PLACE)]
    errno: Annotated[str, "the operating system's name of an error", Code(r"E[A-Z0-9]{1,19}")]

    # in what time
    latency_ms: Annotated[float, "from the last byte of the request to the outcome", Measured(0, _DAY_MS, "ms")]
    left_ms: Annotated[float, "what was left of the deadline", Measured(-_DAY_MS, _DAY_MS, "ms")]
    cache_age_s: Annotated[float, "the age of the cached score", Measured(0, 31_622_400, "s")]
    kept: Annotated[Kept, "why the call is traced"]

    # labels and log fields beside those
    stage: Annotated[str, "the part of a call; where a fault was noted", _words(Stage, *FAULT_STAGES)]
    feature: Annotated[str, "the feature", Configured()]
    mark: Annotated[Mark, "why it has no value"]
    how: Annotated[str, "what the gateway did to an input", Words(("filled", "clipped"))]
    override: Annotated[
        str,
        "the class of an override's reason",
        _words(OverrideClass, UNKNOWN_REASON, NO_REASON),
    ]
    state: Annotated[
        str,
        "of a circuit, a store, the audit chain, the spool or a segment of it",
        _words(
            "closed",
            "open",
            "half_open",
            "isolated",
            "down",
            "late",
            "denied",
            "newer",
            "foreign",
            "rewritten",
            HotState,
            "unreadable",
            "set_aside",
            SpoolState,
        ),
    ]
    standing: Annotated[
        str,
        "of this replica's snapshot, of its own copy of it, or of the rollout that a file asks for",
        Words(("shown", "hidden", "damaged", "unwritten", "taken", "waiting", "lowered")),
    ]
    epoch: Annotated[int, "of a snapshot", Measured(0, 2**53)]
    hidden: Annotated[Hidden, "why this replica shows nothing"]
    isolated: Annotated[bool, "whether people have taken a model out of use"]
    proof: Annotated[str, "of a model", Words(("passed", "probe_pending", "probe_failed"))]
    result: Annotated[
        str,
        "of a probe run, an export, a token or a fetch of keys",
        _words("passed", "taken", "refused", "failed", Reason, "accepted", TokenFault, Fetched),
    ]
    event: Annotated[HotEvent | SpoolEvent | AuditKept, "of the hot store, of the spool or of the audit's"]
    kind: Annotated[
        str,
        "of a store, or of records",
        Words(("sqlite", "postgresql", "decisions", "feedback", "outcomes", "access", "custody")),
    ]
    rows: Annotated[int, "how many records", Measured(0, 1_000_000_000_000)]
    segment: Annotated[int, "the number of a segment of the spool", Measured(0, 10_000_000_000)]
    entry: Annotated[int, "an entry of the audit chain", Measured(0, 1_000_000_000_000)]
    seal: Annotated[str, "its seal", Issued(r"[0-9a-f]{64}")]
    cause: Annotated[
        str,
        "why something did not count, or did not leave",
        _words(
            Dropped,
            "foreign_action",
            "unreachable",
            "timeout",
            "truncated",
            "too_large",
            "redirect",
            "not_allowed",
            "status",
            "not_json",
            "off_server",
            Refusal,
            Loss,
        ),
    ]
    sink: Annotated[Sink, "of telemetry"]
    environment: Annotated[str, "`environment` of wardgate.yaml", Words(("production", "staging", "test", "demo"))]
    version: Annotated[str, "of wardgate", Code(r"[0-9][0-9A-Za-z.+-]{0,39}")]
    python: Annotated[str, "the interpreter", Code(r"[0-9]+(?:\.[0-9]+){1,2}[0-9a-z+]{0,9}")]
    worker: Annotated[int, "the number of the worker", Measured(0, 1024)]
    workers: Annotated[int, "how many there are", Measured(0, 1024)]
    services: Annotated[int, "how many services there are", Measured(0, 1_000_000)]
    errors: Annotated[int, "how many errors there are", Measured(0, 1_000_000)]
    code: Annotated[int, "with which a process ended; below 0 the signal", Measured(-1024, 1024)]
    calls_lost: Annotated[int, "calls that were under way there", Measured(0, 1_000_000)]
    gateway: Annotated[str, "where the EHR's listener is", Code(_URL, "configuration")]
    admin: Annotated[str, "where the admin listener is", Code(_URL, "configuration")]
    logger: Annotated[str, "the logger of a library", Code(_MODULE)]
    level: Annotated[str, "of its line", Words(("debug", "info", "warning", "error", "critical"))]


ResourceAttributes = TypedDict(
    "ResourceAttributes",
    {
        "service.name": Annotated[str, "always `wardgate`", Words(("wardgate",))],
        "service.version": Annotated[str, "of wardgate", Code(r"[0-9][0-9A-Za-z.+-]{0,39}")],
        "deployment.environment.name": Annotated[
            str, "`environment` of wardgate.yaml", Words(("production", "staging", "test", "demo"))
        ],
        "wardgate.worker": Annotated[int, "the number of the worker", Measured(0, 1024)],
    },
    total=False,
)
"""What is said of the process that sends spans; nothing of its host."""

SPAN_NAMES = frozenset({"hook_call", *Stage})


@dataclass(frozen=True, slots=True)
class Attribute:
    """One entry of the list. `kind` None: a boolean."""

    name: str
    meaning: str
    kind: Kind | None


def _read(listed: Any) -> dict[str, Attribute]:
    return {name: _attribute(name, hint) for name, hint in get_type_hints(listed, include_extras=True).items()}


def _attribute(name: str, hint: Any) -> Attribute:
    plain, meaning, *kinds = get_args(hint)
    if kinds:
        return Attribute(name, meaning, kinds[0])
    enums = [each for each in get_args(plain) or (plain,) if isinstance(each, type) and issubclass(each, StrEnum)]
    return Attribute(name, meaning, _words(*enums) if enums else None)


ATTRIBUTES: dict[str, Attribute] = _read(Attributes)
RESOURCE_ATTRIBUTES: dict[str, Attribute] = _read(ResourceAttributes)


def form_of(kind: Issued | Code) -> re.Pattern[str]:
    return re.compile(kind.form, re.ASCII)
