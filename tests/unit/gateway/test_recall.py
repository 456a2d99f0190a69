"""What a call makes of earlier ones: cached score, notice, suppression, the answer to a repeat; and each with the store
down."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.fakes.asgi import JSON, Exchange, scope
from tests.fakes.charts import hook_body, lab, patient
from tests.fakes.config_tree import Edit, sound_config
from tests.fakes.gateway import FHIR, FakeGateway
from tests.fakes.hot import FlakyStore, memory
from tests.fakes.model import FakeModel, told_to_be
from wardgate.domain.errors import DeadlineExceeded
from wardgate.domain.inference.endpoint import Endpoint, ModelReply
from wardgate.domain.inference.prediction import ModelInputs
from wardgate.domain.outcomes import Mode, Reason
from wardgate.domain.rollout.rollouts import Rollout, Snapshot
from wardgate.gateway.proof import Proof

NOW = 1_795_251_600.0
CACHED = "fallback: [{cached: {max_age: 12h}}, none]\n"
NOTICE = "absence_means: screened_negative\n"
SUPPRESS = "suppress: {same: [user], for: 24h}\n"
_calls = iter(range(1, 1_000_000))


def gateway(folder: Path, *lines: str, edits: tuple[Edit, ...] = (), **options: Any) -> FakeGateway:
    """A service with these lines more, over a store in process."""
    config = sound_config(folder, service=(("deadline: 500ms\n", "deadline: 500ms\n" + "".join(lines)), *edits))
    return FakeGateway(config, now=NOW, site=options.pop("site", "hospital_a"), hot=memory, **options)


def body(
    egfr: float | None = 20.0, at: str = "2026-11-10T08:00:00Z", uacr: float | None = 900.0, **changes: Any
) -> dict[str, Any]:
    """A request with a hookInstance of its own."""
    labs = [lab(code, value, at) for code, value in (("33914-3", egfr), ("9318-7", uacr)) if value is not None]
    instance = f"00000000-0000-4000-9000-{next(_calls):012d}"
    return hook_body(patient(), labs, [], hookInstance=instance, **changes)


def store(house: FakeGateway) -> FlakyStore:
    assert isinstance(house.hot, FlakyStore)
    return house.hot


async def cards(house: FakeGateway, sent: dict[str, Any]) -> list[dict[str, Any]]:
    reply = await house.call(sent)
    assert reply.status == 200
    found: list[dict[str, Any]] = reply.json()["cards"]
    return found


def ended(house: FakeGateway) -> tuple[str, str, str]:
    """Outcome, reason and step of the newest call."""
    assert house.meter.faults == []
    return house.meter.calls[-1][4:]


# the cached score


async def test_the_last_score_stands_in_labelled_with_its_age_and_source(tmp_path: Path) -> None:
    """Law 6, at the head of the card; and never with anything that acts (law 10)."""
    house = gateway(tmp_path, CACHED)
    (fresh,) = await cards(house, body())
    house.clock.advance(47 * 60)
    house.model.broken = Reason.MODEL_TIMEOUT
    (card,) = await cards(house, body())
    assert card["summary"] == "Cached score, 47 min old: " + fresh["summary"]
    assert "Cached: computed 2026-11-21 09:00" in card["detail"] and "by kidney-failure 1.0.0" in card["detail"]
    assert "Inputs not checked" not in card["detail"]
    assert ended(house) == ("shown", "threshold_met", "cached")
    record = house.sink.newest(1)[0]
    assert (record.fallback_from, record.cache_age_s) == ("model_timeout", 47 * 60)


@pytest.mark.parametrize(
    "later",
    [
        {"egfr": 21.0},  # a correction at the same time
        {"at": "2026-11-11T08:00:00Z"},  # newer
        {"at": "2026-11-09T08:00:00Z"},  # the newest was withdrawn
        {"context": {"userId": "Practitioner/u1", "patientId": "p1", "encounterId": "e2"}},
        {"fhirServer": FHIR},
    ],
    ids=["corrected", "newer", "withdrawn", "encounter", "server"],
)
async def test_of_other_inputs_or_another_place_no_score_is_taken(tmp_path: Path, later: dict[str, Any]) -> None:
    """The call ends with what the model's failure was."""
    house = gateway(tmp_path, CACHED)
    await cards(house, body())
    house.model.broken = Reason.MODEL_ERROR
    assert await cards(house, body(**later)) == []
    assert ended(house) == ("unavailable", "model_error", "none")


