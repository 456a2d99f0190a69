"""Feedback over the wire: every form that clients send, what is kept of it, and what is refused."""

import asyncio
from typing import Any

import msgspec
import pytest

from tests.fakes.asgi import JSON, Reply, ask
from tests.fakes.clock import FakeClock
from tests.fakes.gateway import FakeGateway
from tests.fakes.hot import RING
from tests.fakes.meter import FakeMeter
from tests.fakes.records import FakeFeedbackSink
from tests.web.house import ORIGIN, PATH, House
from wardgate.adapters.spool.frames import LARGEST
from wardgate.domain import record_names
from wardgate.domain.feedback import Feedback, FeedbackEntry, FeedbackOutcome, OfferedReasons
from wardgate.domain.pseudonyms import KeyRing
from wardgate.domain.record_names import RecordNames
from wardgate.gateway.feedback import FeedbackDesk
from wardgate.web.edge import EdgeOptions

CARD = "9368d37b-283f-44a0-93ea-547cebab93ed"
SUGGESTION = "4f1a4c6e-8f5b-4ec8-9b0b-3f1f0c4a7d11"
AT = "2026-11-21T09:00:00Z"
NAMES = RecordNames(RING)
CARD_KEY, SUGGESTION_KEY = NAMES.of(record_names.card(CARD)), NAMES.of(record_names.suggestion(SUGGESTION))
MARKER = "Zebulon"
SYSTEM = "https://nephrology.hospital.example/override"
OFFERED = {"code": "already-referred", "system": SYSTEM}


def element(**changes: Any) -> dict[str, Any]:
    """A good overridden element; a change to None removes a key."""
    good = {"card": CARD, "outcome": "overridden", "outcomeTimestamp": AT, **changes}
    return {name: value for name, value in good.items() if value is not None}


def overridden(reason: Any, **more: Any) -> dict[str, Any]:
    return element(overrideReason={"reason": reason, "userComment": f"{MARKER} refuses", **more})


async def send(app: Any, *elements: Any, service: str = "kidney-failure") -> Reply:
    body = msgspec.json.encode({"feedback": list(elements)})
    return await ask(app, "POST", f"/cds-services/{service}/feedback", body, {**JSON, "origin": ORIGIN})


async def taken(*elements: Any) -> FakeGateway:
    gateway = FakeGateway()
    reply = await send(gateway.edge, *elements)
    assert (reply.status, reply.body) == (200, b"{}")
    return gateway


def offered(gateway: FakeGateway) -> dict[str, str]:
    """One of the reasons that the demo's card really offers."""
    plan = gateway.catalog.services["kidney-failure"]["patient-view"]
    (release,) = plan.releases.values()
    coding = release.card.override_reasons[0].coding
    return {"system": coding.system, "code": coding.code, "display": coding.display or ""}


async def test_a_flood_of_suggestions_makes_no_flood_of_names() -> None:
    """Of one element, so that its record fits the spool: what was acknowledged there and could not be read is lost."""
    many = [{"id": f"4f1a4c6e-8f5b-4ec8-9b0b-{number:012x}"} for number in range(30_000)]
    gateway = await taken(element(outcome="accepted", acceptedSuggestions=many))
    (entry,) = gateway.feedback.newest(2)
    assert len(entry.suggestion_keys) == 100
    assert len(msgspec.msgpack.encode(entry)) < LARGEST


@pytest.mark.requirement("FB-1", "FB-2", "FB-3", "FB-4", "FB-9")
async def test_an_accepted_card() -> None:
    """Acknowledged with 200 and `{}`, kept for its card, counted; the sandbox sends fractions of a second."""
    gateway = await taken(
        element(
            outcome="accepted", acceptedSuggestions=[{"id": SUGGESTION}], outcomeTimestamp="2026-11-21T09:00:00.123Z"
        )
    )
    (report,) = gateway.feedback.newest(2)
    assert report == FeedbackEntry(
        CARD_KEY, "kidney-failure", "ehr", "accepted", report.at, gateway.clock.now(), (SUGGESTION_KEY,)
    )
    assert report.at == pytest.approx(1_795_251_600.123)
    assert gateway.meter.feedback == [("kidney-failure", "accepted", "none")]
    assert gateway.meter.calls == []


