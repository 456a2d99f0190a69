"""The tables, the same in both databases.

A record stands whole, as JSON, in one column; beside it only what is searched. PostgreSQL keeps `decisions` and
`cards` in partitions, one a month, so `at` belongs to their keys.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import TEXT

VERSION_TABLE = "wardgate_version"
"""Which migrations the store has seen."""

NAME = Text().with_variant(TEXT(collation="C"), "postgresql")
"""Ids and names are compared as bytes."""

_ROW_ID = BigInteger().with_variant(Integer, "sqlite")

METADATA = MetaData()

DECISIONS = Table(
    "decisions",
    METADATA,
    Column("decision_id", NAME, nullable=False),
    Column("at", Double, nullable=False),  # the call's clock, epoch seconds
    Column("of_id", NAME),  # of a shadow record: the decision that it stands beside
    Column("service_id", NAME, nullable=False),
    Column("hook_instance", NAME),
    Column("release_digest", NAME),
    Column("visible", Boolean(create_constraint=False), nullable=False),
    Column("record", Text, nullable=False),
    PrimaryKeyConstraint("decision_id", "at", name="decisions_pkey"),
    Index("decisions_at", "at", "decision_id"),
    Index("decisions_of", "of_id", postgresql_where=text("of_id IS NOT NULL"), sqlite_where=text("of_id IS NOT NULL")),
    Index(
        "decisions_hook_instance",
        "hook_instance",
        postgresql_where=text("hook_instance IS NOT NULL"),
        sqlite_where=text("hook_instance IS NOT NULL"),
    ),
    Index(
        "decisions_shown",
        "release_digest",
        "at",
        "decision_id",
        postgresql_where=text("visible"),
        sqlite_where=text("visible"),
    ),
    postgresql_partition_by="RANGE (at)",
)

CARDS = Table(
    "cards",
    METADATA,
    Column("card_key", NAME, nullable=False),
    Column("decision_id", NAME, nullable=False),
    Column("at", Double, nullable=False),  # the decision's
    PrimaryKeyConstraint("card_key", "decision_id", "at", name="cards_pkey"),
    Index("cards_at", "at"),
    postgresql_partition_by="RANGE (at)",
)

RELEASES = Table(
    "releases",
    METADATA,
    Column("digest", NAME, primary_key=True),
    Column("model", NAME, nullable=False),
    Column("version", NAME, nullable=False),
)
"""The releases of all decisions that ever came here."""

FEEDBACK = Table(
    "feedback",
    METADATA,
    Column("report", NAME, primary_key=True),  # SHA-256 of the entry without the time at which it came
    Column("received", Double, nullable=False),
    Column("card_key", NAME, nullable=False),
    Column("client", NAME, nullable=False),
    Column("service_id", NAME, nullable=False),
    Column("entry", Text, nullable=False),
    Index("feedback_received", "received", "report"),
    Index("feedback_card", "card_key"),
)

OUTCOME_BATCHES = Table(
    "outcome_batches",
    METADATA,
    Column("digest", NAME, nullable=False),
    Column("source", NAME, nullable=False),
    Column("received", Double, nullable=False),
    PrimaryKeyConstraint("digest", "source", name="outcome_batches_pkey"),
)

OUTCOMES = Table(
    "outcomes",
    METADATA,
    Column("id", _ROW_ID, primary_key=True, autoincrement=True),
    Column("subject", NAME, nullable=False),
    Column("label", NAME, nullable=False),
    Column("event", NAME, nullable=False),
    Column("source", NAME, nullable=False),
    Column("value", Double, nullable=False),
    Column("at", Double, nullable=False),
    Column("received", Double, nullable=False),  # with its batch
    Column("superseded", Double),  # when a later batch corrected it
    Index(
        "outcomes_current",
        "subject",
        "label",
        "event",
        "source",
        unique=True,
        postgresql_where=text("superseded IS NULL"),
        sqlite_where=text("superseded IS NULL"),
    ),
    Index("outcomes_received", "received"),
)

ACCESS = Table(
    "access",
    METADATA,
    Column("id", _ROW_ID, primary_key=True, autoincrement=True),
    Column("at", Double, nullable=False),
    Column("principal", NAME, nullable=False),
    Column("action", NAME, nullable=False),
    Column("subject", NAME, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Index("access_at", "at", "id"),
)

CUSTODY = Table(
    "custody",
    METADATA,
    Column("pseudonym", NAME, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("noted", Double, nullable=False),
    Index("custody_noted", "noted"),
)

AUDIT_CHAIN = Table(
    "audit_chain",
    METADATA,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("id", NAME, nullable=False, unique=True),  # of the event: what is given twice is chained once
    Column("seal", NAME, nullable=False),
    Column("entry", Text, nullable=False),  # the canonical JSON that is sealed; the rest is for looking it up
    Column("at", NAME, nullable=False),
    Column("who", NAME, nullable=False),
    Column("subject", NAME, nullable=False),
    Index("audit_chain_at", "at"),
    Index("audit_chain_who", "who"),
    Index("audit_chain_subject", "subject"),
)

AUDIT_REMARKS = Table(
    "audit_remarks",
    METADATA,
    Column("id", NAME, primary_key=True),  # of the event
    Column("salt", LargeBinary, nullable=False),
    Column("remark", Text, nullable=False),
)

TOKENS = Table(
    "admin_tokens",
    METADATA,
    Column("id", NAME, primary_key=True),
    Column("token", Text, nullable=False),  # as JSON: name, digest of the secret, roles, services, times
    Column("created", Double, nullable=False),
    Column("revoked", Double),
)

RELEASE_CONTENTS = Table(
    "release_contents",
    METADATA,
    Column("digest", NAME, primary_key=True),
    Column("service", NAME, nullable=False),
    Column("model", NAME, nullable=False),
    Column("version", NAME, nullable=False),
    Column("file", NAME, nullable=False),  # digest of the release file alone
    Column("submitted_at", Double, nullable=False),
    Column("submitted_by", NAME, nullable=False),
    Column("retires_at", Double),
    Column("retired_at", Double),
    Column("content", LargeBinary, nullable=False),  # its files, compressed
    Index("release_contents_service", "service", "submitted_at"),
)

SNAPSHOTS = Table(
    "snapshots",
    METADATA,
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("document", LargeBinary, nullable=False),
    Column("mac", NAME, nullable=False),
    Column("at", Double, nullable=False),  # of the change that made it
    Column("by", NAME, nullable=False),
    Column("what", NAME, nullable=False),
    Column("subject", NAME, nullable=False),
    Column("reason", NAME, nullable=False),
    Column("ticket", NAME, nullable=False),
    Index("snapshots_subject", "subject", "epoch"),
)
"""Everything that people have ever decided at run time; append-only."""

REPLICAS = Table(
    "replicas",
    METADATA,
    Column("id", NAME, primary_key=True),
    Column("seen", Double, nullable=False),  # by the store's clock
    Column("replica", Text, nullable=False),  # as JSON
)
