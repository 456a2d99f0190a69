"""Gathering: what was sent, what is read besides, what is refused, and what never happens."""

import asyncio
import dataclasses
import json
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.calls import CLIENT
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
    bundle,
    call_for,
    encounter,
    observation,
    operation_outcome,
    patient,
)
from tests.fakes.meter import FakeMeter
from wardgate.domain.context.prefetch import parse_template
from wardgate.domain.context.record import KeyState, PatientRecord
from wardgate.domain.errors import PatientMismatch, PrefetchRequired, Refusal
from wardgate.domain.hooks import HOOKS, FhirAccess
from wardgate.gateway.call import HookCall
from wardgate.gateway.gather import Gatherer, GatherOptions

ALL = {"patient": PATIENT, "labs": LABS, "problems": PROBLEMS}
REQUIRED = frozenset({"patient", "labs"})
PROBLEMS_URL = f"{BASE}/Condition?patient=p1"
PATIENT_URL = f"{BASE}/Patient/p1"
SERVER: dict[str, object] = {
    PATIENT_URL: patient(),
    LABS_URL: bundle(observation("read")),
    PROBLEMS_URL: bundle(),
}


async def gather(call: HookCall, fhir: FakeFhir, options: GatherOptions | None = None) -> PatientRecord:
    return await Gatherer(fhir, FakeMeter(), FakeClock(), options).gather(call)


def ids(record: PatientRecord) -> list[str | None]:
    return [resource.id for resource in record.resources.get("Observation", ())]


async def test_a_whole_prefetch_costs_no_read() -> None:
    """What came along is not asked for again."""
    fhir = FakeFhir(dict(SERVER))
    sent = {"patient": patient(), "labs": bundle(observation("sent")), "problems": bundle()}
    record = await gather(call_for(ALL, REQUIRED, prefetch=sent, access=ACCESS), fhir)
    assert fhir.asked == [] and ids(record) == ["sent"]
    assert set(record.keys.values()) == {KeyState.OBTAINED}


@pytest.mark.requirement("PF-3", "FA-1", "FA-2", "INV-9")
async def test_only_the_missing_keys_are_read() -> None:
    """The service fills what the EHR left out, with the token of the call (PF-3, FA-2)."""
    fhir = FakeFhir(dict(SERVER))
    record = await gather(call_for(ALL, REQUIRED, prefetch={"patient": patient()}, access=ACCESS), fhir)
    assert sorted(fhir.urls) == [PROBLEMS_URL, LABS_URL]
    assert {access for access, _, _ in fhir.asked} == {ACCESS}
    assert ids(record) == ["read"] and set(record.keys.values()) == {KeyState.OBTAINED}


@pytest.mark.requirement("PF-10")
@pytest.mark.parametrize(("zone", "day"), [("UTC", "2025-12-31"), ("Europe/Vienna", "2026-01-01")])
async def test_a_date_is_that_of_the_calls_clock_where_the_client_is(zone: str, day: str) -> None:
    """At 23:30 in London it is tomorrow in Vienna; the date is asked of the call's clock, and of no other."""
    template = "Observation?patient={{context.patientId}}&date=le{{today()}}"
    fhir = FakeFhir()
    client = dataclasses.replace(CLIENT, zone=ZoneInfo(zone))
    call = call_for({"labs": LABS}, access=ACCESS, client=client)
    key = parse_template("labs", template, HOOKS["patient-view"].tokens(), required=False, cds_hooks="3.0")
    plan = msgspec.structs.replace(call.plan, prefetch=(key,))
    await gather(msgspec.structs.replace(call, plan=plan, now=1_767_223_800.0), fhir)
    assert fhir.urls == [f"{BASE}/Observation?patient=p1&date=le{day}"]


async def test_undeclared_keys_are_never_looked_at() -> None:
    """The EHR may send what it likes; only declared keys are read, not even decoded."""
    call = call_for({"labs": LABS}, prefetch={"labs": bundle(), "more": bundle(observation(of="Patient/p2"))})
    record = await gather(call, FakeFhir())
    assert record.resources == {} and record.dropped == {} and set(record.keys) == {"labs"}


