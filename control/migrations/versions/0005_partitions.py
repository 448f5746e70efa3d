"""How many partitions each topic has: a Kafka that does not know all of them yet must not be believed.

Not blocking: adds a column without a default.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; `weir topics` fills it."""
    op.add_column("topic_epochs", sa.Column("partitions", sa.Integer(), nullable=True))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("topic_epochs", "partitions")
