"""Law 11. One patient at a time: a resource of anybody else is dropped and counted; when the right patient
cannot be made sure, there is no score."""

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import charts as chart
from tests.fakes.acting import SYSTEM, acting_config
from tests.fakes.clock import FakeClock
from tests.fakes.context_fhir import (
    ACCESS,
    BASE,
    ENCOUNTER,
    LABS,
    LABS_URL,
    PATIENT,
    PROBLEMS,
    FakeFhir,
    Json,
    bundle,
    call_for,
    condition,
    encounter,
    observation,
    patient,
    raw,
)
from tests.fakes.gateway import FakeGateway
from tests.fakes.meter import FakeMeter
from tests.fakes.model import FakeModel
from wardgate.domain.context.record import Dropped, PatientRecord
from wardgate.domain.errors import PatientMismatch
from wardgate.gateway.call import HookCall
from wardgate.gateway.gather import Gatherer

KEYS = {"patient": PATIENT, "labs": LABS, "problems": PROBLEMS}


async def gather(call: HookCall, answers: dict[str, object] | None = None) -> PatientRecord:
    return await Gatherer(FakeFhir(answers or {}), FakeMeter(), FakeClock()).gather(call)


async def record_of(*resources: Json, **more: Any) -> PatientRecord:
    return await gather(call_for(KEYS, prefetch={"patient": patient(), "labs": bundle(*resources)}, **more))


@pytest.mark.parametrize(
    ("strange", "cause"),
    [
        (observation("x", "Patient/p2"), Dropped.OTHER_PATIENT),
        (observation("x", "https://elsewhere.test/fhir/Patient/p1"), Dropped.OTHER_PATIENT),
        (observation("x", "Patient/P1"), Dropped.OTHER_PATIENT),
        (observation("x", "Group/p1"), Dropped.OTHER_PATIENT),
        (observation("x", patient={"reference": "Patient/p2"}), Dropped.OTHER_PATIENT),
        (condition("x", "Patient/p2"), Dropped.OTHER_PATIENT),
        (patient("p2"), Dropped.OTHER_PATIENT),
        (observation("x", focus=[{"reference": "Patient/p2"}]), Dropped.OTHER_FOCUS),
        (observation("x", focus=[{"identifier": {"value": "donor"}}]), Dropped.OTHER_FOCUS),
        (observation("x", "#contained", contained=[patient("p1")]), Dropped.NO_SUBJECT),
        (observation("x", "Patient?identifier=urn:x|p1"), Dropped.NO_SUBJECT),
        (observation("x", None), Dropped.NO_SUBJECT),
        (observation("x", None, subject=["Patient/p1"]), Dropped.UNREADABLE),
    ],
)
async def test_a_resource_of_anybody_else_is_dropped_and_counted(strange: Json, cause: Dropped) -> None:
    """One stranger in her chart is left out, by whatever name, and leaves a count behind."""
    record = await record_of(observation("mine"), strange)
    assert [r.id for kept in record.resources.values() for r in kept] == ["mine"]
    assert record.dropped == {cause: 1} and not record.wrong_patient and record.patient == patient()


async def test_what_is_contained_in_somebody_elses_resource_is_never_read() -> None:
    """Not even where it says that it is hers."""
    record = await record_of(observation("x", "Patient/p2", contained=[observation("inner", "Patient/p1")]))
    assert record.resources == {}


async def test_three_strangers_mean_the_wrong_chart() -> None:
    """From three on, across all keys, nothing is believed."""
    for count in range(5):
        labs = [observation(f"x{index}", "Patient/p2") for index in range(count)]
        assert (await record_of(observation(), *labs)).wrong_patient is (count >= 3)
    labs_and_patient = bundle(observation("x", "Patient/p2"), patient("p2"))
    sent = {"labs": labs_and_patient, "problems": bundle(condition("x", "Patient/p3"))}
    assert (await gather(call_for(KEYS, prefetch=sent))).wrong_patient


async def test_a_prefetched_patient_who_is_another_is_refused() -> None:
    """The request contradicts itself: 400, naming the element."""
    with pytest.raises(PatientMismatch) as caught:
        await gather(call_for(KEYS, prefetch={"patient": patient("p2"), "labs": bundle(observation())}))
    assert caught.value.element == "prefetch.patient"


