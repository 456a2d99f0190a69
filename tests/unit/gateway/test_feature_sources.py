"""From a hook request to what leaves for the model: every source of features, through the whole gateway."""

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.charts import bundle, lab, patient, problem
from tests.fakes.config_tree import sound_config
from tests.fakes.gateway import FakeGateway
from tests.fakes.model import FakeModel

FEATURES = """\
  - name: warfarin
    from: MedicationRequest
    code: {system: urn:rx, any: [w]}
    take: any
    required: true
  - name: contrast
    from: context
    path: draftOrders
    code: {system: urn:order, any: [ct, mr]}
    type: code
    map: {"urn:order|ct": 2, mr: 1}
  - name: chosen
    from: context
    path: selections
    take: count
    use: rule_only
  - name: ratio
    derive: uacr / egfr
    plausible: [0, 1000]
    bins: [1, 10, 100]
  - name: stays
    from: Encounter
    take: count
    within: 365d
    use: rule_only
  - name: letters
    from: DocumentReference
    path: length
    take: sum
    use: rule_only
  - name: kind
    from: Encounter
    path: class.code
    type: code
    map: {EMER: 1, IMP: 2}
    use: rule_only
  - name: ward_only
    from: Observation
    code: {system: http://loinc.org, any: ["33914-3"]}
    take: count
    use: cohort_only
  - name: has_dialysis
"""
KEYS = """\
  problems: Condition?patient={{context.patientId}}
  orders: MedicationRequest?patient={{context.patientId}}
  stays: Encounter?patient={{context.patientId}}
  encounter: Encounter/{{context.encounterId}}
  documents: DocumentReference?patient={{context.patientId}}
"""
ORDER = "[age, male, egfr, uacr, warfarin, contrast, ratio]"
PROBE = '"egfr": 30, "uacr": 300, "warfarin": 0, "contrast": 0, "ratio": 10}'
SUBJECT = {"subject": {"reference": "Patient/p1"}}


def config(folder: Path, *service: tuple[str, str], max_lag: str = "") -> Path:
    return sound_config(
        folder,
        service=[
            ("hook: patient-view", "hook: order-select"),
            ("  problems: Condition?patient={{context.patientId}}\n", KEYS),
            *service,
        ],
        features=[
            ("  - name: has_dialysis\n", FEATURES),
            ("    unit: mL/min/{1.73_m2}\n", f"    unit: mL/min/{{1.73_m2}}\n{max_lag}"),
        ],
        release=[
            ("order: [age, male, egfr, uacr]", f"order: {ORDER}\n    fill: {{contrast: 0, ratio: 5}}"),
            ("clip: {uacr: [1, 10000]}", "clip: {uacr: [1, 250], ratio: [1, 100]}"),
            (", contributions: contributions}", "}"),
        ],
        probes=('"egfr": 30, "uacr": 300}', PROBE),
    )


def order(code: str, name: str = "m1", **changes: Any) -> dict[str, Any]:
    medicine = {"medicationCodeableConcept": {"coding": [{"system": "urn:rx", "code": code}]}}
    whole = {"id": name, "status": "active", "intent": "order", "authoredOn": "2026-11-01", **SUBJECT, **medicine}
    return {"resourceType": "MedicationRequest", **whole, **changes}


def draft(code: str, name: str = "d1", **changes: Any) -> dict[str, Any]:
    coded = {"code": {"coding": [{"system": "urn:order", "code": code}]}}
    return {"resourceType": "ServiceRequest", "id": name, "status": "draft", **SUBJECT, **coded, **changes}


def stay(name: str, **changes: Any) -> dict[str, Any]:
    began = {"period": {"start": "2026-10-01T10:00:00Z"}}
    return {"resourceType": "Encounter", "id": name, "status": "finished", **SUBJECT, **began, **changes}


def body(*drafts: dict[str, Any], orders: tuple[dict[str, Any], ...] = (), **changes: Any) -> dict[str, Any]:
    now = stay("e1", status="in-progress", **{"class": {"code": "EMER"}})
    document = {"resourceType": "DocumentReference", "id": "n", "status": "current", "date": "2026-11-01", **SUBJECT}
    return {
        "hook": "order-select",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {
            "userId": "Practitioner/u1",
            "patientId": "p1",
            "encounterId": "e1",
            "draftOrders": {"resourceType": "Bundle", "entry": [{"resource": one} for one in drafts]},
            "selections": ["ServiceRequest/d1"],
        },
        "prefetch": {
            "patient": patient(),
            "labs": bundle(lab("33914-3", 22.0, issued="2026-11-10T20:00:00Z"), lab("9318-7", 300.0)),
            "problems": bundle(problem("1")),
            "orders": bundle(*orders),
            "stays": bundle(now, stay("e0")),
            "encounter": now,
            "documents": bundle({**document, "content": [{"attachment": {"size": 40, "data": "c2VjcmV0"}}]}),
            **changes,
        },
    }


