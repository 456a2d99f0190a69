"""The demo's inpatients: what each of them is meant to show comes out of the demo's own configuration."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from tests.fakes.gateway import FakeGateway
from tests.fakes.model import FakeModel
from wardgate.domain.outcomes import Reason
from wardgate.lab import cohort, support2
from wardgate.lab.fhir_search import search
from wardgate.lab.fhir_store import Store, load_bundle

_NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)  # the clock of FakeGateway


@pytest.fixture(scope="module")
def store() -> Store:
    store = Store()
    for bundle in cohort.build(date(2026, 11, 21), _NOW):
        load_bundle(store, bundle)
    return store


def _body(store: Store, patient: str) -> dict[str, Any]:
    """Each key of the prefetch holds all that the chart has of its type, which is what features see in any case."""
    found = {kind: search(store, kind, [("patient", patient)]) for kind in ("Observation", "Condition", "Encounter")}
    bundles = {
        kind: {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": each} for each in resources]}
        for kind, resources in found.items()
    }
    return {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/u1", "patientId": patient},
        "prefetch": {
            "patient": store.read("Patient", patient),
            **dict.fromkeys(("vitals", "oxygen", "consciousness", "pregnancy", "labs"), bundles["Observation"]),
            "problems": bundles["Condition"],
            "stays": bundles["Encounter"],
        },
    }


async def _ended(store: Store, patient: str, broken: Reason | None = None) -> tuple[tuple[str, ...], str]:
    gateway = FakeGateway(model=FakeModel(lambda *values: support2.answer(values)[0], broken))
    cards = (await gateway.call(_body(store, patient), "deterioration")).json()["cards"]
    return gateway.meter.calls[-1][4:7], cards[0]["summary"] if cards else ""


@pytest.mark.parametrize(
    "patient, ended, says",
    [
        ("ward-sepsis", ("shown", "threshold_met", "model"), "48 % (high"),
        ("ward-well", ("below_threshold", "below_threshold", "model"), ""),
        ("ward-no-resp", ("deferred", "input_stale", "none"), "respiratory rate and temperature too old"),
        ("ward-old-labs", ("deferred", "input_stale", "none"), "leukocytes, creatinine and sodium too old"),
        ("ward-copd", ("below_threshold", "below_threshold", "model"), ""),
        ("advanced-05", ("out_of_scope", "population", "none"), ""),
    ],
)
async def test_with_the_model(store: Store, patient: str, ended: tuple[str, ...], says: str) -> None:
    """One that deteriorates, one who is well, one who is not watched, one with old labs, one on oxygen, one at home."""
    outcome, summary = await _ended(store, patient)
    assert outcome == ended and says in summary


@pytest.mark.parametrize(
    "patient, ended, says",
    [
        ("ward-sepsis", ("shown", "threshold_met", "rule"), "NEWS2 16 (high risk)"),
        ("ward-well", ("below_threshold", "below_threshold", "rule"), ""),
        ("ward-no-resp", ("deferred", "input_stale", "none"), "too old"),
        ("ward-copd", ("shown", "threshold_met", "rule"), "NEWS2 5 (medium risk)"),
    ],
)
async def test_without_the_model(store: Store, patient: str, ended: tuple[str, ...], says: str) -> None:
    """NEWS2 where it can be had; a deferral stays one."""
    outcome, summary = await _ended(store, patient, Reason.MODEL_UNREACHABLE)
    assert outcome == ended and says in summary
