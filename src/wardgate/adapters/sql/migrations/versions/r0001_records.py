"""Decisions, cards, feedback, outcomes, the access log, custody."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NAME = sa.Text().with_variant(TEXT(collation="C"), "postgresql")
_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    _decisions()
    _feedback()
    _outcomes()
    _custody()


def _decisions() -> None:
    op.create_table(
        "decisions",
        sa.Column("decision_id", _NAME, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("of_id", _NAME),
        sa.Column("service_id", _NAME, nullable=False),
        sa.Column("hook_instance", _NAME),
        sa.Column("release_digest", _NAME),
        sa.Column("visible", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("decision_id", "at", name="decisions_pkey"),
        postgresql_partition_by="RANGE (at)",
    )
    op.create_index("decisions_at", "decisions", ["at", "decision_id"])
    _partial_index("decisions_of", "decisions", ["of_id"], "of_id IS NOT NULL")
    _partial_index("decisions_hook_instance", "decisions", ["hook_instance"], "hook_instance IS NOT NULL")
    _partial_index("decisions_shown", "decisions", ["release_digest", "at", "decision_id"], "visible")
    op.create_table(
        "cards",
        sa.Column("card_key", _NAME, nullable=False),
        sa.Column("decision_id", _NAME, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("card_key", "decision_id", "at", name="cards_pkey"),
        postgresql_partition_by="RANGE (at)",
    )
    op.create_index("cards_at", "cards", ["at"])
    if op.get_bind().dialect.name == "postgresql":  # what no partition has been made for yet; see partitions.py
        op.execute("CREATE TABLE decisions_rest PARTITION OF decisions DEFAULT")
        op.execute("CREATE TABLE cards_rest PARTITION OF cards DEFAULT")
    op.create_table(
        "releases",
        sa.Column("digest", _NAME, primary_key=True),
        sa.Column("model", _NAME, nullable=False),
        sa.Column("version", _NAME, nullable=False),
    )


def _feedback() -> None:
    op.create_table(
        "feedback",
        sa.Column("report", _NAME, primary_key=True),
        sa.Column("received", sa.Double, nullable=False),
        sa.Column("card_key", _NAME, nullable=False),
        sa.Column("client", _NAME, nullable=False),
        sa.Column("service_id", _NAME, nullable=False),
        sa.Column("entry", sa.Text, nullable=False),
    )
    op.create_index("feedback_received", "feedback", ["received", "report"])
    op.create_index("feedback_card", "feedback", ["card_key"])


def _outcomes() -> None:
    op.create_table(
        "outcome_batches",
        sa.Column("digest", _NAME, nullable=False),
        sa.Column("source", _NAME, nullable=False),
        sa.Column("received", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("digest", "source", name="outcome_batches_pkey"),
    )
    op.create_table(
        "outcomes",
        sa.Column("id", _ROW_ID, primary_key=True, autoincrement=True),
        sa.Column("subject", _NAME, nullable=False),
        sa.Column("label", _NAME, nullable=False),
        sa.Column("event", _NAME, nullable=False),
        sa.Column("source", _NAME, nullable=False),
        sa.Column("value", sa.Double, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("received", sa.Double, nullable=False),
        sa.Column("superseded", sa.Double),
    )
    current = ["subject", "label", "event", "source"]
    _partial_index("outcomes_current", "outcomes", current, "superseded IS NULL", unique=True)
    op.create_index("outcomes_received", "outcomes", ["received"])


def _custody() -> None:
    op.create_table(
        "access",
        sa.Column("id", _ROW_ID, primary_key=True, autoincrement=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("principal", _NAME, nullable=False),
        sa.Column("action", _NAME, nullable=False),
        sa.Column("subject", _NAME, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
    )
    op.create_index("access_at", "access", ["at", "id"])
    op.create_table(
        "custody",
        sa.Column("pseudonym", _NAME, primary_key=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("noted", sa.Double, nullable=False),
    )
    op.create_index("custody_noted", "custody", ["noted"])


def _partial_index(name: str, table: str, columns: list[str], where: str, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=unique, postgresql_where=condition, sqlite_where=condition)
