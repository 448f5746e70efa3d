"""Organisations, projects, clients, salts, topic epochs.

Not blocking: makes new tables only.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    created_at = sa.Column("created_at", sa.DateTime(timezone=True), nullable=False)
    op.create_table(
        "organizations",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        created_at.copy(),
        sa.PrimaryKeyConstraint("id", name="pk_organizations"),
    )
    op.create_table(
        "projects",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("origins", sa.JSON(), nullable=False),
        sa.Column("timezone", sa.String(64), nullable=False),
        sa.Column("week_start", sa.Integer(), nullable=False),
        sa.Column("retention_days", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        created_at.copy(),
        sa.PrimaryKeyConstraint("id", name="pk_projects"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_projects_organization_id_organizations"
        ),
    )
    op.create_index("ix_projects_organization_id", "projects", ["organization_id"])
    op.create_table(
        "clients",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("project_id", sa.String(64), nullable=True),
        sa.Column("type", sa.String(8), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("secret_hash", sa.String(80), nullable=True),
        created_at.copy(),
        sa.PrimaryKeyConstraint("id", name="pk_clients"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_clients_organization_id_organizations"
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_clients_project_id_projects"),
        sa.CheckConstraint("type in ('write', 'read', 'root')", name=op.f("ck_clients_type")),
        sa.CheckConstraint("(type = 'root') = (project_id is null)", name=op.f("ck_clients_root_has_no_project")),
    )
    op.create_index("ix_clients_organization_id", "clients", ["organization_id"])
    op.create_index("ix_clients_project_id", "clients", ["project_id"])
    op.create_table(
        "salts",
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("salt", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("day", name="pk_salts"),
    )
    op.create_table(
        "topic_epochs",
        sa.Column("topic", sa.String(249), nullable=False),
        sa.Column("topic_id", sa.String(64), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic", name="pk_topic_epochs"),
    )


def downgrade() -> None:
    """Drop the tables and everything in them."""
    for table in ("topic_epochs", "salts", "clients", "projects", "organizations"):
        op.drop_table(table)
