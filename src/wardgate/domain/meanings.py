"""Every outcome, reason and error in plain sentences: what it means at the bedside, and what an engineer does.

The one place of these sentences: `wardgate call` and `probes` print them, docs/errors.md is made from them. The tables
are total (asserted by a test). What a *card* says of a reason is `domain/cards/wording.py`: that is part of a release.
"""

from collections.abc import Mapping

import msgspec

from wardgate.domain.errors import (
    BadRequest,
    ConfigurationError,
    DeadlineExceeded,
    MediaType,
    MethodNotAllowed,
    ModelUnavailable,
    NotFound,
    Overloaded,
    PatientMismatch,
    PrefetchRequired,
    RecordUnavailable,
    Refusal,
    TooLarge,
    Unauthenticated,
    UploadTimeout,
    WardgateError,
)
from wardgate.domain.outcomes import Outcome, Reason


class Meaning(msgspec.Struct, frozen=True):
    """`bedside`: for whoever waits for a card; `engineer`: what to do, or why there is nothing to do."""

    bedside: str
    engineer: str


OUTCOMES: Mapping[Outcome, str] = {
    Outcome.SHOWN: "A card was shown, with the model's score or, where it could not be had, its last or the rule's.",
    Outcome.WITHHELD: "A card was computed, or could have been, and was deliberately not shown.",
    Outcome.BELOW_THRESHOLD: "A score was computed; it is below the threshold from which this service shows a card.",
    Outcome.SUPPRESSED: "The same card was shown a short while ago.",
    Outcome.DEFERRED: "wardgate handed the question back to the clinician; a rule says whether a card tells her so.",
    Outcome.OUT_OF_SCOPE: "The patient or the user is outside of what this service is for.",
    Outcome.UNAVAILABLE: "A score was wanted and could not be had.",
    Outcome.OFF: "The service is switched off.",
    Outcome.SHED: "The gateway had too much to do and said so at once.",
    Outcome.REFUSED: "The request itself could not be answered; the reply says why, with an HTTP error.",
}

_REPLY = "Look at the endpoint: the reply was dropped unread beyond what named this reason."

