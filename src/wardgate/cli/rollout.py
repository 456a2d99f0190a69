"""Changing what is shown, from a terminal: what is done is told at once, and then who answers by it."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TextIO
from urllib.parse import quote

import msgspec
from rich.console import Console

from wardgate.cli import rollout_view
from wardgate.cli.admin import Admin, CannotAsk, Refused
from wardgate.domain.units import parse_duration

_POLL = 0.1
_LOOK = 5.0
"""Seconds between two looks of a watch."""
_EFFECT = 5.0
_PREVIEW = 10.0
"""Seconds for whom a kill switch would meet: who waits for that has not killed yet."""
_CHANGED = "dry_run"
"""A field that the answer to every change has."""
_GATED = 60.0
"""Seconds for what reads records, or asks endpoints to prove themselves."""
UNCONFIRMED = 3
_FORMS = {
    "reason": "write a code such as alert_rate: small letters, digits and _; your own words go into --remark",
    "ticket": "write it as OPS-31: letters, digits and ._/#- without spaces",
    "kill_id": "write the id that `wardgate kill list` shows",
    "name": "write the name of a service, site or release",
    "service": "write the id of a service: `wardgate rollout show` lists them",
    "percent": "write a number from 0 to 100",
}


class Asked(msgspec.Struct, frozen=True):
    """`why`: reason, ticket and remark; `wait`: seconds for replicas to confirm."""

    admin: str | None
    why: Mapping[str, str]
    wait: float = 45.0
    dry_run: bool = False
    watch: float = 0.0
    """Seconds for which the terminal shows what has become of it."""


def show(asked: Asked, service: str | None) -> int:
    if service is None:
        return _shown(asked, "/admin/v1/rollout", "services", rollout_view.rollouts)
    try:
        told = Admin(asked.admin).json("GET", "/admin/v1/rollout", "services")
    except CannotAsk as error:
        return failed(error)
    ids = [each["service"] for each in told["services"]]
    if service not in ids and told.get("beyond"):
        rollout_view.rollouts(told, _console())
        return 1
    if service not in ids:
        print(f"There is no service {service}. There is: {', '.join(ids) or 'none'}.", file=sys.stderr)
        return 1
    rollout_view.rollouts(
        {**told, "services": [each for each in told["services"] if each["service"] == service]}, _console()
    )
    return 0


def history(asked: Asked, service: str, most: int) -> int:
    place = f"/admin/v1/rollout/{quote(service, safe='')}/history?most={most}"
    return _shown(asked, place, "changes", rollout_view.history)


def kills(asked: Asked) -> int:
    return _shown(asked, "/admin/v1/kills", "kills", rollout_view.kills)


def replicas(asked: Asked) -> int:
    return _shown(asked, "/admin/v1/replicas", "replicas", rollout_view.replicas)


def forget(asked: Asked, name: str) -> int:
    body = {"name": name, **asked.why}
    return _done(asked, lambda admin: admin.json("POST", "/admin/v1/replicas/forget", _CHANGED, body))


def change(asked: Asked, service: str, wanted: Mapping[str, Any]) -> int:
    if not wanted:
        print("Say what is to change: --mode, --champion, --percent and others.", file=sys.stderr)
        return 1
    place = f"/admin/v1/rollout/{quote(service, safe='')}"

    def ask(admin: Admin) -> Any:
        now = admin.json("GET", place, "etag")
        body = {**wanted, **asked.why}
        if body.get("expires") is not None:
            body["expires"] = {"at": _moment(body["expires"])}
        if body.get("cohort"):
            body["cohort"] = {**(now["cohort"] or {}), **body["cohort"]}
        match = {"If-Match": f'"{now["etag"]}"'}
        return admin.json("PATCH", place, _CHANGED, body, match, asked.dry_run, _GATED)

    return _done(asked, ask)


def put_back(asked: Asked, service: str) -> int:
    place = f"/admin/v1/rollout/{quote(service, safe='')}/put-back"
    return _done(asked, lambda admin: admin.json("POST", place, _CHANGED, dict(asked.why), wait=_GATED))


def rollback(asked: Asked, service: str, to: str | None) -> int:
    place = f"/admin/v1/rollout/{quote(service, safe='')}/rollback"
    return _done(asked, lambda admin: admin.json("POST", place, _CHANGED, {"to": to, **asked.why}, wait=_GATED))


def confirm(asked: Asked, above: int, more: bool) -> int:
    """Shows what holds then: kill switches that the store had lost stay."""
    body = {"above": above, "more": more, **asked.why}
    code = _done(asked, lambda admin: admin.json("POST", "/admin/v1/confirm", _CHANGED, body))
    return code if code == 1 else max(code, show(asked, None))


def lift(asked: Asked, kill_id: str) -> int:
    place = f"/admin/v1/kills/{quote(kill_id, safe='')}/lift"
    return _done(asked, lambda admin: admin.json("POST", place, _CHANGED, dict(asked.why), wait=_GATED))


def kill(asked: Asked, scope: str, name: str, mode: str, yes: str) -> int:
    """Shows whom it meets; for `all` that is confirmed by typing it."""
    body: dict[str, Any] = {"scope": scope, "name": name, "mode": mode, **asked.why}
    if scope == "all":
        body["confirm"] = "all"
        if yes != "all" and not asked.dry_run:
            if not sys.stdin.isatty():
                print("`wardgate kill all` is confirmed with --yes all.", file=sys.stderr)
                return 1
            _try(asked, body)
            if _typed("Type all to take everything out of sight: ") != "all":
                print("Nothing was changed.", file=sys.stderr)
                return 1

    def ask(admin: Admin) -> Any:
        if asked.dry_run:
            return admin.json("POST", "/admin/v1/kills", _CHANGED, body, dry_run=True, wait=_GATED)
        return admin.json("POST", "/admin/v1/kills", _CHANGED, body)

    return _done(asked, ask)


def _typed(prompt: str) -> str:
    """Empty for who ends it, in whatever way."""
    try:
        return input(prompt).strip()
    except (EOFError, KeyboardInterrupt):
        print()
        return ""


def _try(asked: Asked, body: Mapping[str, Any]) -> None:
    """Where the preview cannot be had, that is said, and the switch still works."""
    try:
        told = Admin(asked.admin).json("POST", "/admin/v1/kills", _CHANGED, body, dry_run=True, wait=_PREVIEW)
        rollout_view.changed(told, _console())
    except CannotAsk as error:
        print(f"Whom it meets is not known: {error.what}", file=sys.stderr)


def _shown(asked: Asked, place: str, has: str, view: Callable[[Any, Console], None]) -> int:
    try:
        view(Admin(asked.admin).json("GET", place, has), _console())
    except CannotAsk as error:
        return failed(error)
    return 0


def _done(asked: Asked, ask: Callable[[Admin], Any]) -> int:
    admin, console, began = Admin(asked.admin), _console(), time.monotonic()
    try:
        with console.status(f"asking {admin.url}"):
            told = ask(admin)
    except CannotAsk as error:
        return failed(error)
    rollout_view.changed(told, console)
    if told["dry_run"]:
        return 0
    if told["epoch"] is None:
        return UNCONFIRMED  # a ceiling: nobody can confirm what is in no store
    code = _confirmed(asked, admin, told["effect"], console, began)
    if asked.watch > 0 and told["rollout"] is not None:
        _watch(asked, admin, told["rollout"]["service"], told["epoch"], console)
    return code


def drill(asked: Asked, service: str) -> int:
    """0: every step passed, and the chain has it."""
    try:
        place = f"/admin/v1/rollout/{quote(service, safe='')}/drill"
        told = Admin(asked.admin).json("POST", place, "steps", dict(asked.why), wait=_GATED)
    except CannotAsk as error:
        return failed(error)
    rollout_view.drilled(told, _console())
    return 0 if told["passed"] else 1


def watch(asked: Asked, service: str, epoch: int | None) -> int:
    """Of the last change of a service, or of the one that is named."""
    admin, console = Admin(asked.admin), _console()
    try:
        if epoch is None:
            history = admin.json("GET", f"/admin/v1/rollout/{quote(service, safe='')}/history?most=1", "changes")
            epoch = history["changes"][0]["epoch"]
        if asked.watch <= 0:
            console.print(rollout_view.watched(_seen(admin, service, epoch)))
            return 0
    except CannotAsk as error:
        return failed(error)
    return _watch(asked, admin, service, epoch, console)


def _seen(admin: Admin, service: str, epoch: int) -> Any:
    return admin.json(
        "GET", f"/admin/v1/rollout/{quote(service, safe='')}/watch?since_epoch={epoch}", "alerts", wait=_GATED
    )


def _watch(asked: Asked, admin: Admin, service: str, epoch: int, console: Console) -> int:
    """Until the time is over, or somebody has seen enough (Ctrl-C): what was done stays done."""
    until, told = time.monotonic() + asked.watch, None
    try:
        with rollout_view.Waiting(console) as waiting:
            while told is None or time.monotonic() < until:
                told = _seen(admin, service, epoch)
                waiting.show(rollout_view.watched(told))
                time.sleep(min(_LOOK, max(0.0, until - time.monotonic())))
    except KeyboardInterrupt:
        console.print()
    except CannotAsk as error:
        return failed(error)
    if told is not None:
        console.print(rollout_view.watched(told))
    return 0


def confirmed(asked: Asked, epoch: int, began: float) -> int:
    """Of what was done at `began` by another command, and stands in the snapshot of this epoch."""
    nobody = {"epoch": epoch, "verified": False, "done": [], "silent": [], "waiting": []}
    return _confirmed(asked, Admin(asked.admin), nobody, _console(), began)


def _confirmed(asked: Asked, admin: Admin, effect: Any, console: Console, began: float) -> int:
    """It is done; who cannot say now whether all obey is asked again, until the time is over or somebody does not want
    to wait (Ctrl-C)."""
    trouble: CannotAsk | None = None
    with rollout_view.Waiting(console) as live, suppress(KeyboardInterrupt):
        while True:
            live.update(effect, time.monotonic() - began)
            if effect["verified"] or time.monotonic() - began > asked.wait:
                break
            time.sleep(_POLL)
            try:
                place = f"/admin/v1/effect/{effect['epoch']}"
                effect, trouble = admin.json("GET", place, "verified", wait=_EFFECT), None
            except CannotAsk as error:
                trouble = error
    if trouble is not None:
        failed(trouble)
    waiting = [] if effect["verified"] else _of_themselves(admin, effect["waiting"])
    rollout_view.effect(effect, time.monotonic() - began, console, waiting)
    return 0 if effect["verified"] else UNCONFIRMED


def _of_themselves(admin: Admin, names: Sequence[str]) -> list[Any]:
    """What these replicas say; nothing, where that cannot be had either."""
    try:
        told = admin.json("GET", "/admin/v1/replicas", "replicas", wait=_EFFECT) if names else {"replicas": []}
    except CannotAsk:
        return []
    return [each for each in told["replicas"] if each["name"] in names]


def failed(error: CannotAsk) -> int:
    print(f"{error.what}\n{error.remedy}".strip(), file=sys.stderr)
    more: Mapping[str, Any] = error.more if isinstance(error, Refused) else {}
    for place in dict.fromkeys(each["in"] for each in more.get("errors", ())):
        field = place.rpartition(".")[2]
        print(f"  ✗ {field}: {_FORMS.get(field, 'not of the form that it has')}", file=sys.stderr)
    gates: Sequence[str] = more.get("gates", ())
    for line in gates:
        print(f"  ✗ {line}", file=sys.stderr)
    return UNCONFIRMED if error.perhaps_done else 1


def _moment(text: str) -> str:
    """A time as it is, or so long from now."""
    try:
        at = time.time() + parse_duration(text)  # noqa: TID251
    except ValueError:
        return text
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _console(out: TextIO | None = None) -> Console:
    return Console(file=out or sys.stdout, highlight=False)
