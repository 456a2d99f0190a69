"""The decision record: what stands in it, and that nothing of the patient does."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.fakes.charts import bundle, hook_body, lab, patient
from tests.fakes.config_tree import Edit, sound_config
from tests.fakes.gateway import FHIR, FakeGateway
from tests.fakes.hot import RING, memory
from tests.fakes.model import FakeModel
from tests.fakes.records import FakeRecordSink
from tests.record_schema import TARGET, schema, text
from wardgate.adapters.aead.fingerprints import KeyedFingerprints
from wardgate.domain import record_names
from wardgate.domain.outcomes import Mode, Reason
from wardgate.domain.pseudonyms import Purpose
from wardgate.domain.record_names import RecordNames
from wardgate.domain.records import AGE_STEPS, DecisionRecord, age_step, withheld
from wardgate.gateway.layers import record as record_layer
from wardgate.gateway.recording import Recorder, resources_print

NAMES, PRINTS = RecordNames(RING), KeyedFingerprints(RING.keys(Purpose.LOG))
LABS = [lab("33914-3", 20.0), lab("9318-7", 900.0)]
CONTEXT = {"userId": "Practitioner/u1", "patientId": "p1", "encounterId": "e1"}


def gateway(folder: Path, *service: Edit, model: FakeModel | None = None, **options: Any) -> FakeGateway:
    return FakeGateway(sound_config(folder, service=service), model, site="hospital_a", **options)


def body(**changes: Any) -> dict[str, Any]:
    return hook_body(patient(), LABS, [], context=CONTEXT, **changes)


async def recorded(house: FakeGateway, sent: dict[str, Any]) -> DecisionRecord:
    reply = await house.call(sent)
    assert reply.status == 200
    (record,) = house.sink.newest(1)
    assert [card["uuid"] for card in reply.json()["cards"]] == list(record.card_uuids if record.visible else ())
    return record


async def test_a_shown_card(tmp_path: Path) -> None:
    """Who, what, when, where, under which version and why."""
    house = gateway(tmp_path)
    sent = body()
    record = await recorded(house, sent)
    release = house.catalog.services["kidney-failure"]["patient-view"].version("1.0.0")
    server = None
    assert (record.patient, record.encounter, record.user) == (
        NAMES.of(record_names.patient("ehr", server, "p1")),
        NAMES.of(record_names.encounter("ehr", server, "e1")),
        NAMES.of(record_names.user("ehr", server, "Practitioner", "u1")),
    )
    assert record.hook_instance == NAMES.of(record_names.hook_instance("ehr", sent["hookInstance"]))
    assert (record.outcome, record.reason, record.step) == ("shown", "threshold_met", "model")
    assert (record.mode, record.arm, record.visible, record.action) == ("active", "champion", True, "card")
    assert (record.environment, record.workflow_id, record.client) == ("test", "kidney-failure/patient-view", "ehr")
    assert (record.model_name, record.model_version, record.release_digest) == (
        "kidney-failure",
        "1.0.0",
        release.digest,
    )
    assert (record.feature_schema_version, record.snapshot_epoch, record.config_digest) == (
        "2026.03",
        1,
        "sha256:" + "0" * 64,
    )
    assert (record.site_id, record.user_role, record.threshold, record.at) == (
        "hospital_a",
        "practitioner",
        0.1,
        house.clock.now(),
    )
    assert record.request_print == PRINTS.of(msgspec.json.encode(sent))
    assert record.resources_print is None and record.error_codes == ()
    assert [fact.name for fact in record.inputs] == ["egfr", "age", "male", "uacr", "has_dialysis"]
    assert list(record.stages_ms) == ["gather", "extract", "predict", "render"] and record.latency_ms == 0.0
    _fits(record)


async def test_one_that_has_no_encounter_and_no_user(tmp_path: Path) -> None:
    """Nothing stands in for what is not known. (A hook of one's own may do without a user.)"""
    house = gateway(tmp_path, ("hook: patient-view", "hook: com.example.ward"))
    record = await recorded(house, hook_body(patient(), LABS, [], context={"patientId": "p1"}, hook="com.example.ward"))
    assert record.encounter is None and record.user is None and record.user_role is None
    _fits(record)


async def test_what_was_read_has_a_fingerprint_of_its_own(tmp_path: Path) -> None:
    """Of URLs and bytes as they came; the same whatever came first."""
    house = gateway(tmp_path)
    sent = body(fhirServer=FHIR)
    del sent["prefetch"]["labs"], sent["prefetch"]["problems"]
    templates = {key.name: key for key in house.catalog.services["kidney-failure"]["patient-view"].prefetch}
    reads = []
    for name, resources in (("labs", LABS), ("problems", [])):
        url = f"{FHIR}/{templates[name].template.replace('{{context.patientId}}', 'p1')}"
        house.fhir.answers[url] = msgspec.json.encode(bundle(*resources))
        reads.append((url, house.fhir.answers[url]))
    record = await recorded(house, sent)
    assert record.visible
    assert record.resources_print == resources_print(reads, PRINTS) == resources_print(reads[::-1], PRINTS)
    assert record.resources_print != resources_print(reads[:1], PRINTS)
    assert record.patient == NAMES.of(record_names.patient("ehr", FHIR, "p1")), "another server, another patient"
    _fits(record)


async def test_what_the_model_said_has_one_too(tmp_path: Path) -> None:
    """As the client of the model's protocol hands it on."""

    class Saying(FakeModel):
        async def infer(self, *arguments: Any, **more: Any) -> Any:
            return msgspec.structs.replace(await super().infer(*arguments, **more), body=b'{"outputs":[]}')

    record = await recorded(gateway(tmp_path, model=Saying()), body())
    assert record.reply_print == PRINTS.of(b'{"outputs":[]}')
    _fits(record)


@pytest.mark.parametrize(
    ("edits", "labs", "broken", "expected"),
    [
        ((), [LABS[0]], None, ("deferral", ("missing_input",), "deferred")),
        ((), LABS, Reason.MODEL_ERROR, ("none", ("model",), "unavailable")),
        (
            (("rollout:", "absence_means: screened_negative\nrollout:"),),
            LABS,
            Reason.REPLY_SHAPE,
            ("notice", ("model",), "unavailable"),
        ),
        (
            (("rollout:", "fallback: [{rule: ckd-stage}]\nrollout:"),),
            [lab("33914-3", 10.0), LABS[1]],
            Reason.BREAKER_OPEN,
            ("card", ("fallback", "model"), "shown"),
        ),
        ((("mode: active", "mode: silent"),), LABS, None, ("none", (), "withheld")),
    ],
)
async def test_what_left_and_what_was_wrong(
    tmp_path: Path, edits: tuple[Edit, ...], labs: list[Any], broken: Reason | None, expected: tuple[Any, ...]
) -> None:
    """In the field's words."""
    house = gateway(tmp_path, *edits, model=FakeModel(broken=broken))
    record = await recorded(house, hook_body(patient(), labs, [], context=CONTEXT))
    assert (record.action, record.error_codes, record.outcome) == expected
    _fits(record)


async def test_a_repeat_has_a_record_of_its_own(tmp_path: Path) -> None:
    """With its own id, and that of the decision whose answer it got."""
    house = gateway(tmp_path, hot=memory)
    first = await recorded(house, body())
    again = await recorded(house, body())
    assert again.repeats == first.decision_id != again.decision_id
    assert again.card_uuids == first.card_uuids and again.request_print == first.request_print
    _fits(again)


async def test_what_is_switched_off_still_says_for_whom(tmp_path: Path) -> None:
    """A decision as well: nothing was computed."""
    house = gateway(tmp_path)
    house.mode(Mode.OFF)
    record = await recorded(house, body())
    assert (record.outcome, record.patient is None, record.score, record.inputs) == ("off", False, None, ())
    _fits(record)


async def test_the_custodian_hears_of_patients_who_had_a_card(tmp_path: Path) -> None:
    """After its record is acknowledged; of nobody else, and of nobody whose card was withheld for want of one."""
    told: list[tuple[str, record_names.Named]] = []
    house, sink = gateway(tmp_path), FakeRecordSink()
    recorder = Recorder(NAMES, PRINTS, house.clock, shown=lambda *patient: told.append(patient))
    house.stack = record_layer(recorder, sink, house.clock, house.meter)(house.stack)
    house.edge = house.edge_of(house.client)  # its stack is the one that there is when it is made
    for mode, full in ((Mode.SILENT, False), (Mode.ACTIVE, True)):
        sink.full = full
        house.mode(mode)
        await house.call(body())
        assert told == []
    sink.full = False
    await house.call(body())
    named = record_names.patient("ehr", None, "p1")
    assert told == [(NAMES.of(named), named)]


MARKED = "Zebulon"


async def test_nothing_of_the_patient_stands_in_it(tmp_path: Path) -> None:
    """Neither ids nor values nor times nor texts, whatever the request holds (law 4)."""
    house, instance = gateway(tmp_path), "7777c69d-dfbe-44ad-ba6d-3e05e9537777"
    context = {"patientId": "p-7777", "encounterId": "e-7777", "userId": "Practitioner/u-7777", "extra": MARKED}
    labs = [
        lab("33914-3", 13.8765, at="2026-11-09T06:43:21Z", subject={"reference": "Patient/p-7777"}, id=MARKED),
        lab("9318-7", 901.2345, at="2026-11-08T05:32:10Z", subject={"reference": "Patient/p-7777"}),
    ]
    chart = patient(id="p-7777", birthDate="1951-03-27", name=[{"family": MARKED}])
    record = await recorded(house, hook_body(chart, labs, [], context=context, hookInstance=instance))
    assert record.visible
    written = msgspec.json.encode(record).decode()
    for mark in (MARKED, "7777", "13.8765", "901.2345", "1951", "11-09", "11-08", "43:21", "32:10"):
        assert mark not in written, mark


def test_a_withheld_record_says_that_nothing_left() -> None:
    """All else stays."""
    shown = DecisionRecord("i", 1.0, "s", "h", "c", "shown", "threshold_met", "model", "active", "champion", True)
    hidden = withheld(shown)
    assert (hidden.outcome, hidden.reason, hidden.visible, hidden.action) == (
        "withheld",
        "record_unavailable",
        False,
        "none",
    )
    assert msgspec.structs.replace(hidden, outcome="shown", reason="threshold_met", visible=True) == shown


def test_ages_are_told_in_steps() -> None:
    """The youngest first, and each from its beginning on."""
    day = 86400
    ages = [0, 3599, 3600, 6 * 3600, day, 7 * day, 30 * day, 180 * day, 365 * day, 9999 * day]
    assert [AGE_STEPS.index(age_step(age)) for age in ages] == [0, 0, 1, 2, 3, 4, 5, 6, 7, 7]


def test_the_schema_is_current() -> None:
    """Otherwise: python -m tests.record_schema."""
    assert TARGET.read_text(encoding="utf-8") == text()


def _fits(record: DecisionRecord) -> None:
    """By the published schema, as JSON."""
    import jsonschema  # takes a second, in each process that collects the tests

    jsonschema.validate(json.loads(msgspec.json.encode(record)), schema())
