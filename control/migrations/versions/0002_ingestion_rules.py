"""What a project takes: bots, filters, limits, quota, addresses; a client's own limit.

Not blocking: adds columns with constant defaults only.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_PROJECT: tuple[tuple[str, Any, Any], ...] = (
    ("bot_policy", sa.String(8), "drop"),
    ("filters", sa.JSON(), "[]"),
    ("client_rate", sa.Double(), "0"),
    ("client_burst", sa.Integer(), "0"),
    ("ip_rate", sa.Double(), "0"),
    ("ip_burst", sa.Integer(), "0"),
    ("monthly_events", sa.BigInteger(), "0"),
    ("anonymize_ip", sa.Boolean(), sa.false()),
)


def upgrade() -> None:
    """Add the columns."""
    for name, kind, default in _PROJECT:
        op.add_column("projects", sa.Column(name, kind, nullable=False, server_default=default))
    op.add_column("clients", sa.Column("rate", sa.Double(), nullable=True))
    op.add_column("clients", sa.Column("burst", sa.Integer(), nullable=True))


def downgrade() -> None:
    """Drop the columns and what they say."""
    for name in ("burst", "rate"):
        op.drop_column("clients", name)
    for name, _, _ in reversed(_PROJECT):
        op.drop_column("projects", name)
