"""What is said of releases on a terminal."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from wardgate.adapters.files.comparison import Comparison
from wardgate.control.ports import Content, ReleaseEntry, ReleaseState
from wardgate.domain.approvals import Approval, Waiver, highest
from wardgate.domain.inference.endpoint import Oip
from wardgate.domain.outcomes import Mode
from wardgate.domain.plans import Catalog, ReleasePlan
from wardgate.domain.releases import Dossier, Lifecycle, Review, lifecycle, short
from wardgate.domain.rollout.rollouts import Rollout


class Said(msgspec.Struct, frozen=True):
    """By people, as the chain has it. `trouble`: why that cannot be told."""

    approvals: tuple[Approval, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    trouble: str = ""


class Known(msgspec.Struct, frozen=True):
    """Everything of one digest. `entry` None: the files give it, and nobody has submitted it. `rollouts` None: what is
    decided cannot be told, and `why` not."""

    content: Content
    entry: ReleaseEntry | None
    catalog: Catalog
    said: Said
    rollouts: Mapping[str, Rollout] | None
    why: str = ""


def day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()


def named(service: str, version: str, digest: str) -> str:
    return f"{service} {version} ({short(digest)})"


def plain(text: str) -> str:
    """What stands in a file may hold what moves a cursor: it is shown, not obeyed."""
    return "".join(letter if letter.isprintable() or letter == "\t" else "\N{REPLACEMENT CHARACTER}" for letter in text)


# --- one --------------------------------------------------------------------------------------------------------------


def show(known: Known, today: str) -> list[str]:
    content, entry = known.content, known.entry
    plan = next(iter(known.catalog.plans()))
    release = plan.releases[content.digest]
    rows = [
        ("digest", content.digest),
        ("lifecycle", _lifecycle(entry, known.said)),
        ("submitted", _submitted(entry, content.service)),
        ("content", contents(content)),
        ("rollouts", _rollouts(content.digest, known)),
        ("tier", plan.risk_tier),
        *_of_release(release, today),
        *_several("approval", [_approval(each) for each in known.said.approvals], known.said.trouble or "none"),
        *_several("exception", [_waiver(each) for each in known.said.waivers], ""),
    ]
    head = named(content.service, content.version, content.digest)
    return [head, *(f"  {name:<13}{plain(text)}" for name, text in rows if text)]


def contents(content: Content) -> str:
    size = sum(len(held) for held in content.files.values())
    return f"{len(content.files)} files, {size / 1024:.1f} KiB"


def _lifecycle(entry: ReleaseEntry | None, said: Said) -> str:
    if said.trouble and entry is not None and entry.state is not ReleaseState.RETIRED:
        return f"not known: {said.trouble}"
    stage = stage_of(entry, said)
    if entry is not None and entry.state is ReleaseState.RETIRING and entry.retires_at is not None:
        return f"{stage}, retires from {day(entry.retires_at)} on"
    if entry is not None and entry.retired_at is not None:
        return f"{stage} on {day(entry.retired_at)}"
    return str(stage)


def stage_of(entry: ReleaseEntry | None, said: Said) -> Lifecycle:
    """By the highest mode that anybody approved; whether all approvals are there that its tier asks for, is for
    `wardgate gate` to tell."""
    retired = entry is not None and entry.state is ReleaseState.RETIRED
    mode = highest(said.approvals)
    return lifecycle(entry is not None, retired, () if mode is Mode.OFF else (mode,))


def _submitted(entry: ReleaseEntry | None, service: str) -> str:
    if entry is None:
        return f"no: these are the files of now; `wardgate release new {service}` submits them"
    return f"{day(entry.submitted_at)} by {entry.submitted_by}"


def _rollouts(digest: str, known: Known) -> str:
    if known.rollouts is None:
        return f"not known: {known.why}"
    return "; ".join(uses(digest, known.rollouts)) or "none names it"


def uses(digest: str, rollouts: Mapping[str, Rollout]) -> list[str]:
    told = []
    for service, rollout in sorted(rollouts.items()):
        if rollout.champion == digest:
            told.append(f"{service}: champion, {rollout.mode.value}")
        if rollout.challenger is not None and rollout.challenger.release == digest:
            told.append(f"{service}: challenger")
        if digest in rollout.shadows:
            told.append(f"{service}: shadow")
    return told


def _of_release(release: ReleasePlan, today: str) -> Iterable[tuple[str, str]]:
    dossier, protocol = release.dossier, release.endpoint.protocol
    told = f"{protocol.model_name} {protocol.model_version}" if isinstance(protocol, Oip) else release.model
    yield "model", f"{told} at {release.endpoint.url}, with {len(release.probes.probes)} probes"
    yield "artifact", dossier.artifact or ""
    yield "features", release.schema_version
    yield "use", dossier.intended_use or ""
    yield "changelog", dossier.changelog or ""
    yield "review", review(dossier, today)
    yield from _several("evidence", evidence(dossier), "none")
    yield from _several("limitation", limitations(dossier), "none is stated")


def review(dossier: Dossier, today: str) -> str:
    match dossier.review(today):
        case Review.NONE:
            return "no date is set"
        case Review.EXPIRED:
            return f"OVERDUE since {dossier.review_by}"
        case Review.CURRENT:
            return f"by {dossier.review_by}"


def evidence(dossier: Dossier) -> list[str]:
    return [f"{each.kind.value}: {each.path} (sha256 {each.sha256[:12]})" for each in dossier.evidence]


def limitations(dossier: Dossier) -> list[str]:
    told = []
    for limit in dossier.limitations:
        answer = f"watched by {limit.check}" if limit.check else f"accepted: {limit.accepted}"
        told.append(f"{limit.text} [{answer if limit.answered else 'NOT ANSWERED'}]")
    return told


def _approval(each: Approval) -> str:
    return f"{each.state} by {each.person}, {each.at[:10]} (entry {each.number} of the audit chain)"


def _waiver(each: Waiver) -> str:
    return f"{each.state}, by {', '.join(each.people)}" + ("" if each.holds else ": wants a second person")


def _several(name: str, texts: Sequence[str], otherwise: str) -> Iterable[tuple[str, str]]:
    if not texts:
        yield name, otherwise
    for number, text in enumerate(texts):
        yield ("" if number else name), text


# --- all, and two -----------------------------------------------------------------------------------------------------


def listing(rows: Sequence[Sequence[str]]) -> list[str]:
    head = ("SERVICE", "VERSION", "DIGEST", "STAGE", "SUBMITTED", "IN ROLLOUTS")
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return [
        "  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    ]


def comparison(before: str, after: str, found: Comparison, by_line: bool) -> list[str]:
    lines = [f"before  {before}", f"after   {after}", ""]
    if not found.differences:
        lines.append("Nothing differs that the digest covers.")
    lines += [f"  {plain(str(difference))}" for difference in found.differences]
    if by_line and found.diff:
        lines += ["", *(plain(line) for line in found.diff)]
    return lines
