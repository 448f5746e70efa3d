"""How Alembic runs here: on the connection it is handed, in one transaction."""

from alembic import context

from control.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