@pytest.mark.parametrize("hours, step", [(12, "cached"), (12.01, "none")])
async def test_it_counts_for_its_time_and_no_longer(tmp_path: Path, hours: float, step: str) -> None:
    """`max_age`; at its very end it still counts."""
    house = gateway(tmp_path, CACHED)
    store(house).inner = memory(_Still())  # keeps for ever: the age alone decides
    await cards(house, body())
    house.clock.advance(hours * 3600)
    house.model.broken = Reason.MODEL_ERROR
    await cards(house, body())
    assert ended(house)[2] == step


class _Still:
    """A clock that never moves."""

    def now(self) -> float:
        return 0.0

    def monotonic(self) -> float:
        return 0.0


async def test_another_release_or_site_has_another_score(tmp_path: Path) -> None:
    """The release by its key, the site by the value."""
    house = gateway(tmp_path, CACHED)
    await cards(house, body())
    elsewhere = gateway(tmp_path, CACHED, site="hospital_b", model=FakeModel(broken=Reason.MODEL_ERROR))
    other = gateway(
        tmp_path, CACHED, edits=(('"missing(uacr)"', '"uacr < 0"'),), model=FakeModel(broken=Reason.MODEL_ERROR)
    )
    same = gateway(tmp_path, CACHED, model=FakeModel(broken=Reason.MODEL_ERROR))
    for house_of, count in ((elsewhere, 0), (other, 0), (same, 1)):
        store(house_of).inner = store(house).inner
        assert len(await cards(house_of, body())) == count


async def test_a_deferral_comes_before_the_ladder(tmp_path: Path) -> None:
    """The rules are asked of this call's inputs, and a deferral is final."""
    house = gateway(tmp_path, CACHED)
    await cards(house, body())
    house.model.broken = Reason.MODEL_ERROR
    await cards(house, body(uacr=None))
    assert ended(house) == ("deferred", "input_missing", "none")


async def test_what_could_not_be_read_needs_leave_and_is_said(tmp_path: Path) -> None:
    """`without_context`: the labs are out of reach, which is never the same as missing."""
    for leave in (True, False):
        ladder = CACHED.replace("12h", f"12h, without_context: {str(leave).lower()}")
        house = gateway(
            tmp_path,
            ladder,
            edits=(
                ("required_prefetch: [patient, labs]", "required_prefetch: [patient]"),
                ('population: "age >= 18 and egfr < 60"', 'population: "age >= 18"'),
                (
                    '  - {when: "age_of(egfr) > 180d", reason: input_stale, show: card}\n'
                    '  - {when: "missing(uacr)", reason: input_missing, show: card}\n',
                    '  - {when: "missing(uacr)", reason: input_missing, show: card}\n',
                ),
            ),
        )
        await cards(house, body())
        sent = body()
        del sent["prefetch"]["labs"]
        found = await cards(house, sent)
        if leave:
            (card,) = found
            assert "Inputs not checked: eGFR and UACR could not be read now" in card["detail"]
            assert ended(house) == ("shown", "threshold_met", "cached")
        else:
            assert found == [] and ended(house) == ("unavailable", "context_unavailable", "none")


async def test_a_proof_that_failed_casts_doubt_on_the_last_score(tmp_path: Path) -> None:
    """Another model answers under this one's name, and since when is not known (law 2); one that is only out of reach
    said what it said."""
    for reason, count in ((Reason.PROBE_FAILED, 0), (Reason.PROBE_PENDING, 1)):
        house = gateway(tmp_path, CACHED)
        await cards(house, body())
        house.model.broken = reason
        assert len(await cards(house, body())) == count


async def test_a_newer_score_replaces_an_older_one_also_where_nothing_was_shown(tmp_path: Path) -> None:
    """What was high an hour ago and is low now must not come back as high."""
    house = gateway(tmp_path, CACHED)
    await cards(house, body())
    house.model.function = lambda *inputs: 0.01
    assert await cards(house, body()) == []
    house.model.broken = Reason.MODEL_ERROR
    assert await cards(house, body()) == []
    assert ended(house) == ("below_threshold", "below_threshold", "cached")


async def test_a_score_that_a_rule_on_outputs_would_defer_gives_way(tmp_path: Path) -> None:
    """Too close to the threshold to say: not an answer, so not a cached one either."""
    house = gateway(tmp_path, CACHED, model=FakeModel(function=lambda *inputs: 0.105))
    await cards(house, body())
    house.model.broken = Reason.MODEL_ERROR
    assert await cards(house, body()) == []
    assert ended(house) == ("unavailable", "model_error", "none")


