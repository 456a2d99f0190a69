"""The desk of a configuration's records, and what the configuration says of them."""

from collections.abc import Callable

from wardgate.bootstrap.configured import Configured
from wardgate.bootstrap.durable import archive_of
from wardgate.bootstrap.machine import SystemClock
from wardgate.bootstrap.models import releases_of
from wardgate.domain import record_names
from wardgate.domain.plans import ReleasePlan
from wardgate.domain.pseudonyms import KeyRing
from wardgate.domain.record_names import RecordNames
from wardgate.records.archive import Archive
from wardgate.records.desk import Facts, RecordsDesk
from wardgate.records.story import ReleaseNow, words_of

_DEMO_APPROVALS = "insecure_demo stands for all approvals"


def desk_of(archive: Archive, names: RecordNames, configured: Callable[[], Configured]) -> RecordsDesk:
    """`configured` gives what is in force now."""
    return RecordsDesk(archive, names, SystemClock.now, lambda: facts_of(configured()))


def open_desk(configured: Configured, current: Callable[[], Configured] | None = None) -> RecordsDesk:
    """With the key and the store that the configuration names; nobody is asked yet. `current` gives what is in force
    later; None: for one command, the same."""
    names = RecordNames(KeyRing(configured.secrets.pseudonym))
    assert configured.secrets.durable is not None
    archive = archive_of(configured.secrets.durable, lambda uuid: names.of(record_names.card(uuid)))
    return desk_of(archive, names, current or (lambda: configured))


def facts_of(configured: Configured) -> Facts:
    settings, catalog = configured.settings, configured.answers
    approvals = _DEMO_APPROVALS if settings.insecure_demo else ""
    return Facts(
        {client.name: client for client in settings.clients},
        catalog.follow_ups(),
        {digest: _now(release, approvals) for digest, release in releases_of(catalog).items()},
        frozenset([plan.id for plan in catalog.plans()]),
    )


def _now(release: ReleasePlan, approvals: str) -> ReleaseNow:
    specs = release.extractor.schema.features
    return ReleaseNow({spec.name: words_of(spec.bins, spec.unit) for spec in specs if spec.bins}, approvals)
