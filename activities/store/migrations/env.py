"""Alembic's entry: runs on the connection that `activities/store/migrate.py` hands over, inside its transaction."""

from alembic import context

from activities.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    compare_type=True,
    compare_server_default=True,
    transaction_per_migration=False,
)
context.run_migrations()