async def test_neither_key_nor_value_holds_anything_of_the_patient(tmp_path: Path) -> None:
    """Law 4: no id, no value and no time of the chart in the store; nor in the faults."""
    house = gateway(tmp_path, CACHED, NOTICE, SUPPRESS)
    sent = body(context={"userId": "Practitioner/zebulon", "patientId": "p1", "encounterId": "cassandra"})
    await cards(house, sent)
    written = store(house).written
    assert len(written) == 3
    whole = b"|".join(key + b"|" + value for key, value, _ in written)
    for secret in (
        b"zebulon",
        b"cassandra",
        b"Patient/p1",
        b'"p1"',
        b"2026-11",
        sent["hookInstance"].encode(),
        b"Kidney",
        b"egfr",
    ):
        assert secret not in whole
    kept = next(value for key, value, _ in written if key.startswith(b"score:"))
    decoded = msgspec.msgpack.decode(kept)
    assert decoded[2] == NOW and all(len(each) == 8 for each in decoded[5])


# the notice


async def test_silence_says_so_where_it_would_mean_screened_and_negative(tmp_path: Path) -> None:
    """Once in `notice_every` for the same user and patient; another user is told; a retry is told again."""
    house = gateway(tmp_path, NOTICE, model=FakeModel(broken=Reason.MODEL_TIMEOUT))
    told = []
    for wait, user in ((0, "u1"), (9, "u1"), (2, "u1"), (1, "u2"), (580, "u1"), (10, "u1")):
        house.clock.advance(wait)
        sent = body(context={"userId": f"Practitioner/{user}", "patientId": "p1"})
        told.append(len(await cards(house, sent)))
        assert ended(house) == ("unavailable", "model_timeout", "none")
    assert told == [1, 1, 0, 1, 0, 1]
    records = house.sink.newest(6)
    assert sorted(record.visible for record in records) == [False, False, True, True, True, True]


async def test_a_notice_says_why_and_that_it_is_no_result(tmp_path: Path) -> None:
    """And carries nothing else: no score, no action, no reason to override."""
    house = gateway(tmp_path, NOTICE, model=FakeModel(broken=Reason.MODEL_UNREACHABLE))
    (card,) = await cards(house, body())
    assert card["summary"].startswith("Not available at the moment")
    assert "No score does not mean low risk." in card["detail"]
    assert not {"suggestions", "overrideReasons", "selectionBehavior"} & card.keys()


@pytest.mark.parametrize("error, reason", [(DeadlineExceeded, "deadline"), (ZeroDivisionError, "internal")])
async def test_a_call_that_was_cut_off_says_so_as_well(tmp_path: Path, error: type[Exception], reason: str) -> None:
    """Its time was up, or it broke in a way that no table expected: recorded, and told."""
    house = gateway(tmp_path, NOTICE)

    def broken(*inputs: float) -> float:
        raise error

    house.model.function = broken
    (card,) = await cards(house, body())
    assert card["summary"].startswith("Not available at the moment")
    assert house.meter.calls[-1][4:] == ("unavailable", reason, "none")
    assert house.sink.newest(1)[0].visible


@pytest.mark.parametrize("lowered", [Mode.OFF, Mode.SHADOW, Mode.SILENT])
async def test_a_call_that_breaks_while_its_service_is_lowered_is_silent(tmp_path: Path, lowered: Mode) -> None:
    """Down is one step (law 3), also for a notice; what was noted before the change does not count."""
    house = gateway(tmp_path, NOTICE)

    def lower(*inputs: float) -> float:
        house.mode(lowered)
        raise ZeroDivisionError

    house.model.function = lower
    assert await cards(house, body()) == []
    assert house.meter.calls[-1][4:] == ("unavailable", "internal", "none")


async def test_nobody_is_told_who_would_see_no_card(tmp_path: Path) -> None:
    """Silent, a site that is not known, a user outside of the audience."""
    broken = FakeModel(broken=Reason.MODEL_UNREACHABLE)
    silent = gateway(tmp_path, NOTICE, model=broken)
    silent.mode(Mode.SILENT)
    nowhere = gateway(tmp_path, NOTICE, model=broken, site=None)
    assert await cards(silent, body()) == [] and await cards(nowhere, body()) == []
    assert silent.sink.newest(1)[0].card_uuids != () and not silent.sink.newest(1)[0].visible
    strangers = gateway(tmp_path, NOTICE, "audience: [Patient]\n", model=broken)
    assert await cards(strangers, body()) == []


