"""Erasures: who is erased, and how far it is.

Not blocking: adds a table.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "erasures",
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("profile_id", sa.String(256), nullable=False),
        sa.Column("profile_ids", sa.JSON(), nullable=False),
        sa.Column("device_ids", sa.JSON(), nullable=False),
        sa.Column("erased_at", sa.BigInteger(), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("progress", sa.JSON(), nullable=False),
        sa.Column("removed", sa.JSON(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("project_id", "profile_id", name="pk_erasures"),
    )


def downgrade() -> None:
    """Drop the table; the topic keeps the list."""
    op.drop_table("erasures")
