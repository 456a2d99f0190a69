"""The OpenAPI document of the admin API: what FastAPI knows of the routes, and what holds for all of them."""

from typing import Any

from fastapi import FastAPI

from wardgate.web.admin.problems import ProblemView

_OPEN = ("/health/live", "/health/ready")
"""For load balancers: these take no token."""
_METHODS = ("get", "post", "patch", "put", "delete")


def document_of(app: FastAPI) -> dict[str, Any]:
    """With the one way to authenticate, and the form of every error."""
    document = app.openapi()
    components = document.setdefault("components", {})
    components.setdefault("schemas", {})["ProblemView"] = ProblemView.model_json_schema(
        ref_template="#/components/schemas/{model}"
    )
    components["securitySchemes"] = {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "wgt_…",
            "description": "`wardgate token new` gives one. Under `insecure_demo`, on loopback, none is asked for.",
        }
    }
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method in _METHODS and path not in _OPEN:
                operation["security"] = [{"token": []}]
    return document
