"""Releases from the first submission to the end: kept whole, never changed, retired when nothing depends on them.

    submit ─► store       (approvals belong to the digest, and are `control.approvals`')
    announce ─► store     the first half of a retirement: from when on it may be
    retire ─► does anything depend on it? is what was kept still whole? ─► store, if nothing was decided meanwhile

Each with its entry on the audit chain, in one transaction.

Nothing of this changes what anybody sees: that a rollout names a release is decided elsewhere.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import inf

import msgspec

from wardgate.control.audit import AuditTrail, Happened
from wardgate.control.decisions import Decisions
from wardgate.control.ports import Content, Overtaken, ReleaseEntry, ReleaseState, ReleaseStore
from wardgate.domain.approvals import subject_of
from wardgate.domain.audit import Action, Deed, moment
from wardgate.domain.plans import Catalog
from wardgate.domain.releases import meant, short
from wardgate.domain.rollout.rollouts import Rollout

_TRIES = 8


class ReleaseRefused(Exception):
    """Nothing was changed. `what` and `remedy` are sentences for a person."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__("a release was refused")
        self.what, self.remedy = what, remedy


class By(msgspec.Struct, frozen=True):
    """Who asks, and why, as the audit chain has it."""

    who: str
    reason: str = ""
    ticket: str = ""


@dataclass(frozen=True, slots=True)
class ReleaseOptions:
    way_back: float = 30 * 86400.0
    """Seconds in which an operator may return to a release that was champion: so long it is not retired."""


