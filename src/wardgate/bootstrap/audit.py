"""The audit chain with what belongs to it: its store, its spool, its anchors."""

import os

from wardgate.adapters.aead.anchors import AnchorSigner, NoAnchorKey
from wardgate.adapters.spool.pending import PendingFolder
from wardgate.adapters.sql.chain import SqlAuditStore
from wardgate.adapters.sql.postgres import Postgres, PostgresOptions
from wardgate.adapters.sql.sqlite import Sqlite, SqliteOptions
from wardgate.bootstrap.durable import StoreRefused
from wardgate.bootstrap.parts import DecisionIds, SystemClock
from wardgate.control.audit import AuditTrail
from wardgate.domain.durable import DurablePlace, SqlitePlace
from wardgate.settings import Secrets

_CONNECTIONS = 2
_FOLDER = "audit"
_SALT_BYTES = 32


def audit_store_of(place: DurablePlace) -> SqlAuditStore:
    """Asks nobody yet: it opens with its first use."""
    if isinstance(place, SqlitePlace):
        return SqlAuditStore(Sqlite(place, SqliteOptions(readers=_CONNECTIONS)))
    return SqlAuditStore(Postgres(place, PostgresOptions(connections=_CONNECTIONS)))


def audit_trail(secrets: Secrets, store: SqlAuditStore) -> AuditTrail:
    pending = PendingFolder(secrets.spool / _FOLDER)
    return AuditTrail(store, pending, SystemClock.now, DecisionIds(), lambda: os.urandom(_SALT_BYTES))


def signer_of(secrets: Secrets) -> AnchorSigner | None:
    """None: none is configured. Raises StoreRefused for what is no such key."""
    if secrets.anchor_key is None:
        return None
    try:
        return AnchorSigner(secrets.anchor_key)
    except NoAnchorKey:
        what = "audit.anchor_key names no Ed25519 private key in PEM: openssl genpkey -algorithm Ed25519 -out FILE"
        raise StoreRefused(what) from None
