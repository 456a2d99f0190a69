"""What answers: the files as they are, and beside them what was kept of releases that people decided on.

A release that was decided on and that no file gives is read from the durable store, compiled under the `wardgate.yaml`
in force, and remembered. So is what files gave before they were edited: whoever edits a file takes nothing away, and
needs no store for that.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from wardgate.adapters.files.content import ContentRefused, compile_content
from wardgate.adapters.files.digest import digest_of
from wardgate.adapters.logs.events import EventLog
from wardgate.adapters.sql.releases import SqlReleaseStore
from wardgate.bootstrap.configured import Configured
from wardgate.control.ports import ReleaseEntry, StoreUnavailable
from wardgate.control.releases import changed_files
from wardgate.domain.documents import Document
from wardgate.domain.editions import Lack, Pending, assemble, pending, wanted
from wardgate.domain.findings import Finding
from wardgate.domain.plans import Catalog
from wardgate.domain.releases import short
from wardgate.domain.rollout.rollouts import Rollout

_MOST = 64
"""Editions that are remembered."""

Rollouts = Mapping[str, Rollout]


@dataclass(frozen=True, slots=True)
class Fitted:
    """`again`: something may yet be found, in a store that did not answer."""

    configured: Configured
    lacks: tuple[Lack, ...] = ()
    waiting: tuple[Pending, ...] = ()
    again: bool = False

    @property
    def incomplete(self) -> bool:
        return self.again or bool(self.lacks)


class Editions:
    """Blocking: for threads, one at a time. What `edited` says is as of the last look at the store."""

    def __init__(self, store: SqlReleaseStore, log: EventLog) -> None:
        self._store, self._log = store, log
        self._compiled: OrderedDict[tuple[str, str], Catalog] = OrderedDict()
        self._given: OrderedDict[str, Catalog] = OrderedDict()
        self._entries: tuple[ReleaseEntry, ...] = ()
        self._away: set[str] = set()
        self._told: set[Finding] = set()

    def close(self) -> None:
        self._store.close()

    def look(self) -> bool:
        """Whether the store said what it keeps."""
        try:
            self._entries = tuple(self._store.entries())
        except StoreUnavailable:
            return False
        return True

    def edited(self, catalog: Catalog) -> tuple[Finding, ...]:
        """Release files that are not what was submitted under their version."""
        told = changed_files(catalog, self._entries)
        return tuple(Finding("", 0, f"models.{model}.{version}", what, remedy) for model, version, what, remedy in told)

    def fitted(self, configured: Configured, rollouts: Rollouts, edited: Iterable[Finding] = ()) -> Fitted:
        """`configured` as the files say, with what answers beside it: what does so now (`configured.answers`), where
        that is the same. `edited` is told, too."""
        files, document = configured.catalog, configured.document
        self._remember(files)
        self._away.clear()
        found = {digest: self._edition(digest, document) for digest in wanted(files, rollouts)}
        kept = {digest: catalog for digest, catalog in found.items() if catalog is not None}
        assembly = assemble(files, kept, rollouts)
        waiting = pending(files, rollouts, _versions(assembly.catalog))
        if assembly.catalog != configured.answers:
            configured = replace(configured, answering=assembly.catalog)
        fitted = Fitted(configured, assembly.lacks, waiting, bool(self._away))
        self._tell(fitted, edited)
        return fitted

    def _edition(self, digest: str, document: Document | None) -> Catalog | None:
        """What was kept, else what files gave when they still did."""
        catalog = None if document is None else self._of_store(digest, document)
        return catalog or self._given.get(digest)

    def _of_store(self, digest: str, document: Document) -> Catalog | None:
        key = (digest, digest_of(document.data))
        if key not in self._compiled:
            try:
                content = self._store.content(digest)
            except StoreUnavailable:
                self._away.add(digest)
                return None
            if content is None:
                return None
            try:
                self._compiled[key] = compile_content(document, content)
            except ContentRefused as error:
                for finding in error.findings:
                    self._log.finding("error", finding)
                return None
            _bound(self._compiled)
        return self._compiled[key]

    def _remember(self, files: Catalog) -> None:
        for plan in files.plans():
            for digest in plan.releases:
                self._given[digest] = files
                self._given.move_to_end(digest)
        _bound(self._given)

    def _tell(self, fitted: Fitted, edited: Iterable[Finding]) -> None:
        """Once, until it is over."""
        findings = set(edited)
        findings |= {_of_lack(lack) for lack in fitted.lacks} | {_of_pending(waiting) for waiting in fitted.waiting}
        for finding in sorted(findings - self._told, key=lambda finding: finding.key):
            self._log.finding("warning" if finding.warning else "error", finding)
        self._told = findings


def _of_lack(lack: Lack) -> Finding:
    what = f"release {short(lack.digest)} was decided on, and cannot answer: {lack.why} (wardgate release list)"
    if not lack.hides:
        what += "; whoever would have seen it sees the champion"
    remedy = "put its files back and submit them, or change the rollout"
    return Finding("", 0, lack.service_id, what, remedy, warning=not lack.hides)


def _of_pending(waiting: Pending) -> Finding:
    goes_on = f"{short(waiting.decided)} was decided on, and goes on"
    what = f"the files of {waiting} wait: {goes_on} (wardgate release diff {waiting.service_id})"
    remedy = f"`wardgate release new {waiting.service_id}` submits them"
    return Finding("", 0, waiting.service_id, what, remedy, warning=True)


def _versions(catalog: Catalog) -> dict[str, str]:
    return {release.digest: release.version for plan in catalog.plans() for release in plan.releases.values()}


def _bound(held: OrderedDict[str, Catalog] | OrderedDict[tuple[str, str], Catalog]) -> None:
    while len(held) > _MOST:
        held.popitem(last=False)
