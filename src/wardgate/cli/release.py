"""`wardgate release`: submit what the files say of a release, look at it, compare, verify, retire. In the store itself,
as `wardgate token` does."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from wardgate.adapters.files.comparison import compared
from wardgate.adapters.files.content import ContentRefused, compile_content, content_of
from wardgate.adapters.files.whole import whole_file
from wardgate.cli import release_view as view
from wardgate.cli.audit import CannotTell, os_principal, told
from wardgate.cli.check import Examination, examine
from wardgate.cli.clock import now, today
from wardgate.control.audit import AuditUnavailable
from wardgate.control.chain_reader import ChainBroken
from wardgate.control.ports import Content, ReleaseEntry, StoreUnavailable
from wardgate.control.releases import By, ReleaseRefused
from wardgate.domain.approvals import subject_of
from wardgate.domain.documents import Document
from wardgate.domain.errors import ConfigurationError
from wardgate.domain.plans import Catalog, ReleasePlan
from wardgate.domain.releases import Review, short
from wardgate.domain.rollout.rollouts import Rollout
from wardgate.settings import Secrets, Settings, read_secrets

if TYPE_CHECKING:
    from wardgate.bootstrap.releases import Releases


class _Ground(msgspec.Struct, frozen=True):
    config: Path
    document: Document
    settings: Settings
    catalog: Catalog
    secrets: Secrets
    releases: "Releases"

    def files(self, service: str, version: str | None = None) -> tuple[Content, Catalog]:
        """What the files give now; of the champion that they name, where no version is given."""
        return content_of(self.document, self.config, service, version or self.champion(service))

    def champion(self, service: str) -> str:
        by_hook = self.catalog.services.get(service)
        if by_hook is None:
            there = ", ".join(sorted(self.catalog.services))
            raise CannotTell(f"There is no service {service}. There is: {there}.")
        plan = next(iter(by_hook.values()))
        return plan.releases[self.catalog.rollouts[service].champion].version

    def kept(self, entry: ReleaseEntry) -> tuple[Content, Catalog]:
        content = self.releases.desk.store.content(entry.digest)
        if content is None:
            raise CannotTell("Its content is not in the store any more. Restore the store from a backup.")
        try:
            return content, compile_content(self.document, content)
        except ContentRefused as error:
            raise ConfigurationError(error.findings) from None

    def rollouts(self) -> tuple[dict[str, Rollout] | None, str]:
        """None, and why, where they cannot be read."""
        try:
            return dict(self.releases.decisions.rollouts()), ""
        except StoreUnavailable as error:
            return None, error.meaning

    def said(self, service: str, digest: str) -> view.Said:
        subject = subject_of(service, digest)
        try:
            ledger = self.releases.chain.read()
        except (AuditUnavailable, ChainBroken) as error:
            return view.Said(trouble=error.meaning)
        return view.Said(ledger.approvals(subject), ledger.waivers(subject, now()))


def new(config: Path, service: str, version: str | None, by: tuple[str, str]) -> int:
    """0: submitted; 1: not."""
    with told() as result, _ground(config) as ground:
        content, catalog = ground.files(service, version)
        release = _release(catalog)
        _require_answers(release)
        entry = ground.releases.desk.submit(_by(by), content, release.file)
        print(f"submitted: {view.named(service, entry.version, entry.digest)}, {view.contents(content)}")
        print(f"{entry.digest}")
        for line in (*view.evidence(release.dossier), *view.limitations(release.dossier)):
            print(f"  {view.plain(line)}")
        if release.dossier.review(today()) is Review.EXPIRED:
            print(f"  review {view.review(release.dossier, today())}")
        print("It waits for approvals: they belong to this digest, and an edit of any of these files is another one.")
        result.code = 0
    return result.code


def listing(config: Path, service: str | None) -> int:
    with told() as result, _ground(config) as ground:
        rollouts, why = ground.rollouts()
        entries = ground.releases.desk.store.entries(service)
        for digest, release in _unsubmitted(ground, service, {entry.digest for entry in entries}):
            entries = [*entries, ReleaseEntry(digest, release.service_id, release.model, release.version, "", 0.0, "")]
        rows = []
        for entry in sorted(entries, key=lambda entry: (entry.service, entry.submitted_at or float("inf"))):
            draft = not entry.submitted_by
            stage = view.stage_of(None if draft else entry, ground.said(entry.service, entry.digest))
            used = "?" if rollouts is None else "; ".join(view.uses(entry.digest, rollouts))
            when = "" if draft else f"{view.day(entry.submitted_at)} {entry.submitted_by}"
            rows.append((entry.service, entry.version, short(entry.digest), str(stage), when, used))
        print("\n".join(view.listing(rows)))
        if why:
            print(f"rollouts are not known: {why}", file=sys.stderr)
        result.code = 0
    return result.code


def show(config: Path, service: str, name: str | None, folder: Path | None) -> int:
    with told() as result, _ground(config) as ground:
        entry, content, catalog = _named(ground, service, name)
        rollouts, why = ground.rollouts()
        said = ground.said(service, content.digest)
        print("\n".join(view.show(view.Known(content, entry, catalog, said, rollouts, why), today())))
        if folder is not None:
            _write(folder, content)
            print(f"its files: {folder} (0600)")
        result.code = 0
    return result.code


def diff(config: Path, service: str, before: str | None, after: str | None, by_line: bool) -> int:
    """0: they are the same, as far as the digest goes; 1: not the same, or it cannot be told."""
    with told() as result, _ground(config) as ground:
        one = _named(ground, service, before)[1] if before is not None else _champion(ground, service)
        other = _named(ground, service, after)[1] if after is not None else ground.files(service, one.version)[0]
        names = [view.named(service, each.version, each.digest) for each in (one, other)]
        names[1] += "" if after is not None else ", the files of now"
        found = compared(one, other)
        print("\n".join(view.comparison(names[0], names[1], found, by_line)))
        if after is None and one.digest != other.digest:
            print(f"\nThe files wait: what was decided goes on. `wardgate release new {service}` submits them.")
        result.code = 0 if one.digest == other.digest else 1
    return result.code


def verify(config: Path, service: str, name: str | None, offline: bool) -> int:
    """0: what was kept is whole, and the endpoint proves that it runs it; 1: not."""
    with told() as result, _ground(config) as ground:
        entry, content, catalog = _named(ground, service, name)
        release = _release(catalog)
        kept = "the files of now compile" if entry is None else "what was kept is whole: it compiles"
        print(f"{kept} to {content.digest}")
        for line in view.evidence(release.dossier):
            print(f"  {view.plain(line)}")
        result.code = 0 if offline else _probe(ground, release)
    return result.code


def retire(config: Path, service: str, name: str, at: float | None, cancel: bool, by: tuple[str, str]) -> int:
    with told() as result, _ground(config) as ground:
        desk = ground.releases.desk
        entry = desk.find(service, name)
        release = view.named(service, entry.version, entry.digest)
        if cancel:
            desk.announce(_by(by), entry, None)
            print(f"{release} stays")
        elif at is not None:
            desk.announce(_by(by), entry, at)
            print(f"{release} may be retired from {view.day(at)} on: run this again then, without --at")
            for line in desk.dependents(entry):
                print(f"  until then: {line}")
        else:
            desk.retire(_by(by), entry)
            print(f"{release} is retired; its content and evidence stay in the store")
        result.code = 0
    return result.code


# --- beneath ----------------------------------------------------------------------------------------------------------


@contextmanager
def _ground(config: Path) -> Iterator[_Ground]:
    from wardgate.bootstrap.releases import releases

    examination = examine(config)
    settings, catalog, document = _sound(examination)
    secrets = read_secrets(settings, document, config.parent)
    if secrets.durable is None:
        raise CannotTell("Releases are kept in the durable store, and there is none: see `stores.durable`.")
    try:
        with releases(secrets, document, catalog) as opened:
            yield _Ground(config, document, settings, catalog, secrets, opened)
    except StoreUnavailable as error:
        raise CannotTell(error.meaning) from None
    except ReleaseRefused as error:
        raise CannotTell("\n".join(filter(None, (error.what, error.remedy)))) from None


def _sound(examination: Examination) -> tuple[Settings, Catalog, Document]:
    settings, catalog, document = examination.settings, examination.catalog, examination.document
    if examination.errors or settings is None or catalog is None or document is None:
        raise ConfigurationError(examination.errors)
    return settings, catalog, document


def _by(said: tuple[str, str]) -> By:
    return By(os_principal(), *said)


def _release(catalog: Catalog) -> ReleasePlan:
    return next(release for plan in catalog.plans() for release in plan.releases.values())


def _require_answers(release: ReleasePlan) -> None:
    missing = [str(number + 1) for number in release.dossier.unanswered]
    if missing:
        what = f"Nobody has answered limitation {', '.join(missing)} of the release."
        raise CannotTell(
            f"{what}\nName the exclusion that watches over it (`check`), or say why none has to (`accepted`)."
        )


def _named(ground: _Ground, service: str, name: str | None) -> tuple[ReleaseEntry | None, Content, Catalog]:
    """As it was kept, where it was submitted; what the files give else. Without a name, that of the files' champion."""
    if name is not None and name != "files":
        try:
            entry = ground.releases.desk.find(service, name)
        except ReleaseRefused:
            if not _has_file(ground, service, name):
                raise
        else:
            return entry, *ground.kept(entry)
    content, catalog = ground.files(service, None if name in (None, "files") else name)
    known = [entry for entry in ground.releases.desk.store.entries(service) if entry.digest == content.digest]
    return (known[0] if known else None), content, catalog


