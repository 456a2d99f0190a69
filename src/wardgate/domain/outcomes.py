"""The closed lists that name how a hook call ended: outcome, reason, step, mode, arm; and its stages.

They are metric labels, record fields and documentation at once, so nothing is ever renamed here.
`OUTCOME_OF` says which outcome each reason belongs to; the map is total (asserted by a test).
"""

from enum import StrEnum


class Outcome(StrEnum):
    SHOWN = "shown"
    WITHHELD = "withheld"
    BELOW_THRESHOLD = "below_threshold"
    SUPPRESSED = "suppressed"
    DEFERRED = "deferred"
    OUT_OF_SCOPE = "out_of_scope"
    UNAVAILABLE = "unavailable"
    OFF = "off"
    SHED = "shed"
    REFUSED = "refused"


class Step(StrEnum):
    """Which rung of the ladder produced the answer; NONE when no score was produced."""

    MODEL = "model"
    CACHED = "cached"
    RULE = "rule"
    NONE = "none"


class Mode(StrEnum):
    """Rollout mode of a service, lowest visibility first; NONE before a rollout was looked up."""

    OFF = "off"
    SHADOW = "shadow"
    SILENT = "silent"
    CANARY = "canary"
    ACTIVE = "active"
    NONE = "none"


class Arm(StrEnum):
    CHAMPION = "champion"
    CHALLENGER = "challenger"
    CONTROL = "control"
    SHADOW = "shadow"
    PREVIEW = "preview"
    NONE = "none"


class Stage(StrEnum):
    """The parts of a call whose ends are noted, in their order."""

    GATHER = "gather"
    EXTRACT = "extract"
    PREDICT = "predict"
    RENDER = "render"


class Reason(StrEnum):
    # shown
    THRESHOLD_MET = "threshold_met"
    NO_THRESHOLD = "no_threshold"
    # withheld: computed, or computable, and deliberately not shown
    SHADOW = "shadow"
    SILENT = "silent"
    CONTROL_ARM = "control_arm"
    SITE_UNKNOWN = "site_unknown"
    HIDDEN_SNAPSHOT = "hidden_snapshot"
    RECORD_UNAVAILABLE = "record_unavailable"
    # below the threshold
    BELOW_THRESHOLD = "below_threshold"
    # suppressed
    REPEATED = "repeated"
    # deferred: the gateway hands the question back to the clinician
    INPUT_MISSING = "input_missing"
    INPUT_STALE = "input_stale"
    INPUT_IMPLAUSIBLE = "input_implausible"
    INPUT_UNIT = "input_unit"
    INPUT_COMPARATOR = "input_comparator"
    INPUT_NOT_NUMERIC = "input_not_numeric"
    INPUT_CONFLICT = "input_conflict"
    POPULATION_UNKNOWN = "population_unknown"
    EXCLUSION_UNKNOWN = "exclusion_unknown"
    RULE_UNKNOWN = "rule_unknown"
    INDETERMINATE = "indeterminate"
    UNCERTAIN = "uncertain"
    CLINICAL_RULE = "clinical_rule"
    WRONG_PATIENT = "wrong_patient"
    # out of scope
    AUDIENCE = "audience"
    POPULATION = "population"
    EXCLUSION = "exclusion"
    # unavailable: a score was wanted and could not be had
    CONTEXT_UNAVAILABLE = "context_unavailable"
    DEADLINE = "deadline"
    RELEASE_ABSENT = "release_absent"
    PROBE_PENDING = "probe_pending"
    PROBE_FAILED = "probe_failed"
    MODEL_UNREACHABLE = "model_unreachable"
    MODEL_TIMEOUT = "model_timeout"
    MODEL_ERROR = "model_error"
    MODEL_REFUSED = "model_refused"
    MODEL_BUSY = "model_busy"
    MODEL_THROTTLED = "model_throttled"
    BULKHEAD_FULL = "bulkhead_full"
    BREAKER_OPEN = "breaker_open"
    MODEL_ISOLATED = "model_isolated"
    REPLY_VERSION = "reply_version"
    REPLY_RANGE = "reply_range"
    REPLY_SHAPE = "reply_shape"
    REPLY_NOT_FINITE = "reply_not_finite"
    REPLY_TRUNCATED = "reply_truncated"
    REPLY_MALFORMED = "reply_malformed"
    REPLY_MISMATCHED = "reply_mismatched"
    REPLY_TOO_LARGE = "reply_too_large"
    INTERNAL = "internal"
    # off
    OFF = "off"
    # shed: too much to do
    OVERLOADED = "overloaded"
    # refused: the request itself cannot be answered
    BAD_REQUEST = "bad_request"
    PATIENT_MISMATCH = "patient_mismatch"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    UPLOAD_TIMEOUT = "upload_timeout"
    PREFETCH_REQUIRED = "prefetch_required"
    TOO_LARGE = "too_large"
    MEDIA_TYPE = "media_type"
    UNAUTHENTICATED = "unauthenticated"


