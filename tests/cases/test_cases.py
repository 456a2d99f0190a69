"""The cases in `*.json`: a chart, and what the clinician gets. Written to be read by a clinician.

`labs`: [LOINC code, value, time (10 November 2026 unless said), changes]; `problems`: [SNOMED code, changes].
It is 21 November 2026, 9:00. The configuration is the demo's; the model is the published equation.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cases.expectations import ended_as_written
from tests.fakes.charts import hook_body, lab, patient, problem
from tests.fakes.gateway import FakeGateway

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "kidney-failure.json").read_text())


def _body(case: dict[str, Any]) -> dict[str, Any]:
    labs = [lab(*row[:3], **(row[3] if len(row) > 3 else {})) for row in case.get("labs", [])]
    for number, resource in enumerate(labs):
        resource["id"] = f"lab-{number}"
    problems = [problem(code, **changes) for code, changes in case.get("problems", [])]
    chart = {key: value for key, value in patient(**case.get("patient", {})).items() if value is not None}
    body = hook_body(chart, labs, problems)
    body["context"]["userId"] = case.get("user", "Practitioner/u1")
    for key in case.get("without", []):
        del body["prefetch"][key]
    for key in case.get("null", []):
        body["prefetch"][key] = None
    return body


@pytest.mark.requirement("PF-12")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
async def test_a_case_ends_as_written(case: dict[str, Any]) -> None:
    """Outcome, reason, and what the card says and does not say; the record and the metric agree."""
    gateway = FakeGateway()
    reply = await gateway.call(_body(case))
    ended_as_written(gateway, reply, case["expect"])
