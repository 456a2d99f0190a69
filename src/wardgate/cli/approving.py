"""What `gate`, `approve` and `exception` share: the stores opened, the release that is meant, and who is asking.

They work in the durable store itself, as `token` does. Who approves is known by a token, never by an account on the
machine: an account says who may read the store, and not who is a clinician.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from wardgate.cli.audit import CannotTell, now
from wardgate.cli.check import examine
from wardgate.cli.configured import configured_of
from wardgate.control.approvals import ApprovalRefused
from wardgate.control.askers import Asker
from wardgate.control.audit import AuditTrail, AuditUnavailable
from wardgate.control.chain_reader import ChainBroken
from wardgate.control.decisions import Decisions
from wardgate.control.ports import SnapshotStore, StoreUnavailable
from wardgate.control.snapshots import Sealer as SnapshotSealer
from wardgate.control.tokens import TokenStore, TokensUnavailable
from wardgate.domain import record_names
from wardgate.domain.admin_tokens import digest_of
from wardgate.domain.pseudonyms import SECRET_BYTES, KeyRing, Purpose
from wardgate.domain.record_names import RecordNames
from wardgate.domain.releases import meant, short
from wardgate.settings import admin_token

if TYPE_CHECKING:
    from wardgate.adapters.sql.snapshots import SqlReplicas
    from wardgate.bootstrap.approving import Governed, Known
    from wardgate.bootstrap.configured import Configured
    from wardgate.control.withdrawals import Withdrawals


class Open(msgspec.Struct, frozen=True):
    """What a command works with. Raises CannotTell with a sentence for a person."""

    configured: "Configured"
    governed: "Governed"
    withdrawals: "Withdrawals | None"
    """None: without `pseudonym_key`, under `insecure_demo`, a snapshot is sealed by a key of the gateway's start."""
    tokens: TokenStore

    def release(self, service: str, named: str) -> "Known":
        """By version, digest, or the first digits of one."""
        known = self.governed.book.known(service)
        if not known:
            services = ", ".join(sorted(self.configured.catalog.services)) or "none"
            raise CannotTell(f"there is no release of such a service; the services here are: {services}")
        digests = meant(named, {each.digest: each.version for each in known})
        found = [each for each in known if each.digest in digests]
        if len(found) == 1:
            return found[0]
        what = "more than one release is called so" if found else "no release is called so"
        raise CannotTell("\n".join([f"{what}; name it by its digest:", *map(_line, found or known)]))

    def holder(self, reason: str, ticket: str, remark: str) -> Asker:
        secret = admin_token()
        if secret is None:
            what = "who approves shows her token: put it into WARDGATE_TOKEN"
            raise CannotTell(f"{what} (`wardgate token new NAME --role approver-clinical` gives one)")
        digest = digest_of(secret.strip())
        token = next((each for each in self.tokens.all() if each.digest == digest and each.holds(now())), None)
        if token is None:
            raise CannotTell("WARDGATE_TOKEN holds no token that is good: `wardgate token list` shows those that are")
        return Asker(
            who=f"{token.name}/{token.id}",
            roles=frozenset(token.roles),
            services=None if token.services is None else frozenset(token.services),
            reason=reason,
            ticket=ticket,
            remark=remark,
        )


def _line(known: "Known") -> str:
    return f"  {known.version}  {short(known.digest)}  {'submitted' if known.submitted else 'of the files'}"


@contextmanager
def opened(config: Path) -> Iterator[Open]:
    """Raises ConfigurationError, StoreRefused, CannotTell."""
    from wardgate.adapters.sql.snapshots import SqlReplicas, SqlSnapshotStore
    from wardgate.bootstrap.approving import governed
    from wardgate.bootstrap.audit import audit_store_of, audit_trail, database_of, release_store_of, token_store_of
    from wardgate.bootstrap.durable import archive_of

    examination = examine(config)
    configured = configured_of(examination, config.parent)
    secrets = configured.secrets
    if secrets.durable is None:
        raise CannotTell("stores.durable names no store: nothing can be approved, and nothing be shown that needs it")
    place = secrets.durable
    names = RecordNames(KeyRing(secrets.pseudonym or (os.urandom(SECRET_BYTES),)))  # a demo without a key asks nothing
    chain, tokens, releases = audit_store_of(place), token_store_of(secrets, place), release_store_of(place)
    archive = archive_of(place, lambda uuid: names.of(record_names.card(uuid)))
    snapshots, replicas = SqlSnapshotStore(database_of(place)), SqlReplicas(database_of(place))
    sealer = SnapshotSealer(KeyRing(secrets.pseudonym).keys(Purpose.STORE)) if secrets.pseudonym else None
    decisions = Decisions(snapshots, sealer, configured.catalog.rollouts)

    trail = audit_trail(secrets, chain)

    def proves(service: str, digest: str) -> bool | None:
        return _proves(configured, here, service, digest)

    here = governed(
        lambda: configured,
        trail,
        releases,
        archive,
        names,
        proves,
        lambda service: decisions.rollouts().get(service),
    )
    try:
        lower = None if sealer is None else _withdrawals(configured, here, trail, snapshots, replicas, sealer)
        yield Open(configured, here, lower, tokens)
    except ApprovalRefused as error:
        raise CannotTell(f"{error.what} {error.remedy}".strip()) from None
    except (ChainBroken, StoreUnavailable, TokensUnavailable) as error:
        raise CannotTell(error.meaning) from None
    finally:
        with suppress(AuditUnavailable, OSError):  # what was denied is chained by the gateway
            trail.chain_spooled()
        for store in (chain, tokens, releases, archive, snapshots, replicas):
            store.close()


def _withdrawals(
    configured: "Configured",
    here: "Governed",
    trail: AuditTrail,
    snapshots: SnapshotStore,
    replicas: "SqlReplicas",
    sealer: SnapshotSealer,
) -> "Withdrawals":
    """Through the durable store alone: replicas read it twice a second, whatever they hear besides."""
    from wardgate.control.decided import Decided
    from wardgate.control.permits import Permits
    from wardgate.control.settling import Settling
    from wardgate.control.withdrawals import Withdrawals

    def demo() -> bool:
        return configured.settings.insecure_demo

    def highest() -> int:
        return max((each.highest for each in replicas.all()), default=0)

    decided = Decided(snapshots, None, sealer, lambda what: None, highest=highest)
    permits = Permits(here.gates, trail, now, demo, here.gates.put_back_within, lambda service: True)
    settling = Settling(decided, trail, permits, now)
    return Withdrawals(here.desk, here.reader, here.book.facts, decided.newest, settling, demo)


def _proves(configured: "Configured", here: "Governed", service: str, digest: str) -> bool | None:
    """Asks the endpoint for every probe, as the gateway does."""
    import asyncio

    from wardgate.cli.probes import CannotProbe, ask
    from wardgate.domain.inference.probes import agrees

    release = here.book.plan(service, digest)
    if release is None:
        return None
    try:
        replies = asyncio.run(ask(configured.settings, release))
    except CannotProbe:
        return False
    probes = zip(replies, release.probes.probes, strict=True)
    return all(agrees(reply, probe, release.probes.tolerance) for reply, probe in probes)
