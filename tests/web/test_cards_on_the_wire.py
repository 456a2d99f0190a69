"""What an EHR is sent, held against the tables of CDS Hooks 2.0.1 ("Card Attributes" to "Link")."""

import copy
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.acting import SYSTEM, acting_config
from tests.fakes.answers import faults
from tests.fakes.charts import hook_body, lab, patient
from tests.fakes.gateway import FakeGateway
from tests.fakes.model import FakeModel

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


async def test_the_other_answers_are_valid(tmp_path: Path) -> None:
    """A lower band, a deferral, no card: nothing empty stands in any of them (GEN-3, T-2, T-16)."""
    low, deferred = await answer(tmp_path / "a", 0.15), await answer(tmp_path / "b", uacr=None)
    assert faults(low) == faults(deferred) == []
    assert low.keys() == deferred.keys() == {"cards"}
    assert "suggestions" not in low["cards"][0] and "overrideReasons" not in deferred["cards"][0]
    assert await answer(tmp_path / "c", 0.01) == {"cards": []}


def changed(answer: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with one value replaced, or removed where `value` is `...`."""
    found = copy.deepcopy(answer)
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    holder: Any = found
    for step in way:
        holder = holder[step]
    if value is ...:
        del holder[last]
    else:
        holder[last] = value
    return found


@pytest.mark.parametrize(
    ("path", "value", "row"),
    [
        ("cards", None, "RSP-1"),
        ("systemActions", [], "RSP-3"),
        ("cards.0.detail", None, "GEN-3"),
        ("cards.0.uuid", "A", "CARD-1"),
        ("cards.0.suggestions.0.uuid", ..., "SUG-2"),
        ("cards.0.summary", "x" * 140, "CARD-2"),
        ("cards.0.indicator", "hard-stop", "CARD-4"),
        ("cards.0.source", ..., "CARD-5"),
        ("cards.0.source.url", "ckd", "CARD-6"),
        ("cards.0.source.topic.code", ..., "CARD-8"),
        ("cards.0.selectionBehavior", ..., "CARD-9"),
        ("cards.0.suggestions", ..., "CARD-9"),
        ("cards.0.overrideReasons.0.display", ..., "CARD-10"),
        ("cards.0.suggestions.0.label", ..., "SUG-1"),
        ("cards.0.suggestions.0.isRecommended", "yes", "SUG-3"),
        ("cards.0.suggestions.0.actionSelectionBehavior", "all", "SUG-5"),
        ("cards.0.suggestions.0.actions.0.type", "Create", "ACT-1"),
        ("systemActions.0.description", ..., "ACT-2"),
        ("cards.0.suggestions.0.actions.0.resource", "{}", "ACT-3"),
        ("systemActions.0.resource.id", ..., "ACT-4"),
        ("systemActions.0.type", "delete", "ACT-5"),
        ("cards.0.links.0.type", "app", "LNK-1"),
        ("cards.0.links.0.appContext", "x", "LNK-2"),
        ("cards.0.links.1.appContext", {"a": 1}, "LNK-2"),
        ("cards.0.links.1.autolaunchable", "true", "LNK-3"),
    ],
)
async def test_the_check_itself_sees_each_fault(tmp_path: Path, path: str, value: Any, row: str) -> None:
    """An answer with one thing wrong is found out by its row: otherwise the tests above would prove nothing."""
    found = faults(changed(await answer(tmp_path), path, value))
    assert any(row in fault for fault in found), found
