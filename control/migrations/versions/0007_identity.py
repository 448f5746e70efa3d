"""Which control database this is, so that no other one's data is published in its place.

Not blocking: adds a table with one row.
"""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; a database that was there before gets its id now."""
    identity = op.create_table(
        "database_identity",
        sa.Column("id", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_database_identity"),
    )
    op.bulk_insert(identity, [{"id": uuid4().hex}])


def downgrade() -> None:
    """Drop the table; upgraded again, it is another database."""
    op.drop_table("database_identity")
