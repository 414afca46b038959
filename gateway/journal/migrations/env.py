"""Run by Alembic: migrates over the connection that `upgrade` hands in."""

from __future__ import annotations

from alembic import context

from gateway.journal.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