STATES: dict[str, tuple[object, bool]] = {
    "absent": (..., False),
    "null": (None, True),
    "outcome": (operation_outcome("error"), False),
    "empty": (bundle(), True),
    "full": (bundle(observation("sent")), True),
    "rubbish": ("x", False),
}


@pytest.mark.requirement("PF-1", "PF-4", "INV-9")
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize("server", ["none", "works", "fails"])
async def test_the_four_states_with_and_without_a_server(state: str, required: bool, server: str) -> None:
    """Absent, null, error and empty are four things; 412 only where a required key can be had nowhere (PF-1, PF-4)."""
    value, obtained = STATES[state]
    fhir = FakeFhir({LABS_URL: bundle(observation("read"))} if server == "works" else {})
    call = call_for(
        {"labs": LABS},
        frozenset({"labs"}) if required else frozenset(),
        prefetch={} if value is ... else {"labs": value},
        access=None if server == "none" else ACCESS,
    )
    if required and not obtained and server != "works":
        with pytest.raises(PrefetchRequired) as caught:
            await gather(call, fhir)
        assert caught.value.element == "prefetch.labs"
        return
    record = await gather(call, fhir)
    if obtained:
        assert record.keys["labs"] is KeyState.OBTAINED and fhir.asked == []
        assert ids(record) == (["sent"] if state == "full" else [])
    elif server == "works":
        assert record.keys["labs"] is KeyState.OBTAINED and ids(record) == ["read"]
    else:
        assert record.keys["labs"] is KeyState.UNOBTAINED and ids(record) == []


@pytest.mark.requirement("PF-5", "RSP-7")
async def test_a_required_key_that_is_clinically_empty_is_no_412() -> None:
    """Obtained, and there is nothing: that is an answer (PF-5, T-5)."""
    fhir = FakeFhir({PATIENT_URL: patient(), LABS_URL: bundle(operation_outcome("warning"))})
    record = await gather(call_for({"patient": PATIENT, "labs": LABS}, REQUIRED, access=ACCESS), fhir)
    assert record.keys == {"patient": KeyState.OBTAINED, "labs": KeyState.OBTAINED} and record.resources == {}


async def test_a_key_whose_token_has_no_value_cannot_be_asked() -> None:
    """No encounter in the context: its key is unobtained, and no read is tried."""
    fhir = FakeFhir()
    record = await gather(call_for({"encounter": ENCOUNTER}, access=ACCESS), fhir)
    assert record.keys == {"encounter": KeyState.UNOBTAINED} and fhir.asked == []
    with pytest.raises(PrefetchRequired):
        await gather(call_for({"encounter": ENCOUNTER}, frozenset({"encounter"}), access=ACCESS), fhir)


@pytest.mark.parametrize(
    "answer", [b"", b"<html>", b"[]", b"null garbage", operation_outcome("error"), patient("p1"), None]
)
async def test_a_server_that_answers_anything_else_has_not_answered(answer: object) -> None:
    """What is no Bundle and no resource of the type leaves the key unobtained."""
    record = await gather(call_for({"labs": LABS}, access=ACCESS), FakeFhir({LABS_URL: answer}))
    assert record.keys == {"labs": KeyState.UNOBTAINED}


# Paging


def pages(count: int, *, base: str = BASE, start: str = LABS_URL) -> dict[str, object]:
    """A search of `count` pages with one observation each, newest first."""
    urls = [start, *(f"{base}/Observation?page={number}" for number in range(2, count + 1))]
    return {
        url: bundle(
            observation(f"o{index}", effectiveDateTime=f"2026-01-{28 - index:02}"),
            next_link=urls[index + 1] if index + 1 < count else None,
        )
        for index, url in enumerate(urls)
    }


@pytest.mark.requirement("PF-6")
async def test_every_page_is_read() -> None:
    """A search is as long as its last page says (PF-6, T-13)."""
    fhir = FakeFhir(pages(5))
    record = await gather(call_for({"labs": LABS}, access=ACCESS), fhir)
    assert ids(record) == ["o0", "o1", "o2", "o3", "o4"] and record.keys["labs"] is KeyState.OBTAINED


