"""Runs migrations on the connection that `schema.bring_up` hands over, within its transaction."""

from alembic import context

from earwitness.accounting.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
