"""`wardgate probes`: what an endpoint answers to the probe vectors of its release, beside what the file says.

A probe is a pin: the outputs come from the model file, offline, and the endpoint has to agree. `--write` turns that
round, for a model whose file cannot be asked, and says so.
"""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from wardgate.adapters.files.library import ground_of, shown
from wardgate.adapters.files.yaml_documents import read_yaml
from wardgate.cli.check import Examination, examine, show_findings, summary
from wardgate.domain.errors import ModelUnavailable
from wardgate.domain.inference.endpoint import Endpoint, ModelReply, Probe
from wardgate.domain.inference.probes import agrees, probe_inputs
from wardgate.domain.meanings import REASONS
from wardgate.domain.outcomes import Reason
from wardgate.domain.plans import ReleasePlan
from wardgate.gateway.ports import ModelClient
from wardgate.gateway.probes import ProbeOptions
from wardgate.settings import Settings

Output = float | tuple[float, ...]


class CannotProbe(Exception):
    """Why there is nothing to compare, and what to do about it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


def run(service: str, config: Path, version: str | None = None, write: bool = False, out: TextIO | None = None) -> int:
    """0: the endpoint agrees with every probe, or its answers were written; 1: not."""
    out = sys.stdout if out is None else out
    examination = examine(config)
    settings, catalog = examination.settings, examination.catalog
    if examination.errors or settings is None or catalog is None:
        show_findings(examination.findings, sys.stderr)
        sys.stderr.write(f"\nNothing was asked. {summary(os.path.normpath(config), examination)}")
        return 1
    try:
        release = _release(examination, service, version)
        replies = asyncio.run(ask(settings, release))
        show(release, replies, out)
        if write:
            return _write(_file(examination, config, release), release, replies, out)
    except CannotProbe as error:
        print(f"{error.what}\n{error.remedy}", file=sys.stderr)
        return 1
    return verdict(release, replies, out)


def _release(examination: Examination, service: str, version: str | None) -> ReleasePlan:
    assert examination.catalog is not None
    catalog = examination.catalog
    by_hook = catalog.services.get(service)
    if by_hook is None:
        raise CannotProbe(f"There is no service {service!r}.", f"There is: {', '.join(sorted(catalog.services))}.")
    releases = {release.version: release for plan in by_hook.values() for release in plan.releases.values()}
    champion = next(iter(by_hook.values())).releases[catalog.rollouts[service].champion]
    release = champion if version is None else releases.get(version)
    if release is None:
        raise CannotProbe(
            f"The rollout of {service} names no release {version!r}.", f"It names: {', '.join(sorted(releases))}."
        )
    return release


async def ask(settings: Settings, release: ReleasePlan) -> list[ModelReply]:
    """One reply for each probe, by the way of a call; raises CannotProbe."""
    # Only now: the server's libraries take longer to import than a check takes.
    from wardgate.adapters.http.model_client import HttpModelClient
    from wardgate.bootstrap.parts import http_client

    http = http_client(settings.http_client)
    try:
        client: ModelClient = HttpModelClient(http, settings.model_hosts)
        return [await _ask_one(client, release.endpoint, probe) for probe in release.probes.probes]
    finally:
        await http.close()


async def _ask_one(client: ModelClient, endpoint: Endpoint, probe: Probe) -> ModelReply:
    try:
        timeout = ProbeOptions().timeout
        async with asyncio.timeout(timeout):
            return await client.infer(endpoint, probe_inputs(probe, endpoint), timeout)
    except TimeoutError:
        reason = Reason.MODEL_TIMEOUT
    except ModelUnavailable as error:
        reason = error.reason
    raise CannotProbe(
        f"{endpoint.url} gave no usable answer to {_inputs(probe)} ({reason}).", REASONS[reason].engineer
    ) from None


def show(release: ReleasePlan, replies: Sequence[ModelReply], out: TextIO) -> None:
    endpoint = release.endpoint
    out.write(f"{release.model} {release.version}, asked at {endpoint.url}\n")
    for probe, reply in zip(release.probes.probes, replies, strict=True):
        out.write(f"\n  {_inputs(probe)}\n")
        for name, expected in probe.outputs.items():
            answered = _output(reply, name)
            same = agrees(reply, Probe(probe.inputs, {name: expected}), release.probes.tolerance)
            out.write(f"    {name} in the file   {_number(expected)}\n")
            out.write(
                f"    {' ' * len(name)} answered      {_number(answered)}   {'' if same else '<- differs'}".rstrip()
            )
            out.write("\n")


def verdict(release: ReleasePlan, replies: Sequence[ModelReply], out: TextIO) -> int:
    plan = release.probes
    good = sum(agrees(reply, probe, plan.tolerance) for probe, reply in zip(plan.probes, replies, strict=True))
    out.write(f"\n{good} of {len(replies)} agree within {plan.tolerance:g}.")
    if good == len(replies):
        out.write("\n")
        return 0
    out.write(
        " The gateway would show no score (probe_failed).\n"
        "Either another model answers, or the file does not say what this one answers. Compute the outputs from the\n"
        "model file and put them there; `--write` takes over what the endpoint answered, unproven.\n"
    )
    return 1


def _write(path: Path, release: ReleasePlan, replies: Sequence[ModelReply], out: TextIO) -> int:
    """The outputs that the file names, as answered now."""
    entries = [
        {"inputs": probe.inputs, "outputs": {name: _output(reply, name) for name in probe.outputs}}
        for probe, reply in zip(release.probes.probes, replies, strict=True)
    ]
    if any(value is None for entry in entries for value in entry["outputs"].values()):
        raise CannotProbe("The reply lacks an output that a probe names.", "Nothing was written. Mend the probe file.")
    text = "[\n" + ",\n".join(f"  {json.dumps(entry)}" for entry in entries) + "\n]\n"
    _replace(path, text)
    out.write(
        f"\nwrote {shown(path)}: whatever answers there now is the pinned model, under a new release digest.\n"
        "Compare these numbers with scores that were computed offline, from the model file.\n"
    )
    return 0


def _file(examination: Examination, config: Path, release: ReleasePlan) -> Path:
    assert examination.document is not None
    folder = ground_of(examination.document, config).path("models") / release.model / "releases"
    path = folder / f"{release.version}.yaml"
    return folder / str(read_yaml(path, shown(path)).data["probes"]["file"])


def _replace(path: Path, text: str) -> None:
    """Whole or not at all: written beside its place, and moved there."""
    try:
        mode = path.stat().st_mode & 0o777
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".probes-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(name, mode)
            os.replace(name, path)
        except OSError:
            os.unlink(name)
            raise
    except OSError as error:
        what = f"{shown(path)} cannot be written: {error.strerror or type(error).__name__}."
        raise CannotProbe(what, "It is as it was.") from None


def _inputs(probe: Probe) -> str:
    return " ".join(f"{name}={value:g}" for name, value in probe.inputs.items())


def _output(reply: ModelReply, name: str) -> Output | None:
    if name == "score":
        return reply.score
    return reply.contributions if name == "contributions" else reply.others.get(name)


def _number(value: Output | None) -> str:
    if value is None:
        return "nothing"
    return ", ".join(map(repr, value)) if isinstance(value, tuple) else repr(value)
