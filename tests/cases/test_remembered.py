"""The cases in `remembered.json`: several calls about one patient, and what the clinician gets. For clinicians to read.

The configuration is that of the documentation, in mode active. It begins on 21 November 2026, 9:00; the labs (eGFR 20,
albumin/creatinine 900, unless said) are of 10 November. `user` and `encounter` are the same unless said.
"""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.charts import hook_body, lab, patient
from tests.fakes.gateway import FakeGateway
from tests.fakes.hot import memory
from wardgate.domain.outcomes import Mode, Reason
from wardgate.domain.units import parse_duration

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "remembered.json").read_text())
CONFIG = Path(__file__).parents[2] / "config" / "wardgate.yaml"
_numbers = itertools.count(1)


def _body(call: dict[str, Any]) -> dict[str, Any]:
    at = call.get("at", "2026-11-10T08:00:00Z")
    values = (("98979-8", call.get("egfr", 20)), ("9318-7", call.get("uacr", 900)))
    labs = [lab(code, value, at, id=f"lab-{code}") for code, value in values if value is not None]
    context = {"userId": call.get("user", "Practitioner/day"), "patientId": "p1"}
    if "encounter" in call:
        context["encounterId"] = call["encounter"]
    instance = f"00000000-0000-4000-9000-{next(_numbers):012d}"
    return hook_body(patient(), labs, [], hookInstance=instance, context=context)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
async def test_each_call_of_a_case_ends_as_written(case: dict[str, Any]) -> None:
    """Outcome and step, in the metric and in the record; the head of the card, what it says, whether it acts."""
    gateway = FakeGateway(CONFIG, hot=memory)
    gateway.mode(Mode.ACTIVE)
    for call in case["calls"]:
        gateway.clock.advance(parse_duration(call["after"]) if "after" in call else 0)
        if "model" in call:
            gateway.model.broken = Reason.MODEL_ERROR if call["model"] == "down" else None
        reply = await gateway.call(_body(call))
        expected, record = call["expect"], gateway.sink.newest(1)[0]
        assert (record.outcome, record.step) == (expected["outcome"], expected["step"])
        assert gateway.meter.calls[-1][4:7:2] == (expected["outcome"], expected["step"])
        cards = reply.json()["cards"]
        assert len(cards) == (1 if expected["outcome"] in ("shown", "deferred") else 0)
        for card in cards:
            assert card["summary"].startswith(expected.get("head", ""))
            assert all(part in f"{card['summary']}\n{card['detail']}" for part in expected.get("text", []))
            assert expected.get("suggests", True) or "suggestions" not in card
    assert gateway.meter.faults == []