_BY_OUTCOME: dict[Outcome, tuple[Reason, ...]] = {
    Outcome.SHOWN: (Reason.THRESHOLD_MET, Reason.NO_THRESHOLD),
    Outcome.WITHHELD: (
        Reason.SHADOW,
        Reason.SILENT,
        Reason.CONTROL_ARM,
        Reason.SITE_UNKNOWN,
        Reason.HIDDEN_SNAPSHOT,
        Reason.RECORD_UNAVAILABLE,
    ),
    Outcome.BELOW_THRESHOLD: (Reason.BELOW_THRESHOLD,),
    Outcome.SUPPRESSED: (Reason.REPEATED,),
    Outcome.DEFERRED: (
        Reason.INPUT_MISSING,
        Reason.INPUT_STALE,
        Reason.INPUT_IMPLAUSIBLE,
        Reason.INPUT_UNIT,
        Reason.INPUT_COMPARATOR,
        Reason.INPUT_NOT_NUMERIC,
        Reason.INPUT_CONFLICT,
        Reason.POPULATION_UNKNOWN,
        Reason.EXCLUSION_UNKNOWN,
        Reason.RULE_UNKNOWN,
        Reason.INDETERMINATE,
        Reason.UNCERTAIN,
        Reason.CLINICAL_RULE,
        Reason.WRONG_PATIENT,
    ),
    Outcome.OUT_OF_SCOPE: (Reason.AUDIENCE, Reason.POPULATION, Reason.EXCLUSION),
    Outcome.UNAVAILABLE: (
        Reason.CONTEXT_UNAVAILABLE,
        Reason.DEADLINE,
        Reason.RELEASE_ABSENT,
        Reason.PROBE_PENDING,
        Reason.PROBE_FAILED,
        Reason.MODEL_UNREACHABLE,
        Reason.MODEL_TIMEOUT,
        Reason.MODEL_ERROR,
        Reason.MODEL_REFUSED,
        Reason.MODEL_BUSY,
        Reason.MODEL_THROTTLED,
        Reason.BULKHEAD_FULL,
        Reason.BREAKER_OPEN,
        Reason.MODEL_ISOLATED,
        Reason.REPLY_VERSION,
        Reason.REPLY_RANGE,
        Reason.REPLY_SHAPE,
        Reason.REPLY_NOT_FINITE,
        Reason.REPLY_TRUNCATED,
        Reason.REPLY_MALFORMED,
        Reason.REPLY_MISMATCHED,
        Reason.REPLY_TOO_LARGE,
        Reason.INTERNAL,
    ),
    Outcome.OFF: (Reason.OFF,),
    Outcome.SHED: (Reason.OVERLOADED,),
    Outcome.REFUSED: (
        Reason.BAD_REQUEST,
        Reason.PATIENT_MISMATCH,
        Reason.NOT_FOUND,
        Reason.METHOD_NOT_ALLOWED,
        Reason.UPLOAD_TIMEOUT,
        Reason.PREFETCH_REQUIRED,
        Reason.TOO_LARGE,
        Reason.MEDIA_TYPE,
        Reason.UNAUTHENTICATED,
    ),
}

OUTCOME_OF: dict[Reason, Outcome] = {reason: outcome for outcome, reasons in _BY_OUTCOME.items() for reason in reasons}

DEFERRAL_REASONS: frozenset[Reason] = frozenset(_BY_OUTCOME[Outcome.DEFERRED])
"""What a `defer` rule may name as its reason."""
