"""All worked examples of a corpus folder, from a hook call to the card: models/vectors.json, models/support2_lr.json.

`pytest tests/corpus --corpus DIR`; without the folder there is nothing to try, and tests/e2e holds enough of them.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.worked_examples import news2, score, worked_examples

Example = dict[str, Any]


@pytest.fixture(scope="module")
def gateway(corpus: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if corpus is None or not (corpus / "models" / "vectors.json").is_file():
        pytest.skip("no --corpus with models/vectors.json")
    with worked_examples(tmp_path_factory.mktemp("config")) as url:
        yield url


def _vectors(corpus: Path | None, model: str) -> list[Example]:
    assert corpus is not None
    examples: list[Example] = json.loads((corpus / "models" / "vectors.json").read_text(encoding="utf-8"))
    found = [example for example in examples if example["model"] == model and example["agrees"]]
    assert found, f"no example of {model}"
    return found


def _wrong(examples: list[Example], tolerance: float, ask: Callable[[Example], tuple[float, float]]) -> list[str]:
    """Those whose score on the card (first) is not the expected one (second)."""
    wrong = []
    for example in examples:
        found, expected = ask(example)
        if abs(found - expected) > tolerance:
            wrong.append(f"{example.get('id', example.get('row'))}: {found} instead of {expected}")
    return wrong


@pytest.mark.parametrize("by_birth_date, tolerance", [(False, 1e-6), (True, 1e-4)])
def test_kidney_failure(gateway: str, corpus: Path | None, by_birth_date: bool, tolerance: float) -> None:
    """Every variant; a figure that was published with six decimals counts as these."""

    def ask(example: Example) -> tuple[float, float]:
        inputs = example["inputs"]
        region = "_na" if inputs["north_american"] else ""
        service = f"kfre{region}_{inputs['years']}y-1" if region or inputs["years"] == 5 else "kfre-1"
        row = {"age": inputs["age"], "male": inputs["male"], "egfr": inputs["egfr"], "uacr": inputs["acr_mg_g"]}
        return score(gateway, "kfre-birth-date" if by_birth_date else service, row), example["published_score"]

    examples = _vectors(corpus, "KFRE-4var")
    if by_birth_date:
        examples = [e for e in examples if e["inputs"]["years"] == 2 and not e["inputs"]["north_american"]]
    assert _wrong(examples, tolerance, ask) == []


def test_news2(gateway: str, corpus: Path | None) -> None:
    """Points as published; bands as of RCP 2017, where three points in one parameter are low-medium."""

    def ask(example: Example) -> tuple[float, float]:
        inputs = {name.rstrip("|"): value for name, value in example["inputs"].items()}
        row = {
            "resp_rate": inputs["Respiration rate"]["value"],
            "spo2": inputs["spO2"]["value"],
            "o2_flow": 2.0 if inputs["Supplemental oxygen"]["coded"] == "Oxygen" else 0.0,
            "sbp": inputs["Systolic BP"]["value"],
            "heart_rate": inputs["Heart rate"]["value"],
            "temperature": inputs["Temperature"]["value"],
        }
        alert = inputs["Consciousness"]["coded"] == "Alert"
        points, band = news2(gateway, row, alert, inputs["Oxygen saturation target"]["coded"] == "88-92%")
        published = example["expected"]["Clinical risk|"]["coded"].lower()
        assert band == published or (band, published) == ("low-medium", "low")
        return points, example["published_score"]

    assert _wrong(_vectors(corpus, "NEWS2"), 0.0, ask) == []


def test_filtration_rate(gateway: str, corpus: Path | None) -> None:
    """The published figure has two decimals, the independent one beside it six."""

    def ask(example: Example) -> tuple[float, float]:
        inputs = example["inputs"]
        female = float(inputs["sex"] == "female")
        row = {"creatinine": inputs["creatinine_mgdl"], "age": inputs["age"], "female": female}
        found = score(gateway, "ckd_epi_2021-1", row)
        assert abs(found - example["published_score"]) <= 0.005 + 1e-9
        return found, example["reference_score"]

    assert _wrong(_vectors(corpus, "CKD-EPI-2021"), 1e-6, ask) == []


def test_death_in_hospital(gateway: str, corpus: Path | None) -> None:
    """Values that are missing are filled in by the gateway, those out of range cut off."""
    assert corpus is not None
    model = json.loads((corpus / "models" / "support2_lr.json").read_text(encoding="utf-8"))

    def ask(example: Example) -> tuple[float, float]:
        return score(gateway, "support2-1", example["input"]), example["probability"]

    assert len(model["test_vectors"]) >= 40
    assert _wrong(model["test_vectors"], 1e-6, ask) == []
