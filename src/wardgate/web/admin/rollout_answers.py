"""What is answered to a change of what is decided: done, tried, and what has become of it."""

from functools import partial
from typing import Any

import msgspec
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from wardgate.control.confirmation import Effect
from wardgate.control.decided import etag_of
from wardgate.control.ports import StoreUnavailable
from wardgate.control.settling import Changed, Would
from wardgate.domain.rollout.rollouts import Ceiling, Rollout, Snapshot
from wardgate.records.archive import ArchiveUnavailable
from wardgate.web.admin.access import Principal
from wardgate.web.admin.problems import PROBLEMS
from wardgate.web.admin.rollout_bodies import CeilingView, ChangedView, EffectView, RolloutView
from wardgate.web.admin.rollout_ports import RolloutPorts
from wardgate.web.admin.threads import changing

DONE: dict[int | str, dict[str, Any]] = {
    202: {
        "model": ChangedView,
        "description": "In force, and in no store yet: a kill switch stands for it. `heard` says who obeys.",
    },
    504: {**PROBLEMS[503], "description": "The store was told, and gave no answer: it may be done."},
}
"""Of every change."""


def seen(at: RolloutPorts) -> tuple[Snapshot, bool, int]:
    """What is decided, whether the durable store says so, and what replicas have seen beyond it."""
    snapshot, stored = at.desk.seen()
    return snapshot, stored, at.desk.beyond(snapshot.epoch) if stored else 0


async def changed(at: RolloutPorts, done: Changed, service: str | None) -> JSONResponse:
    """200; 202 where the durable store is away and a ceiling stands for the change."""
    view = ChangedView(
        epoch=done.epoch,
        stored=done.epoch is not None,
        dry_run=False,
        raised=list(done.raised),
        heard=list(done.told),
        trouble=done.trouble,
        kill=None if done.ceiling is None else ceiling_view(done.ceiling),
    )
    epoch = done.epoch
    if epoch is not None:
        view.effect = EffectView.of(await changing(partial(_effect, at, epoch)))
    return _answered(at, view, done.after, service, 200 if view.stored else 202)


def _effect(at: RolloutPorts, epoch: int) -> Effect:
    """Of nobody where that cannot be read: the change is done all the same."""
    try:
        return at.effect(epoch)
    except StoreUnavailable:
        return Effect(epoch, (), (), ())


async def tried(at: RolloutPorts, would: Would, service: str | None, principal: Principal) -> JSONResponse:
    refused, impact, unknown = would.refused, None, None
    met = [name for name in would.after.rollouts if service in (None, name) and principal.covers(name)]
    try:
        impact = await run_in_threadpool(at.impact, would.before, would.after, met, principal.name)
    except ArchiveUnavailable as error:  # it can be done all the same
        unknown = error.trouble.sentence
    view = ChangedView(
        epoch=None,
        stored=False,
        dry_run=True,
        raised=list(would.raised),
        refused=None if refused is None else f"{refused.what} {refused.remedy}".strip(),
        gates=[] if refused is None else list(refused.gates),
        impact=None if impact is None else msgspec.to_builtins(impact),
        impact_unknown=unknown,
    )
    return _answered(at, view, would.after, service, 200)


def _answered(
    at: RolloutPorts, view: ChangedView, after: Snapshot | None, service: str | None, status: int
) -> JSONResponse:
    headers = {}
    if service is not None and after is not None and service in after.rollouts:
        view.rollout = view_of(at, service, after.rollouts[service])
        headers["ETag"] = f'"{view.rollout.etag}"'
    return JSONResponse(view.model_dump(mode="json"), status, headers)


def view_of(at: RolloutPorts, service: str, rollout: Rollout) -> RolloutView:
    sites = at.names.sites()
    return RolloutView.of(service, rollout, etag_of(rollout), lambda digest: at.names.version(service, digest), sites)


def ceiling_view(ceiling: Ceiling) -> CeilingView:
    return CeilingView(**msgspec.to_builtins(ceiling))
