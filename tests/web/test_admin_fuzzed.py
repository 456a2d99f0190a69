"""The admin API of a real gateway, asked everything that its document allows, and much that it does not: no answer is
an error of its own, and each is what the document says."""

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.fakes.config_tree import sound_config
from tests.fakes.gateway_process import ended, start_gateway
from tests.fakes.processes import free_port, wait_until
from tests.openapi_reference import document

PROOF = settings.default is settings.get_profile("proof")
EXAMPLES = 200 if PROOF else 15
CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
KNOWN = {"service": ["kidney-failure", "other"], "release": ["1.0.0", "9.9.9"], "token_id": ["0a1b2c3d4e5f"]}
"""Names that something has, most of the time: else all would end at 404."""


def known_to_the_gateway() -> dict[str, Any]:
    """The document, without tokens: under `insecure_demo` none is asked for, and one that is none ends at 401."""
    made = document()
    del made["components"]["securitySchemes"]
    for methods in made["paths"].values():
        for operation in methods.values():
            operation.pop("security", None)
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path" and parameter["name"] in KNOWN:
                    parameter["schema"] = {"enum": KNOWN[parameter["name"]]}
    return made


SCHEMA = schemathesis.openapi.from_dict(known_to_the_gateway())
OPERATIONS: dict[str, Any] = {
    found.ok().label: found.ok()  # type: ignore[union-attr]
    for found in SCHEMA.get_all_operations()
}


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address. Nobody answers where its model should be."""
    port, listen = free_port(), free_port()
    os.environ["TEST_PSEUDONYM_KEY"] = "k" * 32  # noqa: TID251 - that of a child
    config = sound_config(
        tmp_path_factory.mktemp("fuzzed"),
        wardgate=[
            ("port: 8080}", f"port: {listen}}}"),
            ("port: 8081", f"port: {port}"),
            (
                "insecure_demo",
                'stores: {durable: "sqlite:///decided.db"}\npseudonym_key: {env: TEST_PSEUDONYM_KEY}\ninsecure_demo',
            ),
        ],
    )
    gateway = start_gateway(config)
    url = f"http://127.0.0.1:{port}"

    def is_up() -> bool:
        assert gateway.is_alive()
        return requests.get(f"{url}/health/ready", timeout=5).ok

    wait_until(is_up)
    yield url
    gateway.kill()
    asyncio.run(ended(gateway))


@pytest.mark.parametrize("label", OPERATIONS)
def test_no_request_is_answered_otherwise_than_the_document_says(admin: str, label: str) -> None:
    operation = OPERATIONS[label]

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(operation.as_strategy(), operation.as_strategy(schemathesis.GenerationMode.NEGATIVE)))
    def ask(case: Any) -> None:
        response = case.call(base_url=admin, timeout=30)
        case.validate_response(response, checks=CHECKS)

    ask()