@pytest.mark.requirement("FB-5")
async def test_a_reason_that_the_card_offers_is_counted_by_its_class() -> None:
    """By system and code; what stands in `display` does not matter, and is often absent."""
    reason = offered(FakeGateway())
    bare = {"system": reason["system"], "code": reason["code"]}
    gateway = await taken(overridden(bare), overridden({**reason, "display": MARKER}, x=1))
    reports = gateway.feedback.newest(9)
    assert [(report.override_system, report.override_code) for report in reports] == [
        (reason["system"], reason["code"])
    ]
    (release,) = gateway.catalog.services["kidney-failure"]["patient-view"].releases.values()
    assert gateway.meter.feedback == [
        ("kidney-failure", "overridden", release.card.override_reasons[0].meaning.value)
    ], "the second one says the same of the same card"


UNKNOWN: list[dict[str, Any]] = [
    overridden({"system": "https://ehr.example/own", "code": MARKER}),
    overridden({"code": MARKER}),
    overridden({"display": MARKER}),
    overridden(None),
    element(overrideReasons=[{"code": MARKER, "system": "s"}]),
    element(overrideReasons=[{"code": "contraindicated", "system": "s"}]),
    overridden({"code": "contraindicated", "system": "http: //example.org/x", "display": MARKER}),
    element(overrideReasons={"reason": {"code": MARKER, "system": "s", "display": MARKER}, "userComment": MARKER}),
    element(overrideReasons=[{"reason": {"code": MARKER}}, {"userComment": MARKER}]),
    element(
        overrideReasons={
            "extension": {
                "com.epic.cdshooks.feedback.overrideReason.reasonCategory": "45",
                "com.epic.cdshooks.feedback.overrideReason.reasonTitle": MARKER,
            },
            "userComment": MARKER,
        }
    ),
    element(overrideReason={"extension": [{"url": MARKER}]}),
]


@pytest.mark.requirement("FB-5", "GEN-8")
@pytest.mark.parametrize("sent", UNKNOWN)
async def test_a_reason_of_the_clients_own_is_unknown_and_not_kept(sent: dict[str, Any]) -> None:
    """Taken and counted; its code, its display and the clinician's comment are nowhere afterwards (T-19, law 4)."""
    gateway = await taken(sent)
    assert gateway.meter.feedback == [("kidney-failure", "overridden", "unknown")]
    assert MARKER not in repr(gateway.feedback.newest(9))


@pytest.mark.requirement("FB-5")
@pytest.mark.parametrize(
    "sent",
    [element(), element(overrideReason={}), element(overrideReason={"userComment": "", "reason": None}), element(x=1)],
)
async def test_no_reason_is_no_error(sent: dict[str, Any]) -> None:
    """Overriding needs no reason."""
    assert (await taken(sent)).meter.feedback == [("kidney-failure", "overridden", "none")]


@pytest.mark.parametrize("key", ["overrideReason", "overrideReasons"])
async def test_a_bare_coding_is_the_reason(key: str) -> None:
    """Regression: without the `reason` around it, what the card offers was not known, and counted as no reason."""
    coding = {name: offered(FakeGateway())[name] for name in ("code", "system")}
    gateway = await taken(element(**{key: coding}), element(**{key: [coding] if key.endswith("s") else coding}))
    for report in gateway.feedback.newest(2):
        assert report.override_code == coding["code"]
    odd = await taken(element(**{key: {"code": 5, "system": []}}))
    assert odd.meter.feedback == [("kidney-failure", "overridden", "none")]


