"""Alembic reads this for each run; the connection and its transaction are the caller's (`schema.py`)."""

from alembic import context

from wardgate.adapters.sql.tables import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
context.run_migrations()