async def test_without_absence_means_there_is_no_notice(tmp_path: Path) -> None:
    """The default: no card means nothing."""
    house = gateway(tmp_path, "absence_means: nothing\n", model=FakeModel(broken=Reason.MODEL_UNREACHABLE))
    assert await cards(house, body()) == []


# suppression


async def test_a_card_is_not_shown_twice_but_to_another_user(tmp_path: Path) -> None:
    """Handover: the next clinician sees it. A retry within ten seconds sees it again, and does not prolong anything."""
    house = gateway(tmp_path, SUPPRESS)
    shown = []
    for wait, user in ((0, "u1"), (9, "u1"), (2, "u1"), (60, "u2"), (60, "u1"), (86_400, "u1")):
        house.clock.advance(wait)
        sent = body(context={"userId": f"Practitioner/{user}", "patientId": "p1"})
        shown.append((len(await cards(house, sent)), ended(house)[0]))
    assert [count for count, _ in shown] == [1, 1, 0, 1, 0, 1]
    assert [outcome for count, outcome in shown if not count] == ["suppressed", "suppressed"]
    assert house.sink.newest(2)[1].score is not None


async def test_a_worse_band_a_new_encounter_and_a_new_release_are_shown(tmp_path: Path) -> None:
    """And a milder band is not, unless the band is named."""
    house = gateway(tmp_path, SUPPRESS)
    house.model.function = lambda *inputs: 0.15
    assert len(await cards(house, body())) == 1
    house.clock.advance(60)
    house.model.function = lambda *inputs: 0.30
    assert len(await cards(house, body())) == 1
    house.clock.advance(60)
    house.model.function = lambda *inputs: 0.15
    assert await cards(house, body()) == []
    elsewhere = {"userId": "Practitioner/u1", "patientId": "p1", "encounterId": "e9"}
    assert len(await cards(house, body(context=elsewhere))) == 1

    other = gateway(tmp_path, SUPPRESS.replace("user", "user, band"))
    store(other).inner = store(house).inner
    other.clock.advance(120)
    other.model.function = lambda *inputs: 0.30
    assert len(await cards(other, body())) == 1, "another digest is another release"
    other.clock.advance(60)
    other.model.function = lambda *inputs: 0.15
    assert len(await cards(other, body())) == 1, "the band is named, so a milder one is another card"


async def test_a_fresh_score_is_shown_after_a_cached_one_and_not_the_other_way_round(tmp_path: Path) -> None:
    """Only what said at least as much suppresses: a fresh card may act, a cached one never."""
    house = gateway(tmp_path, CACHED, SUPPRESS)
    await cards(house, body())
    house.clock.advance(60)
    house.model.broken = Reason.MODEL_ERROR
    assert await cards(house, body()) == [] and ended(house) == ("suppressed", "repeated", "cached")
    later = {"userId": "Practitioner/u2", "patientId": "p1"}
    assert len(await cards(house, body(context=later))) == 1
    house.model.broken = None
    house.clock.advance(60)
    assert len(await cards(house, body(context=later))) == 1 and ended(house)[2] == "model"


async def test_only_what_was_shown_leaves_a_mark(tmp_path: Path) -> None:
    """Not what was silent, and not what could not be recorded."""
    house = gateway(tmp_path, SUPPRESS)
    house.mode(Mode.SILENT)
    await cards(house, body())
    house.mode(Mode.ACTIVE)
    house.clock.advance(60)
    house.sink.full = True
    assert await cards(house, body()) == []
    house.sink.full = False
    house.clock.advance(60)
    assert len(await cards(house, body())) == 1


async def test_a_card_that_nobody_waited_for_leaves_no_mark(tmp_path: Path) -> None:
    """An EHR has less patience than the deadline, say: its card has been shown to nobody, and must come later. So it is
    with a notice."""
    for lines, broken in ((SUPPRESS, None), (NOTICE, Reason.MODEL_ERROR)):
        house = gateway(tmp_path, lines)
        house.model.broken = broken
        sent = Exchange([msgspec.json.encode(body())], gone=True)
        await house.edge(scope("POST", "/cds-services/kidney-failure", JSON), sent.receive, sent.send)
        assert ended(house)[0] == ("unavailable" if broken else "shown")
        for wait, count in ((60, 1), (60, 0)):
            house.clock.advance(wait)
            assert len(await cards(house, body())) == count


