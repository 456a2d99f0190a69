"""Errors of the admin API as problem details (RFC 9457). They name what is wrong, and never what was sent."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

PROBLEM_JSON = "application/problem+json"


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
        answer = problem(error.status_code)
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> JSONResponse:
        return problem(422, "This request is not what the route takes.", {"errors": _places(error.errors())})


def _places(errors: Sequence[Any]) -> list[dict[str, str]]:
    """Where and what, without the value: pydantic's own list repeats it."""
    return [
        {"in": ".".join(str(part) for part in error["loc"][:2]), "what": str(error["type"]).replace("_", " ")}
        for error in errors
    ]