async def test_epics_title_is_known_where_the_card_offers_it() -> None:
    """Epic's extension form has no code of ours; the title is what the clinician picked."""
    reason = offered(FakeGateway())
    title = {"com.epic.cdshooks.feedback.overrideReason.reasonTitle": reason["display"].upper()}
    gateway = await taken(element(overrideReasons={"extension": title}))
    (report,) = gateway.feedback.newest(1)
    assert report.override_code == reason["code"]


@pytest.mark.parametrize("card", [CARD.upper(), f"urn:uuid:{CARD}"])
async def test_a_card_is_known_however_its_id_is_written(card: str) -> None:
    """A suggestion's id that is none of ours is not kept."""
    sent = element(card=card, outcome="accepted", acceptedSuggestions=[{"id": MARKER}, {"id": SUGGESTION}])
    (report,) = (await taken(sent)).feedback.newest(9)
    assert (report.card_key, report.suggestion_keys) == (CARD_KEY, (SUGGESTION_KEY,))


@pytest.mark.parametrize("card", ["123456", MARKER, f"URN:UUID:{MARKER}", f"{CARD}\n", "0" * 5000])
async def test_a_card_that_is_none_of_ours_is_counted_and_not_kept(card: str) -> None:
    """Every card of wardgate has a UUID; another id may be anything, a name included, and joins to nothing (T-19)."""
    gateway = await taken(element(card=card))
    assert gateway.feedback.newest(9) == [] and len(gateway.meter.feedback) == 1


@pytest.mark.requirement("FB-2", "FB-6")
async def test_a_mixed_batch_with_repeats_is_taken_whole() -> None:
    """Several cards, accepted and overridden, one said twice, one changed: each counted once, and no error."""
    accepted = element(outcome="accepted", acceptedSuggestions=[{"id": SUGGESTION}])
    later = element(outcome="accepted", outcomeTimestamp="2026-11-21T10:00:00Z")
    gateway = await taken(element(), accepted, element(card=SUGGESTION), element(), later)
    await send(gateway.edge, accepted)
    assert [outcome for _, outcome, _ in gateway.meter.feedback] == ["overridden", "accepted", "overridden", "accepted"]
    assert len(gateway.feedback.newest(99)) == 4


async def test_late_and_empty_reports_are_no_errors() -> None:
    """A year late, and nothing at all: both are taken."""
    assert len((await taken(element(outcomeTimestamp="2025-11-21T09:00:00Z"))).feedback.newest(9)) == 1
    assert (await taken()).meter.feedback == []


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("0001-01-01", False),
        ("1951-03-27", False),
        ("2026-10-20T09:00:00Z", False),
        ("2026-10-22T09:00:00Z", True),
        ("2026-11-21T09:04:00Z", True),
        ("2026-11-21T09:06:00Z", False),
        ("9999-12-31", False),
    ],
)
async def test_a_time_at_which_nobody_can_have_acted_is_not_kept(sent: str, kept: bool) -> None:
    """It may be any date of a patient's (law 4); the report counts, and that it had none is counted."""
    gateway = await taken(element(outcomeTimestamp=sent))
    (entry,) = gateway.feedback.newest(2)
    assert (entry.outcome, entry.at is not None, gateway.meter.untimed) == ("overridden", kept, int(not kept))
    assert gateway.meter.feedback == [("kidney-failure", "overridden", "none")]


async def test_a_card_of_before_a_change_of_key_is_named_by_both() -> None:
    """Its record has the name under the previous key."""
    old, new = b"an old secret of thirty-two bytes", b"a newer secret of thirty-two bytes"
    before, sink = RecordNames(KeyRing([old])), FakeFeedbackSink()
    desk = FeedbackDesk(sink, RecordNames(KeyRing([new, old])), FakeClock(), FakeMeter())
    await desk.take([Feedback("kidney-failure", "ehr", CARD, FeedbackOutcome.ACCEPTED, 1.0)])
    (entry,) = sink.newest(2)
    assert entry.earlier_keys == (before.of(record_names.card(CARD)),) and entry.card_key not in entry.earlier_keys


