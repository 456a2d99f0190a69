"""The cases in `rollout/*.json`: what was decided, who calls from where, and what they see. Written to be read by a
clinician.

`decided` is the rollout of one service, 2.0 its champion; null: there is none. `call` says what differs from the usual
one. `then`: what is seen, else why not; the arm that is counted; `place`, on which the patient or the visit falls, in
percent; `beside`, the releases that are asked after the response.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from wardgate.domain.context.caller import Caller
from wardgate.domain.outcomes import Arm, Mode
from wardgate.domain.rollout.assignment import Assignment, Occasion, assign, assign_again, beside, closed, mode_in_force
from wardgate.domain.rollout.rollouts import By, Ceiling, Challenger, Cohort, Expiry, Rollout, Scope, Snapshot

SERVICE = "kidney-failure"
FILES = {path.stem: json.loads(path.read_text()) for path in sorted((Path(__file__).parent / "rollout").glob("*.json"))}
CASES = [(f"{stem}: {case['case']}", case) for stem, file in FILES.items() for case in file["cases"]]
USUAL = {
    "hook": "patient-view",
    "site": "north",
    "unit": "ward 7",
    "role": "physician",
    "user": "Dr Carter",
    "patient": "Anna",
    "encounter": "visit-1",
    "at": "09:00",
}


def _cohort(said: dict[str, Any]) -> Cohort:
    names = {name: frozenset(said[name]) for name in ("sites", "units", "roles", "hooks") if name in said}
    assert said.keys() <= {*names, "percent", "by"}
    return Cohort(percent=said.get("percent"), by=By(said.get("by", "patient")), **names)


def _clock(time: str) -> float:
    return datetime.fromisoformat(f"2026-11-21T{time}").replace(tzinfo=UTC).timestamp()


def _ceiling(number: int, said: dict[str, Any]) -> Ceiling:
    return Ceiling(str(number), Scope(said["over"]), said.get("name", ""), Mode(said["at most"]))


def _snapshot(said: dict[str, Any] | None) -> Snapshot:
    if said is None:
        return Snapshot(7, {})
    expiry, challenger, ceilings = said.get("expiry"), said.get("challenger"), said.get("ceilings", [])
    rollout = Rollout(
        "2.0",
        Mode(said["mode"]),
        _cohort(said["cohort"]) if "cohort" in said else None,
        None if challenger is None else Challenger(challenger["release"], _cohort(challenger["cohort"])),
        tuple(said.get("shadows", ())),
        frozenset(said.get("preview", ())),
        None if expiry is None else Expiry(_clock(expiry["at"]), Mode(expiry.get("mode", "off"))),
        said.get("salt", "a salt"),
    )
    return Snapshot(
        7,
        {SERVICE: rollout},
        tuple(_ceiling(number, each) for number, each in enumerate(ceilings)),
        frozenset(str(number) for number, each in enumerate(ceilings) if each.get("lifted")),
        hidden=said.get("hidden", False),
    )


def _occasion(said: dict[str, Any]) -> Occasion:
    call = {**USUAL, **said}
    users = () if call["user"] is None else (call["user"], *call.get("also", ()))
    caller = Caller(call["site"], call["unit"], None, call["role"])
    server = "https://ehr.example/fhir"
    at = _clock(call["at"])
    return Occasion(call["hook"], caller, at, "ehr", server, call["patient"], call["encounter"], users)


def _seen(given: Assignment) -> str:
    if given.withheld is not None:
        return "nothing"
    return f"a preview of {given.release}" if given.preview else f"the card of {given.release}"


@pytest.mark.parametrize("case", [case for _, case in CASES], ids=[name for name, _ in CASES])
def test_a_case_ends_as_written(case: dict[str, Any]) -> None:
    """Seen or not, why not, which arm, which place, and who is asked beside."""
    decided, then = case["decided"], case["then"]
    snapshot = _snapshot(decided)
    occasion = _occasion(case["call"])
    given = assign(snapshot, SERVICE, occasion, bool((decided or {}).get("thresholds by site")))
    told: dict[str, Any] = {"sees": _seen(given), "arm": given.arm.value}
    if given.withheld is not None:
        told["why"] = given.withheld.value
    if "place" in then:
        told["place"] = None if given.bucket is None else given.bucket / 100
    if "beside" in then:
        answered = None if given.closed else given.release
        told["beside"] = list(beside(snapshot, SERVICE, answered))
    if "release" in then:
        told["release"] = given.release or "none"
    assert told == then
    assert closed(snapshot, SERVICE, occasion.now, occasion.caller.site) == (given if given.closed else None)
    nobody = msgspec.structs.replace(occasion, patient="", encounter=None)
    by_sites = bool((decided or {}).get("thresholds by site"))
    assert assign_again(snapshot, SERVICE, nobody, by_sites, given.bucket_by, given.bucket) == given
    assert given.epoch == 7 and given.preview is (given.arm is Arm.PREVIEW)


def test_a_bucket_that_was_drawn_by_something_else_is_none() -> None:
    """The record of a call has one; where it goes by encounter now, nobody knows that of the call."""
    snapshot = _snapshot({"mode": "canary", "cohort": {"percent": 100, "by": "encounter"}})
    inside = assign_again(snapshot, SERVICE, _occasion({}), False, By.ENCOUNTER, 4711)
    assert inside.withheld is None and inside.bucket == 4711
    outside = assign_again(snapshot, SERVICE, _occasion({}), False, By.PATIENT, 4711)
    assert outside.arm is Arm.CONTROL and outside.bucket is None


def test_what_is_in_force_is_what_expiry_and_ceilings_leave() -> None:
    decided = {"mode": "active", "expiry": {"at": "12:00", "mode": "canary"}}
    over = [{"over": "site", "name": "north", "at most": "off"}]
    assert mode_in_force(_snapshot(decided), SERVICE, _clock("09:00")) is Mode.ACTIVE
    assert mode_in_force(_snapshot(decided), SERVICE, _clock("12:00")) is Mode.CANARY
    assert mode_in_force(_snapshot({**decided, "ceilings": over}), SERVICE, _clock("09:00")) is Mode.ACTIVE
    over = [{"over": "service", "name": SERVICE, "at most": "silent"}]
    assert mode_in_force(_snapshot({**decided, "ceilings": over}), SERVICE, _clock("09:00")) is Mode.SILENT
    assert mode_in_force(_snapshot(None), SERVICE, _clock("09:00")) is Mode.OFF


def test_every_mode_scope_and_reason_has_its_case() -> None:
    """What is decided by hand is read by hand."""
    text = json.dumps(FILES)
    for word in ("off", "shadow", "silent", "canary", "active", "all", "service", "site", "release", *Arm):
        assert f'"{word}"' in text, word
    assert len(CASES) >= 40