async def asked(gateway: FakeGateway, request: dict[str, Any]) -> list[float]:
    """What left for the model in the last of all calls so far."""
    assert (await gateway.call(request)).status == 200
    return list(gateway.model.asked[-1]) if gateway.model.asked else []


async def test_every_source_reaches_the_model(tmp_path: Path) -> None:
    """Booleans as 0 and 1, a draft's code by its system, a ratio of two labs; clipped, and counted as clipped."""
    gateway = FakeGateway(config(tmp_path), FakeModel(lambda *_: 0.3), site="hospital_a")
    values = await asked(gateway, body(draft("ct"), orders=(order("w"),)))
    assert values[1:] == [1.0, 22.0, 250.0, 1.0, 2.0, pytest.approx(300 / 22)]
    assert gateway.meter.adjusted == [("uacr", "clipped")]
    (record,) = gateway.sink.newest(1)
    facts = {fact.name: fact for fact in record.inputs}
    assert (facts["ratio"].bin, facts["ratio"].clipped, facts["uacr"].clipped) == (2, False, True)
    assert (record.reason, record.score) == ("threshold_met", 0.3)


async def test_what_is_missing_is_filled_and_what_is_no_leaves_as_no(tmp_path: Path) -> None:
    """An optional input without value takes its fill; `any` of nothing is false, which is a value."""
    gateway = FakeGateway(config(tmp_path), FakeModel(lambda *_: 0.3), site="hospital_a")
    values = await asked(gateway, body(draft("xray"), labs=bundle(lab("33914-3", 22.0), lab("9318-7", 0.5))))
    assert values[4:] == [0.0, 0.0, 1.0]
    assert gateway.meter.adjusted == [("contrast", "filled"), ("uacr", "clipped"), ("ratio", "clipped")]


async def test_rules_see_what_the_model_does_not(tmp_path: Path) -> None:
    """Selections, stays, letters and the call's own Encounter decide, and none of them is sent."""
    rule = '{when: "chosen > 0 and stays > 1 and letters > 30 and kind == 1", reason: input_missing, show: none}'
    deferring = config(tmp_path, ("defer:\n", f"defer:\n  - {rule}\n"))
    gateway = FakeGateway(deferring, FakeModel(lambda *_: 0.3), site="hospital_a")
    assert await asked(gateway, body(draft("ct"))) == []
    assert gateway.sink.newest(1)[0].outcome == "deferred"
    assert len(await asked(gateway, body(draft("ct"), stays=bundle(stay("e1"))))) == 7


async def test_drafts_of_another_patient_do_not_count(tmp_path: Path) -> None:
    """They are dropped and counted, and three of them end the call without a score (law 11)."""
    gateway = FakeGateway(config(tmp_path), FakeModel(lambda *_: 0.3), site="hospital_a")
    other: dict[str, Any] = {"subject": {"reference": "Patient/p2"}}
    assert (await asked(gateway, body(draft("ct", **other), draft("mr", "d2"))))[5] == 1.0
    assert gateway.meter.dropped == {"other_patient": 1}
    before = len(gateway.model.asked)
    await gateway.call(body(*(draft("ct", f"o{number}", **other) for number in range(3))))
    assert (len(gateway.model.asked), gateway.sink.newest(1)[0].reason) == (before, "wrong_patient")


async def test_a_late_value_is_used_counted_and_recorded(tmp_path: Path) -> None:
    """Issued twelve hours after it was taken, and promised within six."""
    gateway = FakeGateway(config(tmp_path, max_lag="    max_lag: 6h\n"), FakeModel(lambda *_: 0.3), site="hospital_a")
    assert (await asked(gateway, body(draft("ct"))))[2] == 22.0
    assert gateway.meter.late == [("kidney-failure", "egfr")]
    assert [fact.name for fact in gateway.sink.newest(1)[0].inputs if fact.late] == ["egfr", "ratio"]


async def test_a_required_medicine_that_could_not_be_read_defers(tmp_path: Path) -> None:
    """No prefetch, no FHIR server: that there is no warfarin is not known."""
    gateway = FakeGateway(config(tmp_path), FakeModel(lambda *_: 0.3), site="hospital_a")
    request = body(draft("ct"))
    del request["prefetch"]["orders"]
    assert await asked(gateway, request) == []
    assert gateway.sink.newest(1)[0].reason == "context_unavailable"


async def test_a_text_of_a_document_is_nowhere(tmp_path: Path) -> None:
    """Only its length was read."""
    gateway = FakeGateway(config(tmp_path), FakeModel(lambda *_: 0.3), site="hospital_a")
    reply = await gateway.call(body(draft("ct")))
    assert "secret" not in f"{reply.json()} {gateway.sink.newest(1)} {gateway.model.asked}"
