"""What people decide at run time, and the replicas that answer by it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_NAME = sa.Text().with_variant(TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "snapshots",
        sa.Column("epoch", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("mac", _NAME, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        *[sa.Column(name, _NAME, nullable=False) for name in ("by", "what", "subject", "reason", "ticket")],
    )
    op.create_index("snapshots_subject", "snapshots", ["subject", "epoch"])
    op.create_table(
        "replicas",
        sa.Column("id", _NAME, primary_key=True),
        sa.Column("seen", sa.Double, nullable=False),
        sa.Column("replica", sa.Text, nullable=False),
    )
    _append_only()


def _append_only() -> None:
    """As for the audit chain: against a slip of anybody's hand."""
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER snapshots_no_{verb.lower()} BEFORE {verb} ON snapshots "
                "BEGIN SELECT RAISE(ABORT, 'snapshots are append-only'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION snapshots_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'snapshots are append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER snapshots_append_only BEFORE UPDATE OR DELETE ON snapshots "
        "FOR EACH ROW EXECUTE FUNCTION snapshots_append_only()"
    )