async def test_the_pages_of_a_prefetched_bundle_are_read_too() -> None:
    """The EHR may send the first page only."""
    answers = pages(3)
    first = answers.pop(LABS_URL)
    fhir = FakeFhir(answers)
    record = await gather(call_for({"labs": LABS}, prefetch={"labs": first}, access=ACCESS), fhir)
    assert ids(record) == ["o0", "o1", "o2"] and record.keys["labs"] is KeyState.OBTAINED
    assert fhir.urls == [f"{BASE}/Observation?page=2", f"{BASE}/Observation?page=3"]


@pytest.mark.requirement("PF-6")
@pytest.mark.parametrize("sorted_by_template", [True, False])
async def test_paging_is_bounded(sorted_by_template: bool) -> None:
    """Beyond the bound the key is partial: the newest part where the order proves it, else of unknown order."""
    template = LABS if sorted_by_template else LABS.replace("&_sort=-date", "")
    start = LABS_URL if sorted_by_template else LABS_URL.replace("&_sort=-date", "")
    fhir = FakeFhir(pages(20, start=start))
    record = await gather(call_for({"labs": template}, access=ACCESS), fhir, GatherOptions(max_pages=3))
    assert len(fhir.asked) == 3 and len(ids(record)) == 3
    assert record.keys["labs"] is (KeyState.PARTIAL_NEWEST if sorted_by_template else KeyState.PARTIAL)
    assert list(record.read_back_to) == (["labs"] if sorted_by_template else [])


async def test_the_bound_counts_the_prefetched_page() -> None:
    """One bound for a key, wherever its pages come from."""
    answers = pages(20)
    first = answers.pop(LABS_URL)
    fhir = FakeFhir(answers)
    await gather(call_for({"labs": LABS}, prefetch={"labs": first}, access=ACCESS), fhir, GatherOptions(max_pages=3))
    assert len(fhir.asked) == 2


async def test_a_page_that_fails_leaves_the_key_partial() -> None:
    """What was read counts as far as it goes; a required key with its first page is no 412."""
    answers = pages(3)
    answers[f"{BASE}/Observation?page=3"] = None
    fhir = FakeFhir(answers)
    record = await gather(call_for({"labs": LABS}, REQUIRED, access=ACCESS), fhir)
    assert ids(record) == ["o0", "o1"] and record.keys["labs"] is KeyState.PARTIAL_NEWEST


async def test_an_unreadable_entry_spoils_the_proof() -> None:
    """What could not be read may have been newer."""
    answers: dict[str, object] = {LABS_URL: bundle(observation(), "x", next_link="https://evil.test/")}
    record = await gather(call_for({"labs": LABS}, access=ACCESS), FakeFhir(answers))
    assert record.keys["labs"] is KeyState.PARTIAL


async def test_without_access_a_first_page_stays_a_first_page() -> None:
    """Following needs a token; without one the prefetch is partial, not complete."""
    first = bundle(observation(), next_link=f"{BASE}/Observation?page=2")
    fhir = FakeFhir()
    record = await gather(call_for({"labs": LABS}, REQUIRED, prefetch={"labs": first}), fhir)
    assert record.keys["labs"] is KeyState.PARTIAL_NEWEST and fhir.asked == []


@pytest.mark.parametrize("to", [LABS_URL, f"{BASE}/Observation?page=2"])
async def test_a_loop_of_pages_ends(to: str) -> None:
    """A link back to a page that was read leads nowhere, and never to a complete key."""
    answers = pages(2)
    answers[f"{BASE}/Observation?page=2"] = bundle(observation("o1", effectiveDateTime="2026-01-01"), next_link=to)
    fhir = FakeFhir(answers)
    record = await gather(call_for({"labs": LABS}, access=ACCESS), fhir)
    assert len(fhir.asked) == 2 and record.keys["labs"] is KeyState.PARTIAL_NEWEST