async def test_a_user_who_is_not_known_is_shown_everything(tmp_path: Path) -> None:
    """Whether she has seen it cannot be told."""
    house = gateway(tmp_path, SUPPRESS, edits=(("hook: patient-view", "hook: com.example.ward"),))
    for _ in range(2):
        house.clock.advance(60)
        assert len(await cards(house, body(hook="com.example.ward", context={"patientId": "p1"}))) == 1


# the answer to a repeat


async def test_the_same_request_gets_the_same_answer_and_costs_nothing(tmp_path: Path) -> None:
    """Byte for byte, for a minute; the record names the decision that it repeats."""
    house = gateway(tmp_path)
    sent = body()
    first = await house.call(sent)
    house.clock.advance(59)
    second = await house.call(sent)
    assert second.body == first.body and first.json()["cards"] and len(house.model.asked) == 1
    newest, before = house.sink.newest(2)
    assert newest.repeats == before.decision_id and newest.visible and newest.card_uuids == before.card_uuids
    house.clock.advance(2)
    third = await house.call(sent)
    assert third.json()["cards"][0]["uuid"] != first.json()["cards"][0]["uuid"]


async def test_the_same_hook_instance_with_another_body_is_a_new_call(tmp_path: Path) -> None:
    """Nothing is said of the first one's patient or values."""
    house = gateway(tmp_path)
    sent = body()
    first = await house.call(sent)
    changed = {**sent, "prefetch": body(egfr=12.0)["prefetch"]}
    assert (await house.call(changed)).body != first.body
    assert (await house.call({**sent, "extension": {"x": 1}})).json()["cards"] and len(house.model.asked) == 3


@pytest.mark.parametrize("lowered", [Mode.OFF, Mode.SILENT])
async def test_a_repeat_obeys_the_newest_rollout(tmp_path: Path, lowered: Mode) -> None:
    """Down is one step (law 3)."""
    house = gateway(tmp_path)
    sent = body()
    assert await cards(house, sent)
    house.mode(lowered)
    assert await cards(house, sent) == []


@pytest.mark.parametrize("lowered", [Mode.OFF, Mode.SHADOW, Mode.SILENT])
async def test_a_repeat_obeys_the_rollout_of_whoever_is_asked(tmp_path: Path, lowered: Mode) -> None:
    """Also of a process that was started again, or a worker that replaced another: its count of epochs begins anew, and
    what stands in the shared store has the same number as its own."""
    before, after = gateway(tmp_path), gateway(tmp_path)
    store(after).inner = store(before).inner
    sent = body()
    assert await cards(before, sent)
    after.mode(lowered)
    after.snapshots.snapshot = Snapshot(1, after.snapshots.snapshot.rollouts)
    assert await cards(after, sent) == []


@pytest.mark.parametrize("proof", [Proof.FAILED, Proof.PENDING])
async def test_a_repeat_obeys_a_proof_that_was_lost(tmp_path: Path, proof: Proof) -> None:
    """A score is shown only while the endpoint proves that it runs the pinned model (law 2): its answer may be the
    other model's."""
    house = gateway(tmp_path)
    sent = body()
    assert await cards(house, sent)
    for model in house.proven.values():
        told_to_be(model, proof)
    found = await cards(house, sent)
    assert (len(found), ended(house)[1]) == (0, str(proof))


async def test_a_repeat_obeys_whoever_took_the_model_out_of_use(tmp_path: Path) -> None:
    """Who isolates a circuit does not want its scores, those of a minute ago included."""
    house = gateway(tmp_path)
    sent = body()
    assert await cards(house, sent)
    house.isolated = True
    assert await cards(house, sent) == []


async def test_a_replica_answers_a_repeat_of_another_ones_call(tmp_path: Path) -> None:
    """Through the store that they share; its own model is not asked."""
    first = gateway(tmp_path)
    second = gateway(tmp_path)
    store(second).inner = store(first).inner
    sent = body()
    assert (await second.call(sent)).body == (await first.call(sent)).body != b'{"cards":[]}'
    assert len(first.model.asked) + len(second.model.asked) == 1