@pytest.mark.parametrize(
    ("sent", "at"),
    [
        ("2026-11-21T09:00:00Z", 1_795_251_600.0),
        ("2026-11-21T10:00:00.5+01:00", 1_795_251_600.5),
        ("2026-11-21T10:00:00.123456789+01:00", 1_795_251_600.123456),
        ("2026-11-21T09:00:00", 1_795_251_600.0),
    ],
)
async def test_times_of_every_form(sent: str, at: float) -> None:
    """Fractions, offsets, and no zone at all: then the client's, which is UTC here."""
    (report,) = (await taken(element(outcomeTimestamp=sent))).feedback.newest(1)
    assert report.at == pytest.approx(at)


MALFORMED: list[tuple[Any, str]] = [
    (element(card=None), "feedback[1].card"),
    (element(card=""), "feedback[1].card"),
    (element(card={"a": MARKER}), "feedback[1].card"),
    (element(outcome=None), "feedback[1].outcome"),
    (element(outcome=MARKER), "feedback[1].outcome"),
    (element(outcome=["accepted"]), "feedback[1].outcome"),
    (element(outcomeTimestamp=None), "feedback[1].outcomeTimestamp"),
    (element(outcomeTimestamp=MARKER), "feedback[1].outcomeTimestamp"),
    (element(outcomeTimestamp="2026-11"), "feedback[1].outcomeTimestamp"),
    (element(outcomeTimestamp=1_795_251_600), "feedback[1].outcomeTimestamp"),
    (element(acceptedSuggestions={"id": MARKER}), "feedback[1].acceptedSuggestions"),
    (element(acceptedSuggestions=[MARKER]), "feedback[1].acceptedSuggestions"),
    (element(acceptedSuggestions=[{"uuid": MARKER}]), "feedback[1].acceptedSuggestions"),
    (element(overrideReason=MARKER), "feedback[1].overrideReason"),
    (element(overrideReason={"reason": MARKER}), "feedback[1].overrideReason.reason"),
    (element(overrideReason={"reason": {"code": [MARKER]}}), "feedback[1].overrideReason.reason.code"),
    (element(overrideReasons=MARKER), "feedback[1].overrideReasons"),
    (element(overrideReasons=[MARKER]), "feedback[1].overrideReasons"),
    (MARKER, "feedback[1]"),
    (None, "feedback[1]"),
    ([MARKER], "feedback[1]"),
]


@pytest.mark.requirement("FB-9", "RSP-6", "SEC-17")
@pytest.mark.parametrize(("wrong", "name"), MALFORMED)
async def test_what_is_malformed_is_named_and_nothing_of_its_batch_is_taken(wrong: Any, name: str) -> None:
    """400 with an OperationOutcome that names the element and never its value; counted as refused."""
    gateway = FakeGateway()
    reply = await send(gateway.edge, element(), wrong)
    assert reply.status == 400
    assert reply.json()["issue"][0]["expression"] == [name]
    assert MARKER not in reply.everything()
    assert gateway.feedback.newest(9) == []
    assert gateway.meter.feedback == [("kidney-failure", "refused", "none")]
    assert gateway.meter.calls == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"{}", 400),
        (b'{"feedback":null}', 400),
        (b'{"feedback":{}}', 400),
        (b'{"feedback":[{]}', 400),
        (b'{"feedback":[' + b"[" * 100 + b"]" * 100 + b"]}", 400),
        (b'{"feedback":["\xff"]}', 400),
        (b'{"feedback":[]' + b" " * 100_000 + b"}", 413),
    ],
)
async def test_the_admission_of_a_hook_call_holds_here_too(body: bytes, status: int) -> None:
    """Size, depth, UTF-8, JSON; with CORS headers, and the reason where the client's developer looks for it."""
    house = House(options=EdgeOptions(max_body=100_000))
    reply = await ask(house.edge(), "POST", f"{PATH}/feedback", body, {**JSON, "origin": ORIGIN})
    assert reply.status == status
    assert reply.json()["resourceType"] == "OperationOutcome"
    assert reply.headers["access-control-allow-origin"] == ORIGIN
    assert house.reports == []


