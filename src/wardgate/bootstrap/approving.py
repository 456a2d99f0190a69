"""Who may approve what, and the gates: put together of the chain, the releases, the records and the configuration."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

import msgspec

from wardgate.adapters.files.content import ContentRefused, compile_content
from wardgate.bootstrap.audit import anchored_by, deed_seal
from wardgate.bootstrap.configured import Configured
from wardgate.bootstrap.machine import SystemClock
from wardgate.control.approvals import ApprovalDesk
from wardgate.control.audit import AuditTrail
from wardgate.control.chain_reader import ChainReader
from wardgate.control.gates import Current, Gates, Proves, ReleaseFacts
from wardgate.control.ports import ReleaseStore
from wardgate.domain.documents import Document
from wardgate.domain.gates import Reading
from wardgate.domain.governance import Figure, higher_tier
from wardgate.domain.plans import Catalog, ReleasePlan
from wardgate.domain.record_names import RecordNames
from wardgate.records.archive import Archive
from wardgate.records.evidence import EvidenceDesk

_DAY = 86400.0
_MOST_COMPILED = 64


class Known(msgspec.Struct, frozen=True):
    """A release of a service, wherever it is known from."""

    digest: str
    version: str
    submitted: bool


class ReleaseBook:
    """Releases by digest: those that the files give, and those whose content was submitted. Blocking, thread-safe; all
    raise StoreUnavailable."""

    def __init__(
        self, files: Callable[[], Catalog], config: Callable[[], Document | None], store: ReleaseStore
    ) -> None:
        """`config` gives the `wardgate.yaml` in force, under which content is compiled; None: nothing can be."""
        self._files, self._config, self._store = files, config, store
        self._compiled: dict[str, Catalog | None] = {}
        self._under: Document | None = None

    def known(self, service: str) -> tuple[Known, ...]:
        """Those that were submitted first, the oldest first."""
        found = {each.digest: Known(each.digest, each.version, True) for each in self._store.entries(service)}
        for release in _releases(self._files(), service):
            found.setdefault(release.digest, Known(release.digest, release.version, False))
        return tuple(found.values())

    def plan(self, service: str, digest: str) -> ReleasePlan | None:
        found = (each for each in _releases(self._catalog(service, digest), service) if each.digest == digest)
        return next(found, None)

    def facts(self, service: str, digest: str) -> ReleaseFacts | None:
        release = self.plan(service, digest)
        if release is None:
            return None
        plans = self._catalog(service, digest).services[service].values()
        tiers = [plan.risk_tier for plan in plans if digest in plan.releases]
        return facts_of(release, higher_tier(*tiers))

    def tier(self, service: str, digest: str) -> str | None:
        facts = self.facts(service, digest)
        return None if facts is None else facts.tier

    def _catalog(self, service: str, digest: str) -> Catalog:
        files = self._files()
        if any(release.digest == digest for release in _releases(files, service)):
            return files
        config = self._config()
        if config is not self._under:
            self._compiled, self._under = {}, config
        if config is None:
            return Catalog({}, {})
        if digest not in self._compiled:
            if len(self._compiled) >= _MOST_COMPILED:
                self._compiled.clear()
            self._compiled[digest] = self._of_store(service, digest, config)
        return self._compiled.get(digest) or Catalog({}, {})

    def _of_store(self, service: str, digest: str, config: Document) -> Catalog | None:
        content = self._store.content(digest)
        if content is None or content.service != service:
            return None
        try:
            return compile_content(config, content)
        except ContentRefused:
            return None


def _releases(catalog: Catalog, service: str) -> Iterator[ReleasePlan]:
    seen = set()
    for plan in catalog.services.get(service, {}).values():
        for digest, release in plan.releases.items():
            if digest not in seen:
                seen.add(digest)
                yield release


def facts_of(release: ReleasePlan, tier: str) -> ReleaseFacts:
    dossier = release.dossier
    return ReleaseFacts(
        release.service_id,
        release.digest,
        release.model,
        release.version,
        tier,
        frozenset(spec.name for spec in release.extractor.schema.features if spec.required),
        None if dossier.review_by is None else _end_of(dossier.review_by),
        dict(Counter(each.kind.value for each in dossier.evidence)),
    )


def _end_of(day: str) -> float:
    """Epoch seconds at which a day of UTC is over."""
    return datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() + _DAY


@dataclass(frozen=True, slots=True)
class Governed:
    """For whoever raises, approves or asks."""

    book: ReleaseBook
    reader: ChainReader
    desk: ApprovalDesk
    gates: Gates


def governed(
    configured: Callable[[], Configured],
    trail: AuditTrail,
    releases: ReleaseStore,
    archive: Archive,
    names: RecordNames,
    proves: Proves,
    current: Current,
) -> Governed:
    """`configured` gives what is in force now, `current` what is decided of a service."""
    book = ReleaseBook(lambda: configured().catalog, lambda: configured().document, releases)
    secrets = configured().secrets
    reader = ChainReader(trail.store, anchored_by(secrets), deed_seal(secrets))
    evidence = EvidenceDesk(archive, names, lambda: _zones(configured()), SystemClock.now, SystemClock.monotonic)

    def figures(facts: ReleaseFacts, wanted: Collection[Figure], who: str) -> Mapping[Figure, Reading]:
        return evidence.figures(facts.service, facts.digest, facts.required, wanted, who)

    desk = ApprovalDesk(reader, trail, book.tier, SystemClock.now)
    gates = Gates(
        reader, book.facts, figures, proves, current, SystemClock.now, lambda: configured().settings.insecure_demo
    )
    return Governed(book, reader, desk, gates)


def _zones(configured: Configured) -> Mapping[str, tzinfo]:
    return {client.name: client.zone for client in configured.settings.clients}