async def test_what_was_unavailable_is_tried_anew(tmp_path: Path) -> None:
    """A retry after a failure is what a retry is for."""
    house = gateway(tmp_path, model=FakeModel(broken=Reason.MODEL_ERROR))
    sent = body()
    assert await cards(house, sent) == []
    house.model.broken = None
    assert len(await cards(house, sent)) == 1


async def test_twins_share_one_answer(tmp_path: Path) -> None:
    """The second arrives while the first is being computed, and waits for it; another body does not."""
    house = gateway(tmp_path)
    sent = body()
    changed = {**sent, "prefetch": body(egfr=12.0)["prefetch"]}
    first, second, other = await asyncio.gather(house.call(sent), house.call(sent), house.call(changed))
    assert first.body == second.body != other.body and len(house.model.asked) == 2
    assert {record.repeats is None for record in house.sink.newest(3)} == {True, False}


async def test_a_twin_of_a_call_that_fails_goes_its_own_way(tmp_path: Path) -> None:
    """It waits for half of its time at most, and then asks itself; by a real clock."""
    sent = body()
    hung = asyncio.Event()

    class HangsOnce(FakeModel):
        async def infer(
            self,
            endpoint: Endpoint,
            inputs: ModelInputs,
            timeout: float,
            oldest: int = 0,
            traceparent: str | None = None,
        ) -> ModelReply:
            self.asked.append(inputs.values)
            if len(self.asked) == 1:
                await hung.wait()
            return await super().infer(endpoint, inputs, timeout)

    house = gateway(tmp_path, model=HangsOnce())
    first, second = await asyncio.gather(house.call(sent), house.call(sent))
    assert len(second.json()["cards"]) == 1 and first.json()["cards"] == []


# the store


async def test_with_the_store_down_every_call_is_computed_and_every_card_shown(tmp_path: Path) -> None:
    """No repeat is known, no score is cached, no card suppressed, every notice given."""
    house = gateway(tmp_path, CACHED, NOTICE, SUPPRESS)
    sent = body()
    await cards(house, sent)
    store(house).down = True
    house.clock.advance(20)
    assert len(await cards(house, sent)) == 1 and len(house.model.asked) == 2
    assert len(await cards(house, body())) == 1 and ended(house)[0] == "shown"
    house.model.broken = Reason.MODEL_ERROR
    for _ in range(2):
        house.clock.advance(20)
        (card,) = await cards(house, body())
        assert card["summary"].startswith("Not available") and ended(house)[0] == "unavailable"


async def test_a_store_that_breaks_or_holds_rubbish_fails_no_call(tmp_path: Path) -> None:
    """A fault is noted, and the call goes on as if nothing were there."""
    house = gateway(tmp_path, CACHED, NOTICE, SUPPRESS)
    await cards(house, body())
    inner = store(house)
    for key, value, ttl in list(inner.written):
        for rubbish in (b"", b"\x00", value[:-1], value + b"x", b"\xc1" * 40):
            inner.inner.write(key, rubbish, ttl)
            house.clock.advance(20)
            assert len(await cards(house, body())) <= 1
    assert house.meter.faults == []

    async def broken(keys: object) -> None:
        raise ConnectionResetError("Maria Muster")

    inner.read = broken  # type: ignore[method-assign]
    assert len(await cards(house, body())) == 1
    assert house.meter.faults == [("recall", "ConnectionResetError")]


async def test_one_read_serves_all_and_a_service_that_shows_nothing_pays_for_none(tmp_path: Path) -> None:
    """Answer, score, mark and notice together; none in off and shadow."""
    house = gateway(tmp_path, CACHED, NOTICE, SUPPRESS)
    await cards(house, body())
    assert store(house).reads == 1
    for mode in (Mode.OFF, Mode.SHADOW):
        house.mode(mode)
        await cards(house, body())
    assert store(house).reads == 1


async def test_an_operators_change_ends_repeats_and_nothing_else(tmp_path: Path) -> None:
    """A new epoch of the same rollout: computed anew, with the cached score still there."""
    house = gateway(tmp_path, CACHED)
    sent = body()
    await cards(house, sent)
    old = house.snapshots.snapshot
    house.snapshots.snapshot = Snapshot(
        old.epoch + 1, {"kidney-failure": Rollout(old.rollouts["kidney-failure"].champion, Mode.ACTIVE)}
    )
    house.model.broken = Reason.MODEL_ERROR
    assert len(await cards(house, sent)) == 1 and ended(house)[2] == "cached"
