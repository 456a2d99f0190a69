"""Domain errors → HTTP: the one table of statuses, and the OperationOutcome that says what is wrong.

CDS Hooks 3.0, "HTTP Response", asks for an OperationOutcome in the body of an error. It names the element and
never its value; only sentences that wardgate wrote are sent.
"""

import msgspec

from wardgate.domain.errors import MethodNotAllowed, Overloaded, Refusal, Unauthenticated
from wardgate.domain.outcomes import Reason
from wardgate.web.asgi import JSON, Header, Response

PROBLEMS: dict[Reason, tuple[int, str]] = {  # HTTP status, FHIR issue-type
    Reason.BAD_REQUEST: (400, "invalid"),
    Reason.PATIENT_MISMATCH: (400, "conflict"),
    Reason.UNAUTHENTICATED: (401, "login"),
    Reason.NOT_FOUND: (404, "not-found"),
    Reason.METHOD_NOT_ALLOWED: (405, "not-supported"),
    Reason.UPLOAD_TIMEOUT: (408, "timeout"),
    Reason.PREFETCH_REQUIRED: (412, "required"),
    Reason.TOO_LARGE: (413, "too-long"),
    Reason.MEDIA_TYPE: (415, "not-supported"),
    Reason.OVERLOADED: (503, "throttled"),
}


class _Issue(msgspec.Struct, omit_defaults=True):
    severity: str
    code: str
    diagnostics: str
    expression: tuple[str, ...] = ()


class _OperationOutcome(msgspec.Struct):
    resourceType: str
    issue: tuple[_Issue, ...]


_encode = msgspec.json.Encoder().encode


def refusal_response(refusal: Refusal) -> Response:
    status, code = PROBLEMS[refusal.reason]
    headers: tuple[Header, ...] = (JSON,)
    if isinstance(refusal, MethodNotAllowed):
        headers = (JSON, (b"allow", ", ".join(refusal.allowed).encode()))
    if isinstance(refusal, Unauthenticated):
        headers = (JSON, (b"www-authenticate", b"Bearer"))
    if isinstance(refusal, Overloaded):
        headers = (JSON, (b"retry-after", b"1"))
    return Response(status, _outcome(code, refusal.what, refusal.element), headers)


def _outcome(code: str, what: str, element: str | None) -> bytes:
    issue = _Issue("error", code, what, (element,) if element else ())
    return _encode(_OperationOutcome("OperationOutcome", (issue,)))


INTERNAL = Response(500, _outcome("exception", "The request could not be processed.", None), (JSON,))
"""What is answered where nothing else fits; says nothing of the cause."""

OVERLOADED = refusal_response(Overloaded("The gateway is overloaded; call again in a moment."))
"""Made beforehand: under load this answer has to be the cheapest of all."""