class ReleaseDesk:
    """Blocking, thread-safe. Everything raises StoreUnavailable, AuditUnavailable and ReleaseRefused. `whole`: raises
    ReleaseRefused where what was kept does not compile to the digest that it is kept under. `stands`: whether the chain
    has a submission of this subject that counts; raises AuditUnavailable and ChainBroken."""

    def __init__(
        self,
        store: ReleaseStore,
        trail: AuditTrail,
        decisions: Decisions,
        whole: Callable[[Content], object],
        now: Callable[[], float],
        stands: Callable[[str], bool],
        options: ReleaseOptions | None = None,
    ) -> None:
        self.store, self._trail, self._decisions = store, trail, decisions
        self._whole, self._now, self._options = whole, now, options or ReleaseOptions()
        self._stands = stands

    def find(self, service: str, name: str) -> ReleaseEntry:
        """By version, digest, or the beginning of a digest (six hex digits at least)."""
        entries = self.store.entries(service)
        digests = meant(name, {entry.digest: entry.version for entry in entries})
        found = [entry for entry in entries if entry.digest in digests]
        if len(found) == 1:
            return found[0]
        if found:
            listed = ", ".join(entry.digest for entry in found)
            raise ReleaseRefused(f"{service} {name} was submitted with several contents.", f"Name one: {listed}.")
        there = ", ".join(f"{entry.version} ({short(entry.digest)})" for entry in entries)
        remedy = f"There is {there}." if there else "`wardgate release new SERVICE` submits one."
        raise ReleaseRefused("No such release of this service was submitted.", remedy)

    def champion(self, service: str) -> ReleaseEntry:
        """The release that is decided on."""
        rollout = self._decisions.rollouts().get(service)
        if rollout is None:
            raise ReleaseRefused("Nothing is decided of such a service.", "`wardgate rollout show` lists them.")
        return self.find(service, rollout.champion)

    def content(self, entry: ReleaseEntry) -> Content:
        content = self.store.content(entry.digest)
        if content is None:
            raise ReleaseRefused("Its content is not in the store any more.", "Restore the store from a backup.")
        return content

    def submit(self, by: By, content: Content, file: str) -> ReleaseEntry:
        """`file`: digest of the release file alone."""
        entry = ReleaseEntry(content.digest, content.service, content.model, content.version, file, self._now(), by.who)
        told = self._told(by, Action.RELEASE_SUBMIT, entry, after=f"{content.service} {content.version}")
        known = self.store.put(content, entry, told)
        if known is None:
            return entry
        if known.digest == content.digest and not self._stands(subject_of(known.service, known.digest)):
            self._trail.store.append([told], self._now())  # it lay under a key that is gone: its content is there
            return known
        edited = changed(content.model, content.version, file, [known])
        if edited is not None and known.digest != content.digest:
            raise ReleaseRefused(*edited)
        what = f"This content was submitted by {known.submitted_by} on {moment(known.submitted_at)[:10]}."
        raise ReleaseRefused(what, f"`wardgate release show {known.service} {short(known.digest)}` tells more.")

    def announce(self, by: By, entry: ReleaseEntry, retires_at: float | None) -> ReleaseEntry:
        """From `retires_at` on it may be retired; None takes that back."""
        if entry.state is ReleaseState.RETIRED:
            raise ReleaseRefused("This release is retired.")
        if retires_at is None and entry.state is not ReleaseState.RETIRING:
            raise ReleaseRefused("Nobody has announced that this release retires.")
        if retires_at is not None and retires_at <= self._now():
            raise ReleaseRefused("That is past.", "Leave the time away to retire it now.")
        said = [None if at is None else moment(at) for at in (entry.retires_at, retires_at)]
        told = self._told(by, Action.RELEASE_RETIRING, entry, before=said[0], after=said[1] or "stays")
        if not self.store.announce(entry.digest, retires_at, told):
            raise ReleaseRefused("It was retired meanwhile.")
        return msgspec.structs.replace(entry, retires_at=retires_at)

    def dependents(self, entry: ReleaseEntry) -> list[str]:
        """What a retirement now would break, as sentences."""
        now, told = self._now(), []
        for service, rollout in sorted(self._decisions.rollouts().items()):
            told += [f"The rollout of {service} names it as {role}." for role in _roles(rollout, entry.digest)]
        way_back = self._options.way_back
        until = self._decisions.champions(entry.service, now - way_back).get(entry.digest)
        if until is not None and not told and until != inf:
            days = f"{moment(until)[:10]}, and is a way back until {moment(until + way_back)[:10]}"
            told.append(f"It was the champion of {entry.service} until {days}.")
        return told

    def retire(self, by: By, entry: ReleaseEntry) -> ReleaseEntry:
        """For good. What was kept of it, evidence included, stays."""
        now = self._now()
        if entry.state is ReleaseState.RETIRED:
            raise ReleaseRefused("This release is retired already.")
        if entry.retires_at is not None and entry.retires_at > now:
            what = f"It was announced to stay until {moment(entry.retires_at)[:16]}Z."
            raise ReleaseRefused(what, "Wait, or take that back first (--cancel).")
        for _ in range(_TRIES):
            with suppress(Overtaken):
                return self._retired(by, entry, now)
        raise ReleaseRefused("Others change the rollouts all the time.", "Ask again.")

    def _retired(self, by: By, entry: ReleaseEntry, now: float) -> ReleaseEntry:
        """Raises Overtaken where something was decided since it was looked at what depends on it."""
        decided = self._decisions.newest().epoch
        told = self.dependents(entry)
        if told:
            remedy = "Change the rollout first, or announce it with --at for a later day."
            raise ReleaseRefused(" ".join(["Something depends on it.", *told]), remedy)
        self._whole(self.content(entry))
        said = self._told(by, Action.RELEASE_RETIRE, entry, before=entry.state.value, after=ReleaseState.RETIRED.value)
        if not self.store.retire(entry.digest, now, said, decided):
            raise ReleaseRefused("It was retired meanwhile.")
        return msgspec.structs.replace(entry, retired_at=now)

    def _told(
        self, by: By, what: Action, entry: ReleaseEntry, before: str | None = None, after: str | None = None
    ) -> Happened:
        subject = subject_of(entry.service, entry.digest)
        try:
            deed = Deed(
                who=by.who, what=what, subject=subject, before=before, after=after, reason=by.reason, ticket=by.ticket
            )
            return self._trail.entry(deed)
        except ValueError:
            remedy = "A reason is a code such as first_release, a ticket has no spaces."
            raise ReleaseRefused("The audit chain does not take this reason or ticket.", remedy) from None


def _roles(rollout: Rollout, digest: str) -> list[str]:
    roles = ["champion"] if rollout.champion == digest else []
    roles += ["challenger"] if rollout.challenger is not None and rollout.challenger.release == digest else []
    return roles + (["shadow"] if digest in rollout.shadows else [])


def changed(model: str, version: str, file: str, entries: Iterable[ReleaseEntry]) -> tuple[str, str] | None:
    """What and remedy, where the file of this release is not what was submitted under its version; None: it is, or
    nothing was submitted. Whatever else the digest covers may change under a version; the file itself says what a
    version is."""
    for entry in entries:
        if (entry.model, entry.version) == (model, version) and entry.file != file:
            what = f"{model}/releases/{version}.yaml is not the file that was submitted as {version}"
            when = f"by {entry.submitted_by} on {moment(entry.submitted_at)[:10]} ({short(entry.digest)})"
            return f"{what} {when}", f"put that file back, and give the edit another version: {version}.yaml stays"
    return None


def changed_files(catalog: Catalog, entries: Sequence[ReleaseEntry]) -> list[tuple[str, str, str, str]]:
    """Of all releases that the files give: model, version, what, remedy."""
    named = {(release.model, release.version): release.file for p in catalog.plans() for release in p.releases.values()}
    told = [(*name, changed(*name, file, entries)) for name, file in named.items()]
    return [(model, version, *edited) for model, version, edited in told if edited is not None]
