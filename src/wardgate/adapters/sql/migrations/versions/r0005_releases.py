"""The content of releases that were submitted for approval."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_NAME = sa.Text().with_variant(TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "release_contents",
        sa.Column("digest", _NAME, primary_key=True),
        sa.Column("service", _NAME, nullable=False),
        sa.Column("model", _NAME, nullable=False),
        sa.Column("version", _NAME, nullable=False),
        sa.Column("file", _NAME, nullable=False),
        sa.Column("submitted_at", sa.Double, nullable=False),
        sa.Column("submitted_by", _NAME, nullable=False),
        sa.Column("retires_at", sa.Double),
        sa.Column("retired_at", sa.Double),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_index("release_contents_service", "release_contents", ["service", "submitted_at"])
