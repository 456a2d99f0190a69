"""The desk of releases on the stores that the configuration names."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from wardgate.adapters.files.content import ContentRefused, compile_content
from wardgate.adapters.sql.snapshots import SqlSnapshotStore
from wardgate.bootstrap.audit import audit_store_of, audit_trail, database_of, deed_seal, release_store_of
from wardgate.bootstrap.machine import SystemClock
from wardgate.control.audit import AuditUnavailable
from wardgate.control.chain_reader import ChainReader
from wardgate.control.decisions import Decisions
from wardgate.control.ports import Content
from wardgate.control.releases import ReleaseDesk, ReleaseRefused
from wardgate.control.snapshots import Sealer
from wardgate.domain.documents import Document
from wardgate.domain.plans import Catalog
from wardgate.domain.pseudonyms import KeyRing, Purpose
from wardgate.settings import Secrets


@dataclass(frozen=True, slots=True)
class Releases:
    """All that is known of releases: what was kept, what was decided, what was said."""

    desk: ReleaseDesk
    decisions: Decisions
    chain: ChainReader


@contextmanager
def releases(secrets: Secrets, document: Document, catalog: Catalog) -> Iterator[Releases]:
    """`document` is the `wardgate.yaml` in force, `catalog` what the files give. There must be a durable store."""
    assert secrets.durable is not None
    store, chain = release_store_of(secrets.durable), audit_store_of(secrets.durable)
    snapshots = SqlSnapshotStore(database_of(secrets.durable))
    trail = audit_trail(secrets, chain)
    sealer = Sealer(KeyRing(secrets.pseudonym).keys(Purpose.STORE)) if secrets.pseudonym else None
    decisions = Decisions(snapshots, sealer, catalog.rollouts)

    reader = ChainReader(chain, seal=deed_seal(secrets))
    desk = ReleaseDesk(
        store, trail, decisions, lambda content: must_be_whole(document, content), SystemClock.now, submitted_in(reader)
    )

    try:
        yield Releases(desk, decisions, reader)
        with suppress(AuditUnavailable, OSError):  # what was kept is chained by the gateway
            trail.chain_spooled()
    finally:
        for each in (store, chain, snapshots):
            each.close()


def submitted_in(reader: ChainReader) -> Callable[[str], bool]:
    """Whether a submission of this subject counts. Raises AuditUnavailable and ChainBroken."""
    return lambda subject: bool(reader.read().authors(subject))


def must_be_whole(document: Document, content: Content) -> None:
    """Raises ReleaseRefused for what does not compile to the digest that it is kept under."""
    try:
        compile_content(document, content)
    except ContentRefused as error:
        told = error.findings[0]
        at = f"{told.file}: {told.key}: " if told.file else ""
        raise ReleaseRefused(f"What was kept of it is not whole: {at}{told.what}.", told.remedy) from None