@pytest.mark.requirement("FA-4")
@pytest.mark.parametrize(
    "link",
    [
        "https://evil.test/fhir/Observation?page=2",
        "//evil.test/fhir",
        "http://ehr.test:81/fhir/Observation?page=2",
        "https://ehr.test/fhir/Observation?page=2",
        "http://ehr.test@evil.test/fhir/",
        f"{BASE}/../secret",
        f"{BASE}/%2e%2e/secret",
        "/secret",
        5,
        "",
    ],
)
@pytest.mark.parametrize("prefetched", [False, True])
async def test_the_token_never_follows_a_foreign_link(link: object, prefetched: bool) -> None:
    """A link from outside, prefetched or read, never moves the token off the server (DESIGN, "Context and patient")."""
    first = bundle(observation(), next_link=link)
    fhir = FakeFhir({LABS_URL: first})
    call = call_for({"labs": LABS}, prefetch={"labs": first} if prefetched else {}, access=ACCESS)
    record = await gather(call, fhir)
    assert fhir.urls == ([] if prefetched else [LABS_URL])
    assert record.keys["labs"] is KeyState.PARTIAL_NEWEST


# Time and tasks


@pytest.mark.requirement("INV-8")
async def test_reads_leave_the_model_its_share_of_the_deadline() -> None:
    """Each read gets what is left until the model's turn."""
    fhir = FakeFhir(dict(SERVER))
    await gather(call_for({"labs": LABS}, seconds=1.0, access=ACCESS), fhir)
    assert [round(timeout, 6) for _, _, timeout in fhir.asked] == [0.7]


async def test_no_read_begins_in_the_reserve() -> None:
    """A call that is late already asks nobody."""
    clock, fhir = FakeClock(), FakeFhir(dict(SERVER))
    clock.advance(0.4)
    record = await Gatherer(fhir, FakeMeter(), clock).gather(call_for({"labs": LABS}, access=ACCESS))
    assert fhir.asked == [] and record.keys == {"labs": KeyState.UNOBTAINED}


@dataclasses.dataclass
class Holding(FakeFhir):
    """Never answers for some URLs, and listens to no timeout."""

    held: frozenset[str] = frozenset()

    async def read(self, access: FhirAccess, url: str, timeout: float) -> bytes | None:
        if url not in self.held:
            return await super().read(access, url, timeout)
        self.open += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.open -= 1
        return None


@pytest.mark.requirement("INV-8", "INV-9")
@pytest.mark.parametrize("alone", [False, True])
async def test_a_key_that_is_not_required_does_not_hold_the_call(alone: bool) -> None:
    """What is there when the time for reading is up is there; the rest is cancelled, whatever its reader thinks."""
    fhir = Holding(dict(SERVER), held=frozenset({PROBLEMS_URL}))
    sent = {"patient": patient(), "labs": bundle(observation("sent"))} if alone else {}
    before = asyncio.all_tasks()
    record = await gather(call_for(ALL, REQUIRED, prefetch=sent, seconds=0.05, access=ACCESS), fhir)
    assert ids(record) == ["sent" if alone else "read"]
    assert record.keys == {
        "patient": KeyState.OBTAINED,
        "labs": KeyState.OBTAINED,
        "problems": KeyState.UNOBTAINED,
    }
    assert fhir.open == 0 and asyncio.all_tasks() == before


async def test_a_required_key_that_does_not_come_in_time_is_412() -> None:
    """Law 1: the EHR hears of it while it still listens."""
    fhir = Holding(dict(SERVER), held=frozenset({LABS_URL}))
    with pytest.raises(PrefetchRequired) as caught:
        await gather(call_for(ALL, REQUIRED, seconds=0.05, access=ACCESS), fhir)
    assert caught.value.element == "prefetch.labs" and fhir.open == 0


async def test_pages_that_came_in_time_are_kept() -> None:
    """A second page that hangs leaves a key that is partial, not one that is missing."""
    more = f"{BASE}/Observation?page=2"
    fhir = Holding({LABS_URL: bundle(observation("first"), next_link=more)}, held=frozenset({more}))
    record = await gather(call_for({"labs": LABS}, REQUIRED, seconds=0.05, access=ACCESS), fhir)
    assert ids(record) == ["first"] and record.keys["labs"] is KeyState.PARTIAL_NEWEST


