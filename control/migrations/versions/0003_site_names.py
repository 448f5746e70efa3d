"""Whose a site's name is; whether a project believes revenue without a secret.

Not blocking: adds a table, and a column with a constant default. Of names that several organisations had, the one
whose project is oldest keeps it; the origins of all stay as they are.
"""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

from schemas.site_names import overlap, site_names

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and the table, with the names that are taken already."""
    op.add_column("projects", sa.Column("unsafe_revenue", sa.Boolean(), nullable=False, server_default=sa.false()))
    names = op.create_table(
        "site_names",
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_site_names"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_site_names_organization_id_organizations"
        ),
    )
    op.create_index("ix_site_names_organization_id", "site_names", ["organization_id"])
    taken: dict[str, str] = {}
    found = op.get_bind().execute(sa.text("select organization_id, origins from projects order by created_at, id"))
    for organization_id, origins in found:
        for name in sorted(site_names(_list(origins))):
            if not any(overlap(name, other) and owner != organization_id for other, owner in taken.items()):
                taken[name] = organization_id
    if taken:
        op.bulk_insert(names, [{"name": name, "organization_id": owner} for name, owner in taken.items()])


def downgrade() -> None:
    """Drop both and what they say."""
    op.drop_table("site_names")
    op.drop_column("projects", "unsafe_revenue")


def _list(origins: Any) -> list[str]:
    # PostgreSQL's driver reads JSON, SQLite's hands over its text.
    entries: list[str] = json.loads(origins) if isinstance(origins, str) else origins
    return entries