async def test_the_other_bounds_of_a_hook_call_hold_too() -> None:
    """415 for another type, 404 for an unknown service, 408 for a body that never ends."""
    house = House(options=EdgeOptions(read_timeout=0.01))
    assert (await ask(house.edge(), "POST", f"{PATH}/feedback", b"{}", {"content-type": "text/plain"})).status == 415
    assert (await send(house.edge(), element(), service="other")).status == 404
    slow = await ask(house.edge(), "POST", f"{PATH}/feedback", [b"{"], JSON, complete=False)
    assert slow.status == 408


async def test_a_service_with_several_hooks_has_one_feedback_endpoint() -> None:
    """It belongs to the id, as the cards' identities do."""
    house = House()
    assert (await send(house.edge(), element())).status == 200
    assert [report.service_id for report in house.reports] == ["kidney-failure"]


@pytest.mark.requirement("FB-2")
async def test_a_batch_of_the_largest_size_is_taken_in_turns() -> None:
    """27,000 elements fit into a body; other calls get their turn in between (law 1), and memory is bounded."""
    gateway = FakeGateway()
    one = msgspec.json.encode(element(card="x", outcome="accepted"))
    count = (2 * 1024 * 1024 - 20) // (len(one) + 1)
    body = b'{"feedback":[' + b",".join([one] * count) + b"]}"
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        beside = tasks.create_task(others())
        reply = await ask(gateway.edge, "POST", f"{PATH}/feedback", body, JSON)
        beside.cancel()
    assert reply.status == 200
    assert len(gateway.meter.feedback) == count
    assert turns > count // 200


@pytest.mark.requirement("FB-6")
async def test_what_cannot_be_kept_is_asked_for_again() -> None:
    """A full spool: 503 with Retry-After, counted as refused; the same batch is taken once there is room."""
    gateway = FakeGateway()
    gateway.feedback.full = True
    reply = await send(gateway.edge, element())
    assert reply.status == 503 and reply.headers["retry-after"] == "1"
    assert gateway.meter.feedback == [("kidney-failure", "refused", "none")]
    gateway.feedback.full = False
    assert (await send(gateway.edge, element())).status == 200
    assert [entry.card_key for entry in gateway.feedback.newest(9)] == [CARD_KEY]


async def test_one_client_cannot_fill_the_store() -> None:
    """Six thousand reports a minute on average; a larger batch is taken, and paid off before the next."""
    gateway = FakeGateway()
    times = [f"2026-11-21T09:{minute:02}:{second:02}Z" for minute in range(60) for second in range(60)]
    many = [element(outcomeTimestamp=at, outcome=how) for at in times for how in ("accepted", "overridden")]
    assert (await send(gateway.edge, *many)).status == 200
    assert (await send(gateway.edge, element())).status == 503
    gateway.clock.advance(12)
    assert (await send(gateway.edge, element())).status == 503
    gateway.clock.advance(1)
    assert (await send(gateway.edge, element())).status == 200
    assert len(gateway.feedback.newest(9999)) == 7200


def test_a_code_alone_is_a_reason_only_where_it_is_the_only_one() -> None:
    """Without its system, a code that two systems have says nothing."""
    gateway = FakeGateway()
    (release,) = gateway.catalog.services["kidney-failure"]["patient-view"].releases.values()
    reasons = release.card.override_reasons
    one = reasons[0]
    twin = msgspec.structs.replace(one, coding=msgspec.structs.replace(one.coding, system="https://other.example"))
    assert OfferedReasons(reasons).find(None, one.coding.code) is one
    assert OfferedReasons([*reasons, twin]).find(None, one.coding.code) is None
    assert OfferedReasons([*reasons, twin]).find(twin.coding.system, one.coding.code) is twin
    assert OfferedReasons(reasons).find(one.coding.system, None) is None