REASONS: Mapping[Reason, Meaning] = {
    Reason.THRESHOLD_MET: Meaning("The score reaches the threshold of this site.", "Nothing."),
    Reason.NO_THRESHOLD: Meaning("The service shows every score.", "Nothing."),
    Reason.SHADOW: Meaning(
        "The service is in shadow mode: nobody sees a card.",
        "Nothing: raise `rollout.mode` when the evidence is there.",
    ),
    Reason.SILENT: Meaning(
        "The service is in silent mode: computed, recorded, not shown.",
        "Nothing: raise `rollout.mode` when the evidence is there.",
    ),
    Reason.CONTROL_ARM: Meaning(
        "The call is not in the cohort that sees cards.", "Nothing; `rollout.cohort` says who is in it."
    ),
    Reason.SITE_UNKNOWN: Meaning(
        "The service differs by site, and where this call came from cannot be told.",
        "Give the client a `site`, or declare `attributes.site`, in wardgate.yaml.",
    ),
    Reason.HIDDEN_SNAPSHOT: Meaning(
        "Visibility was lowered while the call was under way, or this replica cannot tell whether it knows the newest.",
        "Nothing: the newest rollout is obeyed to the last moment.",
    ),
    Reason.RECORD_UNAVAILABLE: Meaning(
        "The decision could not be recorded, and what is not recorded is not shown.",
        "Look at `spool` in /health/stores and at its disk: full, hanging, not writable (docs/records.md).",
    ),
    Reason.BELOW_THRESHOLD: Meaning("The score is below the threshold of this site.", "Nothing."),
    Reason.REPEATED: Meaning(
        "The same card was shown a short while ago, and nothing has become worse since.",
        "Nothing; `suppress` of the service says what counts as the same, and for how long.",
    ),
    Reason.INPUT_MISSING: Meaning(
        "An input was not found in the chart.",
        "If that is frequent: does the feature list every code that is in use, and look back far enough?",
    ),
    Reason.INPUT_STALE: Meaning(
        "An input is older than the model allows.", "If that is frequent: look at the feed, then at `within`."
    ),
    Reason.INPUT_IMPLAUSIBLE: Meaning(
        "An input is outside of its plausible range: a typing error, a mixed-up sample, a wrong unit.",
        "If that is frequent: look at the unit that the feed sends, then at `plausible`.",
    ),
    Reason.INPUT_UNIT: Meaning(
        "An input stands in the chart in a unit that the model does not know; nothing is converted by guess.",
        "Declare the factor under `convert`, after a laboratory specialist has confirmed it.",
    ),
    Reason.INPUT_COMPARATOR: Meaning(
        "An input is only known as a limit, such as > 60.", "Nothing: a limit is no number that a model could take."
    ),
    Reason.INPUT_NOT_NUMERIC: Meaning(
        "What stands in the chart for an input cannot be read as a value.",
        "If that is frequent: look at what the feed sends as the value of this code.",
    ),
    Reason.INPUT_CONFLICT: Meaning("Entries in the chart contradict each other.", "Nothing, unless it is frequent."),
    Reason.POPULATION_UNKNOWN: Meaning(
        "Whether the model is for this patient cannot be told from the chart.",
        "If that is frequent: which feature of `population` is missing, and does the prefetch ask for it?",
    ),
    Reason.EXCLUSION_UNKNOWN: Meaning(
        "Whether an exclusion applies cannot be told from the chart.",
        "A prefetch key that is not required could not be read: look at the FHIR server, or require the key.",
    ),
    Reason.RULE_UNKNOWN: Meaning(
        "A safety rule could not be evaluated, so no score is given.",
        "Which feature of the `defer` rules is missing? A rule on `missing(x)` before it makes the case explicit.",
    ),
    Reason.INDETERMINATE: Meaning("The score is too close to the threshold to say.", "Nothing."),
    Reason.UNCERTAIN: Meaning(
        "The model itself says that it is not certain enough.", "Nothing, unless it is frequent."
    ),
    Reason.CLINICAL_RULE: Meaning("A clinical rule of the service keeps the model from answering.", "Nothing."),
    Reason.WRONG_PATIENT: Meaning(
        "The data may belong to another patient, so none of it is used.",
        "Report it to whoever runs the EHR's interface: a resource named another patient than the call did.",
    ),
    Reason.AUDIENCE: Meaning("The service is not for this kind of user.", "Nothing; `audience` says who it is for."),
    Reason.POPULATION: Meaning("The patient is not in the population that the model is for.", "Nothing."),
    Reason.EXCLUSION: Meaning("An exclusion of this service applies to the patient.", "Nothing."),
    Reason.CONTEXT_UNAVAILABLE: Meaning(
        "The patient's data could not be read in time; that is not the same as data that are not there.",
        "Look at the EHR's FHIR server, at the token's scopes, and at what the EHR prefetches.",
    ),
    Reason.DEADLINE: Meaning(
        "The answer was not ready within the service's deadline.",
        "Which part was slow? FHIR reads that a prefetch would spare, or the model's own time.",
    ),
    Reason.RELEASE_ABSENT: Meaning(
        "The release of the model that should answer is not in place yet.",
        "This replica has no files of the release that the rollout names. Give all replicas the same configuration, and"
        " compare their release digests in health; until then the other replicas answer, or the notice does.",
    ),
    Reason.PROBE_PENDING: Meaning(
        "The endpoint has not yet proved that it runs the pinned model.",
        "The endpoint cannot be asked: is it up, and ready? It is tried again every few seconds.",
    ),
    Reason.PROBE_FAILED: Meaning(
        "The endpoint could not prove that it runs the pinned model.",
        "Another model answers, or probes.json is wrong: `wardgate probes SERVICE` shows both numbers.",
    ),
    Reason.MODEL_UNREACHABLE: Meaning(
        "The model server cannot be reached.", "Is it running, at the host and port of `endpoint.url`?"
    ),
    Reason.MODEL_TIMEOUT: Meaning(
        "The model did not answer in time.", "Look at the model server's load; `endpoint.timeout` bounds one attempt."
    ),
    Reason.MODEL_ERROR: Meaning(
        "The model server failed.", "An HTTP status of 500 or above, or not ready: its own log says why."
    ),
    Reason.MODEL_REFUSED: Meaning(
        "The model server refused the request.",
        "A 4xx: wrong name, version, shape or type; or an input that its `datatype` cannot say, which was not sent. "
        "Compare `endpoint` with what the server has loaded.",
    ),
    Reason.MODEL_BUSY: Meaning(
        "The model server has too much to do.", "It answered 503, twice where there was time: give it more room."
    ),
    Reason.MODEL_THROTTLED: Meaning(
        "The model server lets wardgate ask no more for now.",
        "It answered 429: raise its limit, or lower `endpoint.concurrency`.",
    ),
    Reason.BULKHEAD_FULL: Meaning(
        "As many calls as the model may have at a time were already under way.",
        "Is the model slow? Else raise `endpoint.concurrency`, if it can bear more.",
    ),
    Reason.BREAKER_OPEN: Meaning(
        "The model had not been answering, and was not asked again so soon.",
        "Look at the reasons just before: those calls opened the circuit. It closes by itself once calls go well.",
    ),
    Reason.MODEL_ISOLATED: Meaning(
        "The model has been taken out of use by hand.",
        "Nothing, if that is meant: it is asked again once somebody closes its circuit.",
    ),
    Reason.REPLY_VERSION: Meaning(
        "Another model or version answered than the one that is pinned.",
        "Compare `model_name` and `model_version` with what the server has loaded.",
    ),
    Reason.REPLY_RANGE: Meaning("The score is outside of its range.", "Look at the model, and at `score_range`."),
    Reason.REPLY_SHAPE: Meaning(
        "The reply does not hold one score.",
        "Compare `endpoint.outputs` with the reply: the name, and `index` where it holds one number for each class.",
    ),
    Reason.REPLY_NOT_FINITE: Meaning("The score is no finite number.", _REPLY),
    Reason.REPLY_TRUNCATED: Meaning("The reply broke off.", _REPLY),
    Reason.REPLY_MALFORMED: Meaning("The reply is not what the protocol says.", _REPLY),
    Reason.REPLY_MISMATCHED: Meaning(
        "The reply is the answer to another request.",
        "The endpoint, or a proxy before it, answers requests twice, or out of turn: mend it.",
    ),
    Reason.REPLY_TOO_LARGE: Meaning("The reply is too large to be one.", _REPLY),
    Reason.INTERNAL: Meaning(
        "wardgate itself failed; the clinician was not kept waiting.",
        "A fault: the log names its class and place. Please report it.",
    ),
    Reason.OFF: Meaning("The service is switched off.", "Nothing: raise `rollout.mode` to bring it back."),
    Reason.OVERLOADED: Meaning(
        "wardgate had more calls than it can answer in time, and said so at once.",
        "More replicas; or is something behind it slow, so that calls pile up? docs/policies/load-shedding.md.",
    ),
    Reason.BAD_REQUEST: Meaning(
        "The EHR's request is not what the standard asks for.", "The reply names the element, never its value."
    ),
    Reason.PATIENT_MISMATCH: Meaning(
        "The request speaks of two patients.",
        "Report it to whoever runs the EHR's interface: context, token and prefetch must agree.",
    ),
    Reason.NOT_FOUND: Meaning(
        "There is no such service.", "Compare the URL with what /cds-services offers, `public_url` included."
    ),
    Reason.METHOD_NOT_ALLOWED: Meaning("The URL does not take this method.", "The header Allow names those it takes."),
    Reason.UPLOAD_TIMEOUT: Meaning(
        "The request did not arrive in time.", "Look at the network to the EHR; `limits.read` is the bound."
    ),
    Reason.PREFETCH_REQUIRED: Meaning(
        "Data that the service cannot do without were neither sent nor readable.",
        "Look at what the EHR prefetches, at its FHIR server and token, and at the client's `fhir_servers`.",
    ),
    Reason.TOO_LARGE: Meaning(
        "The request is larger than is accepted.", "Narrow the prefetch (`_count`, codes), or raise `limits.body`."
    ),
    Reason.MEDIA_TYPE: Meaning("The request is not JSON.", "The EHR must send `Content-Type: application/json`."),
    Reason.UNAUTHENTICATED: Meaning(
        "The gateway could not make sure who calls.",
        "The cause is in `wardgate_authentications_total` (below), and never in the answer to the EHR.",
    ),
}

ERRORS: Mapping[type[WardgateError], str] = {
    WardgateError: "The root of the tree; never raised itself.",
    Refusal: "The request cannot be answered; one of those below.",
    BadRequest: "Not what CDS Hooks asks for.",
    PatientMismatch: "Context, token and prefetch name different patients.",
    NotFound: "No such service or path.",
    MethodNotAllowed: "Not this method on this path.",
    UploadTimeout: "The body did not arrive in time.",
    PrefetchRequired: "A required prefetch key could not be obtained.",
    TooLarge: "The body is larger than `limits.body`.",
    MediaType: "The body is not declared as JSON.",
    Overloaded: "Too much load: 503 with Retry-After.",
    Unauthenticated: "No token, or none of a registered client's: 401, without the cause.",
    ModelUnavailable: "No usable reply from the endpoint; carries its reason.",
    DeadlineExceeded: "The call's time is up.",
    RecordUnavailable: "The decision, or the feedback, could not be put on the spool in time.",
    ConfigurationError: "The configuration is unsound; carries every finding.",
}
