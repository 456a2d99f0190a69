"""The error tree. Codes are stable: they appear in records, metric labels and docs/errors.md.

    WardgateError                  WG000
    ├── Refusal                    WG1xx  the request cannot be answered; carries a `Reason`
    │   ├── BadRequest             WG101
    │   ├── PatientMismatch        WG102
    │   ├── NotFound               WG103
    │   ├── MethodNotAllowed       WG104
    │   ├── UploadTimeout          WG105
    │   ├── PrefetchRequired       WG106
    │   ├── TooLarge               WG107
    │   ├── MediaType              WG108
    │   ├── Overloaded             WG109
    │   └── Unauthenticated        WG110
    ├── ModelUnavailable           WG201  no usable reply from the endpoint; carries a `Reason`
    ├── DeadlineExceeded           WG202  the call's time is up
    ├── RecordUnavailable          WG301  the decision could not be recorded
    └── ConfigurationError         WG401  the configuration is unsound; carries every finding

No message here ever holds a value that came from outside: only names that wardgate itself or its
configuration gave (law 4). HTTP statuses belong to the web ring (`web/problems.py`).
"""

from collections.abc import Sequence

from wardgate.domain.findings import Finding
from wardgate.domain.outcomes import OUTCOME_OF, Outcome, Reason
from wardgate.domain.token_faults import TokenFault


class WardgateError(Exception):
    code = "WG000"


class Refusal(WardgateError):
    """`what` says what is wrong and how to mend it; `element` is the path of the offending element."""

    code = "WG100"
    reason: Reason

    def __init__(self, what: str, element: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.element = element


class BadRequest(Refusal):
    code = "WG101"
    reason = Reason.BAD_REQUEST


class PatientMismatch(Refusal):
    code = "WG102"
    reason = Reason.PATIENT_MISMATCH


class NotFound(Refusal):
    code = "WG103"
    reason = Reason.NOT_FOUND


class MethodNotAllowed(Refusal):
    code = "WG104"
    reason = Reason.METHOD_NOT_ALLOWED

    def __init__(self, what: str, allowed: Sequence[str]) -> None:
        super().__init__(what)
        self.allowed = tuple(allowed)


class UploadTimeout(Refusal):
    code = "WG105"
    reason = Reason.UPLOAD_TIMEOUT


class PrefetchRequired(Refusal):
    code = "WG106"
    reason = Reason.PREFETCH_REQUIRED


class TooLarge(Refusal):
    code = "WG107"
    reason = Reason.TOO_LARGE


class MediaType(Refusal):
    code = "WG108"
    reason = Reason.MEDIA_TYPE


class Overloaded(Refusal):
    code = "WG109"
    reason = Reason.OVERLOADED


class Unauthenticated(Refusal):
    """Says the same of every fault: whoever forges a token learns nothing from it."""

    code = "WG110"
    reason = Reason.UNAUTHENTICATED

    def __init__(self, fault: TokenFault) -> None:
        super().__init__("This call is not authenticated.")
        self.fault = fault


class ModelUnavailable(WardgateError):
    code = "WG201"

    def __init__(self, reason: Reason) -> None:
        if OUTCOME_OF[reason] is not Outcome.UNAVAILABLE:
            raise ValueError(f"{reason} does not belong to 'unavailable'")
        super().__init__(reason.value)
        self.reason = reason


class DeadlineExceeded(WardgateError):
    code = "WG202"


class RecordUnavailable(WardgateError):
    code = "WG301"


class ConfigurationError(WardgateError):
    code = "WG401"

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__(f"the configuration has {len(findings)} errors")
        self.findings = tuple(findings)