async def test_another_patient_read_before_the_time_was_up_still_counts() -> None:
    """Law 11: what was found is not forgotten because something else hung."""
    fhir = Holding({PATIENT_URL: patient("p2")}, held=frozenset({PROBLEMS_URL}))
    keys = {"patient": PATIENT, "problems": PROBLEMS}
    record = await gather(call_for(keys, seconds=0.05, access=ACCESS), fhir)
    assert record.wrong_patient


async def test_missing_keys_are_read_at_the_same_time_and_bounded() -> None:
    """In parallel, but no call may occupy the FHIR server for itself."""
    templates = {f"k{index}": f"Observation?patient={{{{context.patientId}}}}&code=c{index}" for index in range(6)}
    fhir = FakeFhir(gate=asyncio.Event())
    async with asyncio.TaskGroup() as group:
        task = group.create_task(gather(call_for(templates, access=ACCESS), fhir, GatherOptions(max_concurrent=4)))
        for _ in range(20):  # turns of the loop: enough for every task to go as far as it can
            await asyncio.sleep(0)
        assert fhir.gate is not None and len(fhir.asked) == 4
        fhir.gate.set()
    assert len(fhir.asked) == 6 and fhir.most_open == 4
    assert set(task.result().keys.values()) == {KeyState.UNOBTAINED}


async def test_cancellation_leaves_no_read_behind() -> None:
    """The deadline cancels the call, and with it every read."""
    fhir = FakeFhir(gate=asyncio.Event())
    before = asyncio.all_tasks()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await gather(call_for(ALL, access=ACCESS), fhir)
    assert fhir.open == 0 and asyncio.all_tasks() == before


# Identity


async def test_a_refusal_names_the_element_and_never_a_value() -> None:
    """Another patient's chart in the prefetch is 400, before anything is read (T-21, law 4)."""
    fhir = FakeFhir(dict(SERVER))
    call = call_for(ALL, prefetch={"patient": patient("MARK-7", name=[{"family": "MARK"}])}, access=ACCESS)
    with pytest.raises(PatientMismatch) as caught:
        await gather(call, fhir)
    assert caught.value.element == "prefetch.patient" and "MARK" not in str(caught.value) and fhir.asked == []


async def test_a_prefetched_patient_without_an_id_is_read_instead() -> None:
    """It cannot be made sure, so it does not count, and nothing is refused while the server can tell."""
    sent = {"patient": {"resourceType": "Patient", "birthDate": "2001-01-01"}}
    fhir = FakeFhir(dict(SERVER))
    record = await gather(call_for({"patient": PATIENT}, REQUIRED, prefetch=sent, access=ACCESS), fhir)
    assert record.patient == patient() and fhir.urls == [PATIENT_URL]
    with pytest.raises(PrefetchRequired):
        await gather(call_for({"patient": PATIENT}, REQUIRED, prefetch=sent), fhir)


async def test_a_fetched_patient_without_an_id_is_no_answer() -> None:
    """The server's answer cannot be made sure either: unobtained, and 412 where it is required."""
    fhir = FakeFhir({PATIENT_URL: {"resourceType": "Patient"}})
    record = await gather(call_for({"patient": PATIENT}, access=ACCESS), fhir)
    assert record.keys == {"patient": KeyState.UNOBTAINED} and record.patient is None and not record.wrong_patient
    with pytest.raises(PrefetchRequired):
        await gather(call_for({"patient": PATIENT}, REQUIRED, access=ACCESS), fhir)


async def test_what_wardgate_fetched_itself_defers_instead() -> None:
    """The server gave another patient for her id: the request is not to blame, and there is no score."""
    for answer in (patient("p2"), bundle(patient("p2"))):
        record = await gather(call_for({"patient": PATIENT}, REQUIRED, access=ACCESS), FakeFhir({PATIENT_URL: answer}))
        assert record.wrong_patient and record.patient is None


