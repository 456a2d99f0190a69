"""FHIRPath in hook calls: from a configuration to a card, also where the resources had to be read."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.charts import bundle, hook_body, lab, patient
from tests.fakes.config_tree import sound_config
from tests.fakes.gateway import FHIR, FakeGateway
from tests.fakes.model import FakeModel
from wardgate.adapters.files.catalog import load, survey

PHI = "Zaphod-Beeblebrox"
EGFR = (
    "  - name: egfr\n    from: Observation\n",
    "  - name: egfr\n    from: Observation\n    engine: fhirpath\n    path: value\n",
)


def gateway(folder: Path) -> FakeGateway:
    return FakeGateway(
        sound_config(folder, features=EGFR), FakeModel(contributions=(0.2, 0.1, 1.5, 0.4)), site="hospital_a"
    )


def body(**changes: Any) -> dict[str, Any]:
    labs = [lab("33914-3", 11.0), lab("9318-7", 1500.0), lab("33914-3", 24.0, "2026-09-01T08:00:00Z")]
    return hook_body(patient(), labs, [], **changes)


async def test_the_model_gets_what_the_expression_yields(tmp_path: Path) -> None:
    """The Quantity's number, by the unit rules; the same as by code alone."""
    by_path = gateway(tmp_path)
    reply = await by_path.call(body())
    assert len(reply.json()["cards"]) == 1
    by_code = FakeGateway(
        sound_config(tmp_path / "plain"), FakeModel(contributions=(0.2, 0.1, 1.5, 0.4)), site="hospital_a"
    )
    assert (await by_code.call(body())).json()["cards"][0]["detail"] == reply.json()["cards"][0]["detail"]
    assert by_path.model.asked[0] == by_code.model.asked[0]


async def test_resources_that_had_to_be_read_are_whole_as_well(tmp_path: Path) -> None:
    """Every answer of the FHIR server goes the same way as a prefetch."""
    by_path, sent = gateway(tmp_path), body()
    prefetch = sent.pop("prefetch")
    reads = {"patient": "Patient/p1", "labs": None, "problems": "Condition?patient=p1"}
    (labs,) = (key for key in by_path.catalog.services["kidney-failure"]["patient-view"].prefetch if key.name == "labs")
    reads["labs"] = labs.template.replace("{{context.patientId}}", "p1")
    by_path.fhir.answers = {f"{FHIR}/{url}": json.dumps(prefetch[name]).encode() for name, url in reads.items()}
    access = {"fhirServer": FHIR, "fhirAuthorization": {"access_token": "t", "token_type": "Bearer"}}
    reply = await by_path.call({**sent, **access})
    assert len(by_path.fhir.asked) == 3 and len(reply.json()["cards"]) == 1


async def test_an_expression_that_fails_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Its error quotes the chart, so that it goes nowhere: the value is not there, and no card says why."""
    edit = (EGFR[0], EGFR[1].replace("path: value", "path: note.text + 1"))
    failing = FakeGateway(sound_config(tmp_path, features=edit), FakeModel(), site="hospital_a")
    sent = body()
    sent["prefetch"]["labs"] = bundle(lab("33914-3", 22.0, note=[{"text": PHI}]), lab("9318-7", 300.0))
    reply = await failing.call(sent)
    assert reply.json() == {"cards": []}
    assert failing.meter.calls[-1][4:6] == ("deferred", "population_unknown")
    told = capfd.readouterr()
    assert PHI not in told.out + told.err + repr(failing.sink.newest(1)) + repr(failing.meter)


def test_what_it_costs_is_a_warning_of_check(tmp_path: Path) -> None:
    """It runs all the same; without such a feature no key is read whole."""
    found = survey(sound_config(tmp_path, features=EGFR))
    assert [(f.key, f.line, f.warning) for f in found.findings] == [("features.0.engine", 5, True)]
    for config, whole in ((tmp_path, True), (tmp_path / "plain", False)):
        path = config / "config" / "wardgate.yaml" if whole else sound_config(config)
        plan = load(path).catalog.services["kidney-failure"]["patient-view"]
        assert {key.whole for key in plan.prefetch} == {whole}
