"""What an EHR is sent, held against the tables of CDS Hooks 2.0.1 ("Card Attributes" to "Link")."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.acting import SYSTEM, acting_config
from tests.fakes.charts import hook_body, lab, patient
from tests.fakes.gateway import FakeGateway
from tests.fakes.model import FakeModel
from tests.fakes.validator import problems_of_call

LINKS = """\
links:
  - {label: Guideline, url: "https://nephrology.example/ckd"}
  - {label: Explorer, url: "https://app.example/launch", type: smart, appContext: "card={{ card.uuid }}"}
override_reasons:
  - {system: "https://hospital.example/override", code: referred, display: Already referred, class: already_done}
"""


async def answer(folder: Path, score: float = 0.5, uacr: float | None = 300.0) -> dict[str, Any]:
    config = acting_config(folder, client="    system_actions: true\n", extra=SYSTEM + LINKS)
    gateway = FakeGateway(config, FakeModel(lambda *inputs: score), site="hospital_a", system_actions=True)
    labs = [lab("33914-3", 22.0)] + ([] if uacr is None else [lab("9318-7", uacr)])
    found: dict[str, Any] = (await gateway.call(hook_body(patient(), labs, []))).json()
    return found


def faults(answer: dict[str, Any]) -> list[str]:
    return problems_of_call(200, "application/json", json.dumps(answer).encode())


@pytest.mark.requirement(
    "RSP-1", "RSP-3", "CARD-9", "CARD-10", "CARD-11", "SUG-4", "ACT-2", "ACT-3", "ACT-4", "LNK-1", "LNK-2"
)
async def test_an_answer_with_everything_is_valid(tmp_path: Path) -> None:
    """RSP-1, RSP-3, CARD-1 to CARD-11, SUG-1 to SUG-5, ACT-1 to ACT-4, LNK-1 to LNK-3: all of it in one answer."""
    whole = await answer(tmp_path)
    assert faults(whole) == []
    assert whole.keys() == {"cards", "systemActions"}
    (card,) = whole["cards"]
    assert card.keys() == {
        *("uuid", "summary", "indicator", "source", "detail"),
        *("suggestions", "selectionBehavior", "overrideReasons", "links"),
    }
    assert [link.get("appContext") for link in card["links"]] == [None, f"card={card['uuid']}"]
    assert card["overrideReasons"] == [
        {"system": "https://hospital.example/override", "code": "referred", "display": "Already referred"}
    ]
    assert all("extension" not in each and "class" not in each for each in (card, *card["overrideReasons"]))


@pytest.mark.requirement("RSP-3", "GEN-3")
async def test_the_other_answers_are_valid(tmp_path: Path) -> None:
    """A lower band, a deferral, no card: nothing empty stands in any of them (GEN-3, T-2, T-16)."""
    low, deferred = await answer(tmp_path / "a", 0.15), await answer(tmp_path / "b", uacr=None)
    assert faults(low) == faults(deferred) == []
    assert low.keys() == deferred.keys() == {"cards"}
    assert "suggestions" not in low["cards"][0] and "overrideReasons" not in deferred["cards"][0]
    assert await answer(tmp_path / "c", 0.01) == {"cards": []}
