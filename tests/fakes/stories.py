"""Records for tests: decisions as the gateway writes them, in a real SQLite, and a desk before it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from tests.fakes.clock import FakeClock
from tests.fakes.hot import RING
from wardgate.adapters.sql.archive import SqlArchive
from wardgate.adapters.sql.sqlite import Sqlite
from wardgate.domain.cards.identity import card_id
from wardgate.domain.clients import Client
from wardgate.domain.durable import SqlitePlace
from wardgate.domain.follow_up import FollowUp
from wardgate.domain.record_names import RecordNames, card, encounter, hook_instance, patient, user
from wardgate.domain.records import Action, DecisionRecord, EventType, InputFact
from wardgate.records.archive import Archive, FeedbackEntry
from wardgate.records.desk import Facts, RecordsDesk
from wardgate.records.story import ReleaseNow, words_of

FHIR = "https://ehr.example/fhir"
NOW = 1_795_251_600.0  # 2026-11-21T09:00:00Z
DAY = 86_400.0
DIGEST, NEWER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
NAMES = RecordNames(RING)
RULE = FollowUp("kidney_failure", 730 * DAY)
CLIENTS = {
    name: Client(name, frozenset({FHIR}), (), None, ZoneInfo("Europe/Vienna")) for name in ("ward-ehr", "other-ehr")
}
_IDS = UUID("5a1f6b0f-2a11-4b0e-8d52-0b7e1b5a93c7")


def decision_id(number: int) -> str:
    text = str(uuid5(_IDS, str(number)))
    return f"{text[:14]}4{text[15:]}"


def instance(number: int) -> str:
    return f"00000000-0000-1000-8000-{number:012d}"


def decision(number: int = 1, **changes: Any) -> DecisionRecord:
    """A card of kidney-failure 1.0.0 that a practitioner was shown, one of a kind for each number, a second apart."""
    own = decision_id(number)
    facts: dict[str, Any] = {
        "decision_id": own,
        "at": NOW + number,
        "service_id": "kidney-failure",
        "hook": "patient-view",
        "client": "ward-ehr",
        "outcome": "shown",
        "reason": "threshold_met",
        "step": "model",
        "mode": "active",
        "arm": "champion",
        "visible": True,
        "model_name": "kidney-failure",
        "model_version": "1.0.0",
        "release_digest": DIGEST,
        "feature_schema_version": "2026.03",
        "snapshot_epoch": 3,
        "patient": NAMES.of(patient("ward-ehr", FHIR, f"p{number}")),
        "encounter": NAMES.of(encounter("ward-ehr", FHIR, f"e{number}")),
        "user": NAMES.of(user("ward-ehr", FHIR, "Practitioner", "u1")),
        "hook_instance": NAMES.of(hook_instance("ward-ehr", instance(number))),
        "site_id": "hospital_a",
        "unit": "ward_7",
        "user_role": "practitioner",
        "score": 0.0473,
        "threshold": 0.01,
        "band": "raised",
        "inputs": (InputFact("egfr", None, 1, "<7d"), InputFact("uacr", "missing", filled=True)),
        "action": Action.CARD,
        "card_uuids": (card_id(own, 0),),
        "stages_ms": {"gather": 0.2, "extract": 0.1, "predict": 6.4, "render": 0.3},
        "latency_ms": 7.6,
    }
    return DecisionRecord(**{**facts, **changes})


def below(number: int, **changes: Any) -> DecisionRecord:
    """One whose score was below the threshold."""
    facts: dict[str, Any] = {
        "outcome": "below_threshold",
        "reason": "below_threshold",
        "visible": False,
        "band": None,
        "action": Action.NONE,
        "card_uuids": (),
    }
    return decision(number, **{**facts, **changes})


def shadow(number: int, of: DecisionRecord, **changes: Any) -> DecisionRecord:
    facts: dict[str, Any] = {
        "of": of.decision_id,
        "event_type": EventType.SHADOW,
        "outcome": "withheld",
        "reason": "shadow",
        "arm": "shadow",
        "visible": False,
        "model_version": "1.1.0",
        "release_digest": NEWER,
        "hook_instance": of.hook_instance,
        "patient": of.patient,
        "encounter": of.encounter,
    }
    return decision(number, **{**facts, **changes})


def report(of: DecisionRecord, after: float = 20.0, **changes: Any) -> FeedbackEntry:
    """That its card was accepted."""
    facts: dict[str, Any] = {
        "card_key": NAMES.of(card(of.card_uuids[0])),
        "service_id": of.service_id,
        "client": of.client,
        "outcome": "accepted",
        "at": of.at + after,
        "received": of.at + after + 1,
        "user_role": "practitioner",
    }
    return FeedbackEntry(**{**facts, **changes})


def overridden(of: DecisionRecord, code: str, class_: str, after: float = 20.0, **changes: Any) -> FeedbackEntry:
    reason = {"override_system": "https://h.example", "override_code": code, "override_class": class_}
    return report(of, after, outcome="overridden", **{**reason, **changes})


def archive_in(folder: Path) -> SqlArchive:
    return SqlArchive(Sqlite(SqlitePlace(str(folder / "records.db"))), lambda uuid: NAMES.of(card(uuid)))


def desk_of(archive: Archive, now: float = NOW + DAY, names: RecordNames = NAMES) -> RecordsDesk:
    facts = Facts(
        CLIENTS,
        {"kidney-failure": RULE},
        {DIGEST: ReleaseNow({"egfr": words_of([15, 30, 45], "mL/min")}, "insecure_demo stands for all approvals")},
        frozenset({"kidney-failure"}),
    )
    return RecordsDesk(archive, names, FakeClock(now).now, lambda: facts)


def filled(folder: Path, records: Sequence[DecisionRecord], reports: Sequence[FeedbackEntry] = ()) -> SqlArchive:
    archive = archive_in(folder)
    archive.add_decisions(records)
    archive.add_feedback(reports)
    return archive
