"""Errors of the admin API as problem details (RFC 9457). They name what is wrong, and never what was sent."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

PROBLEM_JSON = "application/problem+json"


class ProblemView(BaseModel):
    """Problem details (RFC 9457). `detail` says what is wrong and how to mend it, and repeats nothing that was sent."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    code: str = Field("", description="Why, in one word, where there are several reasons.")
    gates: list[str] = Field([], description="Those that do not hold.")
    codes: list[str] = Field(
        [], description="Usual codes for `reason`, where one lacks. Others of this form are taken."
    )

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Conflict",
                    "status": 409,
                    "detail": "Not all gates pass. `wardgate gate` shows them.",
                    "code": "gates",
                    "gates": ["kidney-failure: shadow_days: needs at least 14 days, found 3"],
                }
            ]
        },
    )


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {PROBLEM_JSON: {"schema": {"$ref": PROBLEM_SCHEMA}}}}


PROBLEM_SCHEMA = "#/components/schemas/ProblemView"
PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: _problem("It could not be read."),
    401: _problem("No token, or none that is good."),
    403: _problem("Not with this token. It is on the audit chain."),
    404: _problem("There is no such service, release or switch."),
    408: _problem("The body did not come in time."),
    409: _problem("It cannot be: gates that do not hold are listed, or there is nothing to do."),
    413: _problem("The body is too large."),
    422: _problem("It is not what the route takes."),
    429: _problem("Too many tokens that are none, from this address."),
    503: _problem("A store is away, and nothing was changed."),
}
"""What any route may answer."""
_DETAILS = {
    401: "No token came along, or one that is unknown, expired or revoked.",
    429: "Too many tokens that are none came from this address. Wait for as long as Retry-After says.",
}
"""Where what ends the request has no words of its own."""


def or_json(status: int, description: str) -> dict[int | str, dict[str, Any]]:
    """Of a route whose own answer with this status is no problem, but what became of it."""
    problem = PROBLEMS[status]["content"]
    return {status: {"description": description, "content": {"application/json": {"schema": {}}, **problem}}}


class Problem(Exception):
    """Raised by a route: `detail` is a sentence of wardgate's own, `more` are further members of the answer."""

    def __init__(self, status: int, detail: str, more: Mapping[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.more = more or {}


def problem(status: int, detail: str = "", more: Mapping[str, Any] | None = None) -> JSONResponse:
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    if detail:
        body["detail"] = detail
    return JSONResponse({**body, **(more or {})}, status, media_type=PROBLEM_JSON)


def answer_problems(app: FastAPI) -> None:
    """What routes raise, and what FastAPI raises for them, in one form."""

    @app.exception_handler(Problem)
    async def raised(request: Request, error: Problem) -> JSONResponse:
        return problem(error.status, error.detail, error.more)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        answer = problem(error.status_code, _DETAILS.get(error.status_code, ""))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> JSONResponse:
        return problem(422, "This request is not what the route takes.", {"errors": _places(error.errors())})


def _places(errors: Sequence[Any]) -> list[dict[str, str]]:
    """Where and what, without the value: pydantic's own list repeats it. A field that nobody knows is a text from
    outside, too (law 4)."""
    return [{"in": ".".join(_place(error)), "what": str(error["type"]).replace("_", " ")} for error in errors]


def _place(error: Mapping[str, Any]) -> list[str]:
    known = error["loc"][:1] if error["type"] == "extra_forbidden" else error["loc"][:2]
    return [str(part) for part in known]