async def test_a_prefetched_encounter_that_is_another_is_refused() -> None:
    """Another encounter, or hers with somebody else in it."""
    for strange in (encounter("e2"), encounter("e1", "Patient/p2")):
        with pytest.raises(PatientMismatch) as caught:
            await gather(call_for({"visit": ENCOUNTER}, prefetch={"visit": strange}, encounter_id="e1"))
        assert caught.value.element == "prefetch.visit"


STAYS = {"stays": "Encounter?patient={{context.patientId}}"}
STAYS_URL = f"{BASE}/Encounter?patient=p1"


async def test_the_calls_own_encounter_is_hers_whatever_key_holds_it() -> None:
    """Regression: in a search, the context's Encounter with somebody else in it was only left out."""
    stays = bundle(encounter("e1", "Patient/p2"), encounter("e2"))
    with pytest.raises(PatientMismatch) as caught:
        await gather(call_for(STAYS, prefetch={"stays": stays}, encounter_id="e1"))
    assert caught.value.element == "prefetch.stays"
    record = await gather(call_for(STAYS, prefetch={"stays": stays}, encounter_id="e2"))
    assert record.dropped == {Dropped.OTHER_PATIENT: 1} and not record.wrong_patient


@pytest.mark.parametrize("page", [1, 2])
async def test_the_calls_own_encounter_that_was_read_defers(page: int) -> None:
    """On any page of it."""
    his, second = bundle(encounter("e1", "Patient/p2")), f"{BASE}/Encounter?page=2"
    first = his if page == 1 else bundle(encounter("e2"), next_link=second)
    record = await gather(call_for(STAYS, access=ACCESS, encounter_id="e1"), {STAYS_URL: first, second: his})
    assert record.wrong_patient and record.encounter is None


async def test_a_fetched_patient_who_is_another_defers() -> None:
    """Here the server is mixed up, not the request: no score."""
    answers: dict[str, object] = {f"{BASE}/Patient/p1": patient("p2"), LABS_URL: bundle(observation())}
    record = await gather(call_for(KEYS, access=ACCESS), answers)
    assert record.wrong_patient and record.patient is None


async def test_a_newer_version_that_moved_away_takes_the_older_one_along() -> None:
    """A result that was filed under her by mistake, and corrected, never counts through an older copy."""
    old = observation("o", meta={"lastUpdated": "2026-01-01T00:00:00Z"})
    new = observation("o", "Patient/p2", meta={"lastUpdated": "2026-01-02T00:00:00Z"})
    sent = {"labs": bundle(old), "problems": bundle(new)}
    record = await gather(call_for(KEYS, prefetch=sent))
    assert record.resources == {} and record.dropped == {Dropped.OTHER_PATIENT: 1}


OWN = ["Patient/p1", "Patient/p1/_history/3", f"{BASE}/Patient/p1", "urn:uuid:p1", "urn:uuid:her-entry"]
FOREIGN = [
    "Patient/p2",
    "Patient/p1x",
    "Patient/P1",
    "p1",
    "#p1",
    "Patient?identifier=p1",
    "urn:uuid:p2",
    "urn:uuid:his-entry",
    f"{BASE}/Patient/p2",
    "https://elsewhere.test/fhir/Patient/p1",
    f"{BASE}/Patient/p1/../p2",
    "Patient/p1/_history/../../p2",
    "Patient/p1 ",
    "",
]


@st.composite
def charts(draw: st.DrawFn) -> tuple[list[Json], set[str]]:
    """Two patients' resources in one heap, and the ids of those that are hers alone."""
    heap: list[Json] = []
    hers: set[str] = set()
    for index in range(draw(st.integers(1, 12))):
        mine = draw(st.booleans())
        reference = draw(st.sampled_from(OWN if mine else FOREIGN))
        make = draw(st.sampled_from([observation, condition]))
        focus = draw(st.sampled_from([None, [], [{"reference": "Patient/p1"}], [{"reference": "Patient/p2"}]]))
        resource = make(f"r{index}", reference)
        if draw(st.booleans()):
            resource["patient"] = resource.pop("subject")
        if focus is not None:
            resource["focus"] = focus
        if draw(st.integers(0, 5)) == 0:
            resource["status"] = 7  # wrong-typed, so that the whole Bundle takes the second look
        heap.append(resource)
        if mine and (not focus or focus[0]["reference"] == "Patient/p1"):
            hers.add(f"r{index}")
    return heap, hers


