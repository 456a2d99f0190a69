"""The audit chain, and the erasable remarks beside it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NAME = sa.Text().with_variant(TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "audit_chain",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("id", _NAME, nullable=False, unique=True),
        sa.Column("seal", _NAME, nullable=False),
        sa.Column("entry", sa.Text, nullable=False),
        sa.Column("at", _NAME, nullable=False),
        sa.Column("who", _NAME, nullable=False),
        sa.Column("subject", _NAME, nullable=False),
    )
    for column in ("at", "who", "subject"):
        op.create_index(f"audit_chain_{column}", "audit_chain", [column])
    op.create_table(
        "audit_remarks",
        sa.Column("id", _NAME, primary_key=True),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("remark", sa.Text, nullable=False),
    )
    _append_only()


def _append_only() -> None:
    """No program of ours changes an entry; this keeps a slip of anybody's hand from doing so. Who owns the tables can
    take it away: that is what the seals are for."""
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_chain_no_{verb.lower()} BEFORE {verb} ON audit_chain "
                "BEGIN SELECT RAISE(ABORT, 'the audit chain is append-only'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION audit_chain_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit chain is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_chain_append_only BEFORE UPDATE OR DELETE ON audit_chain "
        "FOR EACH ROW EXECUTE FUNCTION audit_chain_append_only()"
    )
