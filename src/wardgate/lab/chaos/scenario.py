"""A scenario file: where the gateway is, what is done to which dependency, and what is to be seen then."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from wardgate.lab.chaos.kinds import KINDS, Kind, Lasting, seconds
from wardgate.lab.chaos.proxy import Fault


class ScenarioError(Exception):
    """What is wrong with a scenario, in a sentence."""


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Target(_Strict, frozen=True):
    """A dependency of a gateway of one's own: the proxy listens on the port `listen` and passes on to `to`."""

    listen: int
    to: str


class Gateway(_Strict, frozen=True):
    """A gateway of one's own, configured to reach its dependencies through the proxies. `fhir` is the FHIR base as its
    configuration lists it, from which the calls take their prefetch as well."""

    url: str
    fhir: str
    admin: str | None = None


class Flap(_Strict, frozen=True):
    down: str
    up: str


class Entry(_Strict, frozen=True, rename={"parameters": "with"}):
    """`expect`: the reasons, of docs/errors.md, that calls may end with; with `seen: first` the first one must be among
    them. What stands at the top of the file can be said otherwise for one fault."""

    fault: str
    target: str
    expect: tuple[str, ...]
    parameters: dict[str, Any] = {}
    name: str = ""
    seen: Literal["first", "any"] = "first"
    share: float = 1.0
    every: int = 1
    only: str = ""
    flap: Flap | None = None
    service: str | None = None
    patients: tuple[str, ...] | None = None
    prefetch: bool | tuple[str, ...] | None = None
    cards: Literal["same", "any"] | None = None
    recovery: str | None = None
    calls: int | None = None
    rate: float | None = None


class _File(_Strict, frozen=True):
    service: str
    patients: tuple[str, ...]
    faults: tuple[Entry, ...]
    gateway: Gateway | None = None
    targets: dict[str, Target] = {}
    config: str | None = None
    redis: bool = False
    calls: int = 40
    rate: float = 80.0
    deadline: str = "500ms"
    prefetch: bool | tuple[str, ...] = True
    cards: Literal["same", "any"] = "same"
    recovery: str = "5s"
    healthy: tuple[str, ...] = ("threshold_met", "no_threshold")
    seed: int = 1


class Trial(msgspec.Struct, frozen=True):
    """One fault, ready to be run. `prefetch`: the keys that are sent, True: all of them, False: none. `cards` "same":
    a card may only be the one that the patient has in health. `recovery` and `deadline` in seconds."""

    name: str
    target: str
    fault: Fault
    expect: tuple[str, ...]
    seen: str
    service: str
    patients: tuple[str, ...]
    prefetch: bool | tuple[str, ...]
    cards: str
    recovery: float
    calls: int
    rate: float


class Scenario(msgspec.Struct, frozen=True):
    """`gateway` None: the demo's parts are started, with the configuration `config` (a folder) or the demo's own,
    and with a Redis where `redis` says so."""

    trials: tuple[Trial, ...]
    gateway: Gateway | None
    targets: dict[str, Target]
    config: Path | None
    redis: bool
    deadline: float
    healthy: tuple[str, ...]
    seed: int


_DEMO_TARGETS = ("fhir", "model")


def read_scenario(path: Path, reasons: Sequence[str], calls: int | None = None) -> Scenario:
    """`reasons`: those that exist. `calls` replaces the number that the file gives. Raises ScenarioError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path} cannot be read: {error}") from None
    try:
        file = msgspec.convert(yaml.safe_load(text), _File)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise ScenarioError(f"{path}: {error}") from None
    own = _DEMO_TARGETS + (("redis",) if file.redis else ())
    known = tuple(file.targets) if file.gateway is not None else own
    try:
        if file.gateway is None and file.targets:
            raise ValueError("targets are those of a gateway of one's own: name it under `gateway`")
        trials = tuple(_trial(file, entry, known, reasons, calls) for entry in file.faults)
        deadline = seconds(file.deadline)
    except ValueError as error:
        raise ScenarioError(f"{path}: {error}") from None
    config = None if file.config is None else path.parent / file.config
    return Scenario(trials, file.gateway, file.targets, config, file.redis, deadline, file.healthy, file.seed)


def _trial(file: _File, entry: Entry, known: Sequence[str], reasons: Sequence[str], calls: int | None) -> Trial:
    name = entry.name or " ".join([entry.fault.replace("_", " "), *map(_said, entry.parameters.values())])
    if entry.target not in known:
        raise ValueError(f"{name}: target {entry.target!r}: the targets are {', '.join(known) or 'none'}")
    unknown = [reason for reason in entry.expect if reason not in reasons]
    if unknown or not entry.expect:
        raise ValueError(f"{name}: expect names reasons of docs/errors.md; not {', '.join(unknown) or 'nothing'}")
    flap = None if entry.flap is None else (seconds(entry.flap.down), seconds(entry.flap.up))
    fault = Fault(_kind(name, entry), entry.share, entry.every, entry.only, flap)
    if not 0 < fault.share <= 1 or fault.every < 1:
        raise ValueError(f"{name}: share is above 0 and at most 1, every is 1 or more")
    if not _speaks_http(file, entry.target) and not fault.kind.tcp:
        raise ValueError(f"{name}: it needs HTTP, and {entry.target} is raw bytes")
    if isinstance(fault.kind, Lasting) and (fault.share < 1 or fault.every > 1 or fault.only):
        raise ValueError(f"{name}: it lasts, so share, every and only mean nothing; use flap")
    return Trial(
        name,
        entry.target,
        fault,
        entry.expect,
        entry.seen,
        entry.service or file.service,
        entry.patients or file.patients,
        file.prefetch if entry.prefetch is None else entry.prefetch,
        entry.cards or file.cards,
        seconds(entry.recovery or file.recovery),
        calls or entry.calls or file.calls,
        entry.rate or file.rate,
    )


def _speaks_http(file: _File, target: str) -> bool:
    if file.gateway is None:
        return target in _DEMO_TARGETS
    return file.targets[target].to.startswith(("http://", "https://"))


def _said(value: object) -> str:
    return " to ".join(map(str, value)) if isinstance(value, list) else str(value)


def _kind(name: str, entry: Entry) -> Kind:
    kind = KINDS.get(entry.fault)
    if kind is None:
        raise ValueError(f"{name}: there is no fault {entry.fault!r}; there are {', '.join(KINDS)}")
    try:
        return msgspec.convert(entry.parameters, kind)
    except msgspec.ValidationError as error:
        raise ValueError(f"{name}: with: {error}") from None