@pytest.mark.parametrize("value", [encounter("e2"), encounter("e1", "Patient/p2")])
async def test_the_encounter_must_be_hers_and_the_one_of_the_context(value: dict[str, Any]) -> None:
    """Prefetched: 400. Fetched: no score."""
    templates = {"encounter": ENCOUNTER}
    context: dict[str, Any] = {"encounter_id": "e1", "access": ACCESS}
    with pytest.raises(PatientMismatch) as caught:
        await gather(call_for(templates, prefetch={"encounter": value}, **context), FakeFhir())
    assert caught.value.element == "prefetch.encounter"
    record = await gather(call_for(templates, **context), FakeFhir({f"{BASE}/Encounter/e1": value}))
    assert record.wrong_patient and record.encounter is None


async def test_dropped_resources_are_counted() -> None:
    """Each cause reaches the meter once a call, with its number."""
    meter = FakeMeter()
    value = bundle(observation("a", "Patient/p2"), observation("b", "Patient/p2"), observation("c", None), "x")
    await Gatherer(FakeFhir(), meter, FakeClock()).gather(call_for({"labs": LABS}, prefetch={"labs": value}))
    assert meter.dropped == {"other_patient": 2, "no_subject": 1, "unreadable": 1}


NAMES = st.sampled_from(
    ["resourceType", "id", "entry", "resource", "response", "subject", "reference", "link", "relation", "url", "issue"]
)
TEXTS = st.text(max_size=6) | st.sampled_from(["Patient/p1", "Patient/p2", "p1", "p2", "e1", "next", "Observation"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
TYPES = st.sampled_from(["Patient", "Observation", "Bundle", "Encounter", "OperationOutcome"])


@given(sent=JSON, answer=JSON, kind=TYPES, required=st.booleans(), key=st.sampled_from([PATIENT, LABS, ENCOUNTER]))
async def test_no_prefetch_and_no_answer_makes_gathering_fail(
    sent: Any, answer: Any, kind: str, required: bool, key: str
) -> None:
    """Whatever stands in a prefetch or comes from a server: a record, a 400 or a 412, and nothing else."""
    if isinstance(sent, dict):
        sent = sent | {"resourceType": kind}
    urls = (PATIENT_URL, LABS_URL, f"{BASE}/Encounter/e1")
    fhir = FakeFhir({url: json.dumps(answer).encode() for url in urls})
    needed = frozenset({"key"}) if required else frozenset[str]()
    call = call_for({"key": key}, needed, prefetch={"key": sent}, encounter_id="e1", access=ACCESS)
    try:
        record = await gather(call, fhir)
    except Refusal as refusal:
        assert isinstance(refusal, PatientMismatch | PrefetchRequired) and refusal.element == "prefetch.key"
    else:
        assert all(r.subject is not None for kept in record.resources.values() for r in kept)


async def test_a_prefetch_of_bytes_that_are_no_text_is_only_unobtained() -> None:
    """Raw JSON reaches the gateway undecoded, so its insides are met here first."""
    for value in (b'{"resourceType":"\xff"}', b'{"resourceType":"Bundle","entry":["\xff"]}'):
        record = await gather(call_for({"patient": PATIENT}, prefetch={"patient": value}), FakeFhir())
        assert record.patient is None and record.resources == {}


async def test_what_one_call_reads_is_bounded_in_bytes() -> None:
    """Regression, law 1: pages of some megabytes each were decoded for longer than the deadline."""
    pages: dict[str, object] = {LABS_URL: bundle(observation("o0"), next_link=f"{BASE}/Observation?page=1")}
    for number in range(1, 5):
        following = f"{BASE}/Observation?page={number + 1}"
        pages[f"{BASE}/Observation?page={number}"] = bundle(observation(f"o{number}"), next_link=following)
    fhir = FakeFhir(pages)
    size = len(json.dumps(pages[LABS_URL]))
    record = await gather(call_for({"labs": LABS}, access=ACCESS), fhir, GatherOptions(max_bytes=2 * size + 1))
    assert ids(record) == ["o0", "o1"] and len(fhir.asked) == 3
    assert record.keys["labs"] is not KeyState.OBTAINED


async def test_what_the_request_brought_counts_too() -> None:
    """Regression, law 1: 2 MiB of prefetch and two answers of 2 MiB were within the bound."""
    call = call_for({"labs": LABS, "problems": PROBLEMS}, prefetch={"labs": bundle(observation())}, access=ACCESS)
    both = len(call.request.prefetch["labs"]) + len(json.dumps(SERVER[PROBLEMS_URL]))
    for bound, state in ((both, KeyState.OBTAINED), (both - 1, KeyState.UNOBTAINED)):
        record = await gather(call, FakeFhir(dict(SERVER)), GatherOptions(max_bytes=bound))
        assert record.keys == {"labs": KeyState.OBTAINED, "problems": state}


async def test_reads_end_earlier_by_what_is_at_hand() -> None:
    """Regression, law 1: at 320 ms there was still time for megabytes, and their extraction ended at 690 ms."""
    call = call_for({"labs": LABS, "problems": PROBLEMS}, prefetch={"labs": bundle(observation())}, access=ACCESS)
    size = len(call.request.prefetch["labs"])
    for work, left in ((0.1, 0.35), (0.2, 0.3), (0.45, 0.05)):
        fhir = FakeFhir(dict(SERVER))
        await gather(call, fhir, GatherOptions(seconds_per_byte=work / size))
        assert [round(timeout, 6) for _, _, timeout in fhir.asked] == [left]
    fhir = FakeFhir(dict(SERVER))
    await gather(call, fhir, GatherOptions(seconds_per_byte=0.5 / size))
    assert fhir.asked == []


class SlowFhir:
    """Answers page after page, each of its size in bytes (about) and with its delay in seconds."""

    def __init__(self, answers: list[tuple[int, float]], clock: FakeClock) -> None:
        self.answers = answers
        self.clock = clock
        self.arrived: list[float] = []

    async def read(self, access: FhirAccess, url: str, timeout: float) -> bytes | None:
        size, delay = self.answers[len(self.arrived)]
        self.clock.advance(min(delay, timeout))
        self.arrived.append(self.clock.monotonic())
        number = len(self.arrived)
        following = f"{BASE}/Observation?page={number}" if number < len(self.answers) else None
        page = bundle(observation(f"o{number}"), next_link=following) | {"pad": "x" * size}
        return None if delay > timeout else json.dumps(page).encode()


@given(st.integers(0, 2_000_000), st.lists(st.tuples(st.integers(0, 2_000_000), st.floats(0, 0.4)), min_size=1))
def test_whatever_is_decoded_can_be_worked_off_by_the_deadline(sent: int, answers: list[tuple[int, float]]) -> None:
    """Law 1, in bytes: when the last page that counts arrived, all bytes at hand fitted into what was left."""
    clock = FakeClock()
    fhir = SlowFhir(answers, clock)
    prefetch = {"problems": {"resourceType": "Bundle", "pad": "x" * sent}}
    call = call_for({"labs": LABS, "problems": PROBLEMS}, prefetch=prefetch, access=ACCESS)
    ends = clock.monotonic() + 0.5
    taken = ids(asyncio.run(Gatherer(fhir, FakeMeter(), clock).gather(call)))
    held = (sent if taken else 0) + sum(size for size, _ in answers[: len(taken)])
    assert not taken or fhir.arrived[len(taken) - 1] + held * 100e-9 < ends


async def test_what_comes_too_late_is_not_decoded() -> None:
    """The answer came, but the reads' share of the time is over: decoding it would eat the model's."""
    clock, fhir = FakeClock(), FakeFhir(dict(SERVER), gate=asyncio.Event())
    gatherer = Gatherer(fhir, FakeMeter(), clock)
    task = asyncio.get_running_loop().create_task(gatherer.gather(call_for({"labs": LABS}, access=ACCESS)))
    while not fhir.asked:  # noqa: ASYNC110 - a turn of the loop
        await asyncio.sleep(0)
    clock.advance(0.4)
    assert fhir.gate is not None
    fhir.gate.set()
    assert (await task).keys["labs"] is KeyState.UNOBTAINED
