"""The document of the admin API says everything that a person or a program needs to call it."""

from typing import Any

import pytest

from tests.openapi_reference import PLACE, document, text

DOCUMENT = document()
OPERATIONS = {
    f"{method} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


def test_docs_have_it_as_it_is() -> None:
    """`python -m tests.openapi_reference` writes it."""
    assert PLACE.read_text(encoding="utf-8") == text()


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_every_route_says_what_it_does_and_how_it_fails(operation: dict[str, Any]) -> None:
    assert operation["description"] and operation["tags"]
    problem = operation["responses"]["503"]["content"]["application/problem+json"]["schema"]
    assert problem == {"$ref": "#/components/schemas/ProblemView"}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_every_route_has_examples_of_what_it_takes(operation: dict[str, Any]) -> None:
    for place in operation.get("parameters", ()):
        known = place["schema"]
        assert place["in"] != "path" or place.get("examples") or known.get("examples") or "pattern" in known
    for kind in operation.get("requestBody", {}).get("content", {}).values():
        name = kind["schema"].get("$ref", "").rpartition("/")[2]
        assert kind["schema"] == {"type": "string"} or DOCUMENT["components"]["schemas"][name]["examples"]


def test_a_token_is_asked_for_everywhere_but_by_load_balancers() -> None:
    open_ = {name for name, operation in OPERATIONS.items() if "security" not in operation}
    assert open_ == {"get /health/live", "get /health/ready"}
