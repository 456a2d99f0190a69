"""Rollouts over the admin API: what comes back for what, and to whom."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.archive_rows import card_key, decision
from tests.fakes.asgi import Reply, ask
from tests.fakes.principals import calls
from tests.fakes.rollout_house import ONE, SERVICE, TWO, House
from tests.fakes.rollout_stores import FakeReplicas
from tests.fakes.snapshots import replica
from wardgate.adapters.sql.archive import SqlArchive
from wardgate.adapters.sql.sqlite import Sqlite
from wardgate.control.askers import CODES, Asker
from wardgate.control.confirmation import effect_of
from wardgate.control.drills import DrillDesk, Drilled, DrillOptions
from wardgate.control.replicas import ReplicaDesk
from wardgate.domain.admin_tokens import Role
from wardgate.domain.durable import SqlitePlace
from wardgate.domain.outcomes import Mode
from wardgate.domain.rollout.rollouts import Cohort, Rollout, Snapshot
from wardgate.records.archive import ArchiveUnavailable, Trouble
from wardgate.records.impact import Impact, ServiceImpact
from wardgate.records.watch import WatchDesk, Watched
from wardgate.web.admin import AdminPorts, Circuit, Principal, RolloutPorts, admin_app
from wardgate.web.asgi import ASGIApp

VERSIONS = {ONE: "1.0.0", TWO: "1.1.0"}
OPERATOR = Principal("olga/0000000000aa", frozenset({Role.OPERATOR, Role.VIEWER}))
VIEWER = Principal("vera/0000000000dd", frozenset({Role.VIEWER}))
OTHER = Principal("omar/0000000000bb", frozenset({Role.OPERATOR, Role.VIEWER}))
ADMIN = Principal("ada/0000000000cc", frozenset({Role.ADMIN, Role.VIEWER}))


class Names:
    def digest(self, service: str, name: str) -> str | None:
        found = [digest for digest, version in VERSIONS.items() if version == name or digest.startswith(name)]
        return found[0] if len(found) == 1 else None

    def version(self, service: str, digest: str) -> str | None:
        return VERSIONS.get(digest)

    def services(self) -> list[str]:
        return [SERVICE]

    def sites(self) -> list[str]:
        return ["hospital_a"]


class Scene:
    def __init__(self, folder: Path) -> None:
        self.house = House(folder)
        self.archive = SqlArchive(Sqlite(SqlitePlace(str(folder / "records.db"))), card_key)
        self.replicas = FakeReplicas(replica("a", 1))
        self.impact = Impact(0.0, 120, False, {SERVICE: ServiceImpact(120, 12, 0)})
        self.met: list[Sequence[str]] = []
        self.archive_down = False
        self.who = OPERATOR
        ports = RolloutPorts(
            self.house.desk,
            Names(),
            lambda epoch: effect_of(epoch, self.replicas.all(), 0.0, 30.0),
            ReplicaDesk(
                self.replicas,
                self.house.desk.settling,
                self.house.desk.permits,
                self.house.decided.last_seen,
                lambda: 30.0,
            ),
            lambda users: frozenset(f"user:{number}" for number, _ in enumerate(users)),
            self._impact,
            self._drill,
            self._watch,
        )
        nothing: Any = None
        self._ports = AdminPorts(
            calls(None), lambda: True, nothing, nothing, nothing, nothing, nothing, nothing, rollouts=ports
        )

    def _drill(self, asker: Asker, service: str) -> Drilled:
        desk = DrillDesk(
            self.house.decided,
            self.house.desk,
            self.house.desk.permits,
            self.house.audit.trail,
            lambda service, release: self.house.unproven,
            lambda epoch: effect_of(epoch, self.replicas.all(), 0.0, 30.0),
            lambda: self.house.now,
            time.monotonic,
            lambda: "00000000-0000-4000-8000-0000000000ff",
            lambda seconds: None,
            DrillOptions(wait=0.0),
        )
        return desk.drill(asker, service)

    def _watch(self, service: str, epoch: int, at: float, who: str) -> Watched:
        desk = WatchDesk(self.archive, lambda: self.house.now, lambda: frozenset(), self.house.decided.at)
        return desk.of(service, epoch, at, who)

    def _impact(self, before: Snapshot, after: Snapshot, services: Sequence[str], who: str) -> Impact:
        if self.archive_down:
            raise ArchiveUnavailable(Trouble.DOWN)
        self.met.append(services)
        return self.impact

    async def ask(self, method: str, path: str, body: Any = None, etag: str | None = None) -> Reply:
        app: Any = admin_app(replace(self._ports, principal=calls(self.who)))
        made: ASGIApp = app
        headers = {"content-type": "application/json"} | ({} if etag is None else {"if-match": f'"{etag}"'})
        sent = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        return await ask(made, method, f"/admin/v1{path}", sent, headers)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.archive.close()
    made.house.audit.close()


def said(reply: Reply) -> Any:
    return json.loads(reply.body)


async def test_a_rollout_is_seen_with_its_etag(scene: Scene) -> None:
    reply = await scene.ask("GET", f"/rollout/{SERVICE}")
    assert reply.status == 200 and reply.headers["etag"] == f'"{scene.house.etag}"'
    assert said(reply)["champion"] == {"version": "1.0.0", "digest": ONE} and said(reply)["mode"] == "silent"
    everything = said(await scene.ask("GET", "/rollout"))
    assert [each["service"] for each in everything["services"]] == [SERVICE] and everything["epoch"] == 1
    assert (await scene.ask("GET", "/rollout/other")).status == 404


async def test_a_lowering_is_done_and_its_effect_told(scene: Scene) -> None:
    reply = await scene.ask("PATCH", f"/rollout/{SERVICE}", {"mode": "off", "reason": "alert_rate"})
    assert reply.status == 200 and scene.house.rollout.mode is Mode.OFF
    assert said(reply)["effect"] == {"epoch": 2, "verified": False, "done": [], "silent": [], "waiting": ["host/a"]}
    assert reply.headers["etag"] == f'"{scene.house.etag}"'
    scene.replicas.beat(replica("a", 2))
    assert said(await scene.ask("GET", "/effect/2"))["verified"] is True


async def test_a_raise_takes_an_admin_the_state_and_the_gates(scene: Scene) -> None:
    wanted = {"mode": "canary", "cohort": {"sites": ["hospital_a"], "percent": 5}, "reason": "promotion"}
    place, etag = f"/rollout/{SERVICE}", scene.house.etag
    assert (await scene.ask("PATCH", place, wanted, etag)).status == 403
    scene.who = ADMIN
    assert (await scene.ask("PATCH", place, wanted)).status == 428
    assert (await scene.ask("PATCH", place, wanted, "0" * 16)).status == 412
    scene.house.failing_gates = ["shadow_days"]
    refused = await scene.ask("PATCH", place, wanted, etag)
    assert refused.status == 409 and said(refused)["gates"] == [f"{SERVICE}: shadow_days: needs more, found less"]
    assert refused.headers["content-type"] == "application/problem+json" and said(refused)["code"] == "gates"
    scene.house.failing_gates = []
    done = await scene.ask("PATCH", place, wanted, etag)
    assert done.status == 200 and "mode" in said(done)["raised"]
    assert scene.house.rollout.cohort == Cohort(sites=frozenset({"hospital_a"}), percent=5.0)


async def test_a_dry_run_changes_nothing_and_says_what_would_stand_in_the_way(scene: Scene) -> None:
    scene.who, scene.house.failing_gates = ADMIN, ["approvals"]
    reply = await scene.ask("PATCH", f"/rollout/{SERVICE}?dry_run=true", {"mode": "active"}, scene.house.etag)
    told = said(reply)
    assert reply.status == 200 and scene.house.epoch == 1 and told["dry_run"] is True
    assert told["impact"]["services"][SERVICE]["shown_before"] == 12
    assert told["gates"] == [f"{SERVICE}: approvals: needs more, found less"]
    assert told["rollout"]["mode"] == "active" and scene.house.said() == []


async def test_fields_are_taken_away_with_null_and_kept_where_they_are_not_sent(scene: Scene) -> None:
    scene.house.decide(Rollout(ONE, Mode.CANARY, Cohort(percent=5.0), shadows=(TWO,), salt="s"))
    reply = await scene.ask("PATCH", f"/rollout/{SERVICE}", {"cohort": None})
    assert reply.status == 200 and scene.house.rollout == Rollout(
        ONE, Mode.CANARY, None, shadows=(TWO,), salt="s", by_people=True
    )


PREVIEW = {"preview": ["Practitioner/123"], "reason": "training"}


async def test_preview_users_are_kept_as_pseudonyms_alone(scene: Scene) -> None:
    scene.who = ADMIN
    reply = await scene.ask("PATCH", f"/rollout/{SERVICE}", PREVIEW, scene.house.etag)
    assert reply.status == 200 and said(reply)["rollout"]["preview_users"] == 1
    assert scene.house.rollout.preview == {"user:0"} and "123" not in reply.body.decode()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"mode": "on"},
        {"mode": None},
        {"mode": "off", "more": 1},
        {"mode": "off", "Mrs Smith": 1},
        {"cohort": {"percent": 5, "Mrs Smith": 1}},
        {"mode": "off", "reason": "Mrs Smith asked"},
        {"cohort": {"percent": 0}},
        {"cohort": {"percent": "five"}},
        {"expires": {"at": "tomorrow"}},
        {"expires": {"at": "2026-11-30T06:00:00"}},
        {"preview": ["Mrs Smith"]},
        {"ticket": "Mrs Smith", "mode": "off"},
    ],
    ids=range(13),
)
async def test_what_cannot_be_meant_is_refused_without_an_echo(scene: Scene, body: Mapping[str, Any]) -> None:
    reply = await scene.ask("PATCH", f"/rollout/{SERVICE}", body)
    assert reply.status == 422 and scene.house.epoch == 1
    assert b"Smith" not in reply.body and b"tomorrow" not in reply.body


async def test_a_release_is_named_by_version_or_the_beginning_of_its_digest(scene: Scene) -> None:
    scene.who = ADMIN
    for name in ("1.1.0", TWO, TWO[:71]):
        body = {"champion": name, "reason": "promotion"}
        reply = await scene.ask("PATCH", f"/rollout/{SERVICE}", body, scene.house.etag)
        assert (reply.status, scene.house.rollout.champion) == (200, TWO)
    for name in ("9.9.9", "sha256:0"):
        assert (await scene.ask("PATCH", f"/rollout/{SERVICE}", {"champion": name}, scene.house.etag)).status == 404


async def test_a_kill_is_set_listed_and_lifted(scene: Scene) -> None:
    body = {"scope": "service", "name": SERVICE, "reason": "alert_rate"}
    tried = await scene.ask("POST", "/kills?dry_run=true", body)
    assert said(tried)["impact"]["calls"] == 120 and scene.house.epoch == 1 and scene.met == [[SERVICE]]
    scene.archive_down = True
    tried = await scene.ask("POST", "/kills?dry_run=true", body)
    assert tried.status == 200 and "does not answer" in said(tried)["impact_unknown"]
    set_ = said(await scene.ask("POST", "/kills", body))
    assert set_["kill"]["name"] == SERVICE and set_["stored"] is True
    listed = said(await scene.ask("GET", "/kills"))["kills"]
    assert [each["id"] for each in listed] == [set_["kill"]["id"]]
    place = f"/kills/{set_['kill']['id']}/lift"
    assert (await scene.ask("POST", place, {"reason": "fixed"})).status == 403
    scene.who = OTHER
    assert (await scene.ask("POST", place, {"reason": "fixed"})).status == 200
    assert (await scene.ask("POST", place, {"reason": "fixed"})).status == 409


async def test_all_is_confirmed_in_the_body(scene: Scene) -> None:
    assert (await scene.ask("POST", "/kills", {"scope": "all"})).status == 422
    assert (await scene.ask("POST", "/kills", {"scope": "all", "name": "x", "confirm": "all"})).status == 422
    assert (await scene.ask("POST", "/kills", {"scope": "all", "confirm": "all"})).status == 200


@pytest.mark.parametrize("down", [False, True], ids=["store up", "store down"])
@pytest.mark.parametrize(
    ("scope", "typed", "meant"),
    [("service", "kidny-failure", SERVICE), ("site", "hospital-a", "hospital_a"), ("release", "1.0.9", "1.0.0")],
)
async def test_a_kill_of_what_is_not_there_stops_nothing_and_says_so(
    scene: Scene, scope: str, typed: str, meant: str, down: bool
) -> None:
    """A slip at 03:00: done would be the wrong answer. And what is meant is stopped, whether the store is there."""
    scene.house.store.down = down
    refused = await scene.ask("POST", "/kills", {"scope": scope, "name": typed})
    assert refused.status == 404 and typed not in refused.everything() and not scene.house.hot.ceilings
    if scope != "release":
        assert meant in refused.everything()
    assert (await scene.ask("POST", "/kills", {"scope": scope, "name": meant})).status == (202 if down else 200)
    assert len(scene.house.hot.ceilings) == 1


async def test_a_kill_while_the_store_is_away_is_accepted(scene: Scene) -> None:
    """Not settled, and in force."""
    scene.house.store.down = True
    reply = await scene.ask("POST", "/kills", {"scope": "all", "confirm": "all"})
    assert reply.status == 202 and said(reply)["stored"] is False and len(scene.house.hot.ceilings) == 1
    assert said(reply)["trouble"] == "it is away"
    assert (await scene.ask("GET", "/kills")).status == 200
    for name in ("1.0.0", "sha256:" + "e" * 64):
        killed = await scene.ask("POST", "/kills", {"scope": "release", "name": name})
        assert killed.status == 202 and said(killed)["kill"]["name"] in (ONE, name)
    assert (await scene.ask("GET", f"/rollout/{SERVICE}")).headers["etag"] == f'"{scene.house.etag}"'
    lowered = await scene.ask("PATCH", f"/rollout/{SERVICE}", {"mode": "off"}, scene.house.etag)
    assert lowered.status == 202 and said(lowered)["heard"] == ["here", "shared"]
    scene.house.here.seen = scene.house.hot.snapshot = None
    assert (await scene.ask("POST", "/kills", {"scope": "release", "name": ONE})).status == 202
    assert (await scene.ask("PATCH", f"/rollout/{SERVICE}", {"cohort": None})).status == 503


async def test_a_kill_that_is_done_is_told_to_be_done_where_nobody_can_say_who_obeys(scene: Scene) -> None:
    scene.replicas.down = True
    reply = await scene.ask("POST", "/kills", {"scope": "service", "name": SERVICE})
    assert reply.status == 200 and said(reply)["stored"] is True
    assert said(reply)["effect"] == {"epoch": 2, "verified": False, "done": [], "silent": [], "waiting": []}


async def test_rollback_and_put_back(scene: Scene) -> None:
    scene.house.decide(Rollout(ONE, Mode.ACTIVE, salt="s"))
    scene.house.decide(Rollout(TWO, Mode.ACTIVE, salt="s"))
    reply = await scene.ask("POST", f"/rollout/{SERVICE}/rollback", {"reason": "alert_rate"})
    assert reply.status == 200 and said(reply)["rollout"]["champion"]["version"] == "1.0.0"
    scene.house.unproven = "model_unreachable"
    refused = await scene.ask("POST", f"/rollout/{SERVICE}/rollback", {"to": "1.1.0"})
    assert refused.status == 409 and said(refused)["code"] == "proof"
    await scene.ask("PATCH", f"/rollout/{SERVICE}", {"mode": "off"})
    assert (await scene.ask("POST", f"/rollout/{SERVICE}/put-back", {})).status == 403
    scene.who = OTHER
    unsaid = await scene.ask("POST", f"/rollout/{SERVICE}/put-back", {})
    assert (unsaid.status, said(unsaid)["code"], said(unsaid)["codes"]) == (422, "reason", list(CODES))
    assert (await scene.ask("POST", f"/rollout/{SERVICE}/put-back", {"reason": "mistake"})).status == 200
    changes = said(await scene.ask("GET", f"/rollout/{SERVICE}/history"))["changes"]
    assert [each["what"] for each in changes[:3]] == ["put_back", "rollout.change", "rollback"]


async def test_replicas_are_listed_and_a_rewound_store_confirmed(scene: Scene) -> None:
    scene.replicas.clock = 0.0  # they were heard of just now
    scene.replicas.beat(replica("b", 41, config="sha256:other"))
    told = said(await scene.ask("GET", "/replicas"))
    assert [each["name"] for each in told["replicas"]] == ["host/a", "host/b"] and told["same_files"] is False
    assert (await scene.ask("POST", "/confirm", {})).status == 403
    scene.who, scene.house.highest = ADMIN, 41
    assert said(await scene.ask("POST", "/confirm", {"reason": "restored"}))["epoch"] == 42


async def test_a_store_that_was_emptied_or_moved_away_is_told_wherever_somebody_looks(scene: Scene) -> None:
    """Replicas have seen more than it has: nothing there is what was decided."""
    assert said(await scene.ask("GET", "/rollout"))["beyond"] == 0
    scene.house.store.kept.clear()
    scene.house.highest = 7
    for path in ("/rollout", "/kills"):
        told = said(await scene.ask("GET", path))
        assert (told["stored"], told["epoch"], told["beyond"]) == (True, 0, 7), path
    history = await scene.ask("GET", f"/rollout/{SERVICE}/history")
    assert history.status == 503 and "older than what replicas have seen" in said(history)["detail"]


async def test_a_replica_that_is_gone_is_forgotten_and_one_that_is_there_is_not(scene: Scene) -> None:
    scene.replicas.beat(replica("b", 1, seen=scene.replicas.clock - 2.0))
    done = said(await scene.ask("POST", "/replicas/forget", {"name": "host/a", "reason": "machine_gone"}))
    assert done["epoch"] == 2
    told = said(await scene.ask("GET", "/replicas"))["replicas"]
    assert [(each["name"], each["silent"], each["forgotten"]) for each in told] == [
        ("host/a", True, True),
        ("host/b", False, False),
    ]
    alive = await scene.ask("POST", "/replicas/forget", {"name": "host/b"})
    assert alive.status == 409 and alive.json()["code"] == "alive" and "seen 2 s ago" in alive.json()["detail"]
    assert (await scene.ask("POST", "/replicas/forget", {"name": "host/z"})).status == 404
    assert (await scene.ask("POST", "/replicas/forget", {"name": "../../etc"})).status == 422


async def test_a_token_for_another_service_sees_and_changes_nothing_here(scene: Scene) -> None:
    scene.who = replace(ADMIN, services=frozenset({"other"}))
    assert said(await scene.ask("GET", "/rollout"))["services"] == []
    for method, path, body in (
        ("GET", f"/rollout/{SERVICE}", None),
        ("GET", f"/rollout/{SERVICE}/history", None),
        ("PATCH", f"/rollout/{SERVICE}", {"mode": "off"}),
        ("POST", f"/rollout/{SERVICE}/rollback", {}),
        ("POST", f"/rollout/{SERVICE}/put-back", {}),
        ("POST", "/kills", {"scope": "service", "name": SERVICE}),
        ("GET", "/kills", None),
        ("GET", "/replicas", None),
    ):
        assert (await scene.ask(method, path, body)).status == 403, path
    assert scene.house.epoch == 1


async def test_the_openapi_document_names_every_route(scene: Scene) -> None:
    paths = said(await scene.ask("GET", "/openapi.json"))["paths"]
    assert {"/admin/v1/rollout/{service}", "/admin/v1/kills", "/admin/v1/replicas"} <= set(paths)


async def test_a_drill_uses_everything_and_changes_nothing(scene: Scene) -> None:
    """And stands on the chain as rehearsed only where every step passed."""
    scene.house.decide(Rollout(ONE, Mode.ACTIVE, salt="s"))
    scene.house.decide(Rollout(TWO, Mode.ACTIVE, salt="s"))
    place, before = f"/rollout/{SERVICE}/drill", scene.house.rollout
    scene.replicas.beat(replica("a", 99))
    told = said(await scene.ask("POST", place, {"reason": "quarterly"}))
    assert told["passed"] and told["recorded"] and told["target"] == ONE and told["rolls_back"]
    assert [step["name"] for step in told["steps"]] == ["probes", "hot copy", "durable store", "replicas"]
    assert scene.house.rollout == before and scene.house.desk.seen()[0].in_force() == ()
    scene.house.unproven = "model_unreachable"
    failed = said(await scene.ask("POST", place, {}))
    assert not failed["passed"] and failed["recorded"]
    scene.house.unproven = None
    scene.replicas.beat(replica("b", 1))
    late = said(await scene.ask("POST", place, {}))
    assert not late["passed"] and "host/b" in late["steps"][3]["what"]
    scene.house.hot.down = True
    assert not said(await scene.ask("POST", place, {}))["steps"][1]["passed"]
    said_of_it = [each[:2] for each in scene.house.said()]
    assert said_of_it == [
        ("drill.begin", "done"),
        ("drill", "done"),
        *[("drill.begin", "done"), ("drill", "denied")] * 3,
    ]
    scene.who = VIEWER
    assert (await scene.ask("POST", place, {})).status == 403


async def test_a_watch_says_whether_the_alerts_came_down_and_all_is_as_decided(scene: Scene) -> None:
    house = scene.house
    house.decide(Rollout(TWO, Mode.ACTIVE, salt="s"))
    house.now += 1000.0
    changed = house.now
    house.decide(Rollout(ONE, Mode.ACTIVE, salt="s"))
    house.now += 300.0
    noisy = [decision(n, at=changed - 200 + n, release_digest=TWO, snapshot_epoch=2) for n in range(100)]
    calm = [
        decision(
            200 + n,
            at=changed + 1 + n,
            release_digest=ONE,
            snapshot_epoch=3,
            outcome="shown" if n % 10 == 0 else "below_threshold",
            visible=n % 10 == 0,
            step="rule" if n % 5 == 0 else "model",
        )
        for n in range(100)
    ]
    late = decision(500, at=changed + 1, release_digest=TWO, snapshot_epoch=2)
    wrong = decision(501, at=changed + 102, release_digest=TWO, snapshot_epoch=3)
    scene.archive.add_decisions([*noisy, *calm, late, wrong])
    told = said(await scene.ask("GET", f"/rollout/{SERVICE}/watch?since_epoch=3"))
    assert told["alerts"] == "down" and told["before"]["calls"] == 100 and told["before"]["rate"] == 1.0
    assert (told["after"]["calls"], told["after"]["shown"], told["after"]["rule"]) == (102, 12, 20)
    assert (told["late"], told["unlike"]) == (1, 1) and told["samples"][-1]["unlike"] == ["release"]
    assert len(told["samples"]) == 5
    assert (await scene.ask("GET", f"/rollout/{SERVICE}/watch?since_epoch=77")).status == 404
    (entry,) = scene.archive.accesses(0, 4e9)
    assert (entry.action, entry.subject, entry.rows) == ("watch", SERVICE, 202)


async def test_what_is_shown_without_its_approvals_is_told(scene: Scene) -> None:
    """A stricter policy takes nothing out of sight: whoever looks must see it."""
    scene.house.decide(Rollout(ONE, Mode.ACTIVE, salt="s"))
    assert said(await scene.ask("GET", "/rollout"))["unapproved"] == {}
    scene.house.approvals.clear()
    assert said(await scene.ask("GET", "/rollout"))["unapproved"] == {SERVICE: ["approvals: needs 1, found 0"]}
    scene.who = Principal("olga/0000000000aa", OPERATOR.roles, frozenset({"sepsis"}))
    assert said(await scene.ask("GET", "/rollout"))["unapproved"] == {}
    scene.who = OPERATOR
    await scene.ask("POST", "/kills", {"scope": "service", "name": SERVICE})
    assert said(await scene.ask("GET", "/rollout"))["unapproved"] == {}, "nothing is shown any more"
    scene.who = Principal("olga/0000000000aa", OPERATOR.roles, frozenset({"sepsis"}))
    assert said(await scene.ask("GET", "/rollout"))["kills"] == [], "a switch over a service that is not hers"
    scene.who = OPERATOR
    assert len(said(await scene.ask("GET", "/rollout"))["kills"]) == 1
    scene.house.store.down = True
    assert said(await scene.ask("GET", "/rollout"))["unapproved"] == {}, "nobody can tell, and nobody waits"


async def test_what_is_held_down_is_told_beside_what_was_decided(scene: Scene) -> None:
    """Also while the store is away."""
    scene.house.decide(Rollout(ONE, Mode.ACTIVE, salt="s"))
    scene.house.store.down = True
    await scene.ask("POST", "/kills", {"scope": "service", "name": SERVICE, "mode": "silent"})
    told = said(await scene.ask("GET", "/rollout"))
    assert told["services"][0]["mode"] == "active" and told["in_force"] == {SERVICE: "silent"}
    assert told["stored"] is False and len(told["kills"]) == 1


async def test_a_site_that_nobody_calls_from_is_told(scene: Scene) -> None:
    """Of a cohort, with a typing error: it is lower, and so it is done, and shows nobody anything."""
    scene.house.decide(Rollout(ONE, Mode.ACTIVE, salt="s"))
    narrower = {"mode": "canary", "cohort": {"sites": ["hospital_a", "hosptial_b"]}, "reason": "alert_rate"}
    done = await scene.ask("PATCH", f"/rollout/{SERVICE}", narrower, scene.house.etag)
    assert done.status == 200 and done.json()["rollout"]["unknown_sites"] == ["hosptial_b"]
    assert (await scene.ask("GET", "/rollout")).json()["services"][0]["unknown_sites"] == ["hosptial_b"]


async def test_whoever_takes_a_model_out_of_use_hears_whether_others_have_it(scene: Scene) -> None:
    """While the store is away it is this process alone, at once, and the answer says so: it once looked the same."""
    done: list[tuple[bool, int]] = []

    async def circuits() -> dict[tuple[str, str], Circuit]:
        return {(SERVICE, "1.0.0"): Circuit("isolated" if done else "closed")}

    async def isolate(service: str, release: str, away: bool) -> Circuit:
        done.append((away, scene.house.epoch))
        return Circuit("isolated")

    scene._ports = replace(scene._ports, circuits=circuits, isolate=isolate)
    path = f"/circuits/{SERVICE}/1.0.0/isolate"
    stored = (await scene.ask("POST", path)).json()
    assert stored["stored"] is True and stored["epoch"] == scene.house.epoch == 2
    assert done[0] == (True, 1), "here first: the store may hang"
    scene.house.store.down = True
    alone = await scene.ask("POST", path)
    assert alone.status == 200 and alone.json() == {
        "done": True,
        "stored": False,
        "epoch": None,
        "state": "isolated",
    }