@given(chart=charts(), seed=st.integers(0, 1000), prefetched=st.booleans())
async def test_two_shuffled_charts_never_mix(chart: tuple[list[Json], set[str]], seed: int, prefetched: bool) -> None:
    """Of two patients' resources in one Bundle, exactly hers are in the record, and each of the others is counted."""
    heap, hers = chart
    people = [patient("p1"), patient("p2")]
    whole = [*heap, *people]
    random.Random(seed).shuffle(whole)
    urls = {whole.index(people[0]): "urn:uuid:her-entry", whole.index(people[1]): "urn:uuid:his-entry"}
    value = bundle(*whole, urls=urls)
    keys = {"labs": LABS}
    record = await gather(
        call_for(keys, prefetch={"labs": value} if prefetched else {}, access=ACCESS), {LABS_URL: value}
    )
    assert {r.id for kept in record.resources.values() for r in kept} == hers
    assert record.patient == patient("p1")
    assert sum(record.dropped.values()) == len(heap) - len(hers) + 1
    assert record.wrong_patient is (record.dropped[Dropped.OTHER_PATIENT] >= 3)


@pytest.mark.parametrize(("egfr", "foreign"), [(25, 0), (15, 2)])
async def test_no_action_touches_another_patient(tmp_path: Path, egfr: float, foreign: int) -> None:
    """Regression: what no sample shows is met in the call: left out with its suggestion, and counted."""
    hers = "Patient/{{ context.patientId }}"
    made = (
        "{% if egfr.value < 20 %}{{ 'Pat' }}ient/other{% else %}" + hers.replace("Pat", "{{ 'Pat' }}") + "{% endif %}"
    )
    config = acting_config(
        tmp_path,
        (
            f'subject: {{reference: "{hers}"}}\n          encounter',
            f'subject: {{reference: "{made}"}}\n          encounter',
        ),
        client="    system_actions: true\n",
        extra=SYSTEM.replace(f'subject: {{reference: "{hers}"}}', f'subject: {{reference: "{made}"}}'),
    )
    gateway = FakeGateway(config, FakeModel(lambda *inputs: 0.4), site="hospital_a", system_actions=True)
    labs = [chart.lab("33914-3", egfr), chart.lab("9318-7", 300)]
    answer = (await gateway.call(chart.hook_body(chart.patient(), labs, []))).json()
    assert ("suggestions" in answer["cards"][0], "systemActions" in answer) == (not foreign, not foreign)
    assert gateway.meter.dropped.get("foreign_action", 0) == foreign and gateway.meter.faults == []


def drafted(*drafts: Json) -> HookCall:
    """A call whose features read the draft orders of its context."""
    call = call_for(
        KEYS, prefetch={"patient": patient(), "labs": bundle()}, context=raw({"draftOrders": bundle(*drafts)})
    )
    return msgspec.structs.replace(call, plan=msgspec.structs.replace(call.plan, context_fields=("draftOrders",)))


async def test_a_draft_of_anybody_else_is_dropped_and_counted() -> None:
    """Although it came in the context of her call; so is one that names nobody, and then none is not known."""
    order = {"resourceType": "MedicationRequest", "status": "draft"}
    mine = {**order, "id": "mine", "subject": {"reference": "Patient/p1"}}
    record = await gather(drafted(mine, {**order, "id": "x", "subject": {"reference": "Patient/p2"}}, order))
    assert [draft.id for draft in record.resources["context.draftOrders"]] == ["mine"]
    assert record.dropped == {Dropped.OTHER_PATIENT: 1, Dropped.NO_SUBJECT: 1}
    assert record.doubtful == {"context.draftOrders"} and not record.wrong_patient


async def test_three_drafts_of_a_stranger_mean_the_wrong_chart() -> None:
    """As three results do, and together with them."""
    order = {"resourceType": "ServiceRequest", "subject": {"reference": "Patient/p2"}}
    for count in range(5):
        drafts = [{**order, "id": f"x{number}"} for number in range(count)]
        assert (await gather(drafted(*drafts))).wrong_patient is (count >= 3)