def _has_file(ground: _Ground, service: str, version: str) -> bool:
    try:
        ground.files(service, version)
    except ConfigurationError:
        return False
    return True


def _champion(ground: _Ground, service: str) -> Content:
    """What was decided on."""
    rollouts, why = ground.rollouts()
    if rollouts is None:
        raise CannotTell(f"What was decided cannot be read: {why}")
    if service not in rollouts:
        ground.champion(service)  # says which there are
    digest = rollouts[service].champion
    content = ground.releases.desk.store.content(digest)
    if content is not None:
        return content
    content, _ = ground.files(service)
    if content.digest != digest:
        raise CannotTell(f"The champion of {service} ({short(digest)}) is neither kept nor what the files give.")
    return content


def _unsubmitted(ground: _Ground, service: str | None, known: set[str]) -> list[tuple[str, ReleasePlan]]:
    found = {
        digest: release
        for plan in ground.catalog.plans()
        for digest, release in plan.releases.items()
        if digest not in known and service in (None, plan.id)
    }
    return list(found.items())


def _probe(ground: _Ground, release: ReleasePlan) -> int:
    from wardgate.cli import probes

    try:
        replies = asyncio.run(probes.ask(ground.settings, release))
    except probes.CannotProbe as error:
        raise CannotTell(f"{error.what}\n{error.remedy}") from None
    probes.show(release, replies, sys.stdout)
    return probes.verdict(release, replies, sys.stdout)


def _write(folder: Path, content: Content) -> None:
    """Into a new folder, as they stood beside each other; what stood elsewhere goes into `elsewhere`."""
    if folder.exists():
        raise CannotTell(f"{folder} is there already: name a new folder")
    for number, (place, held) in enumerate(sorted(content.files.items())):
        inside = os.path.normpath(os.path.join("config", place))
        if os.path.isabs(inside) or inside.startswith(".."):
            inside = os.path.join("elsewhere", f"{number}-{os.path.basename(place)}")
        path = folder / inside
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.write(held)
