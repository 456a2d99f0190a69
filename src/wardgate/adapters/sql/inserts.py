"""Adding what may be there already, in the words of either database."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

from wardgate.records.archive import RecordRefused


def insert_new(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> int:
    """How many were new; the others stay as they are. Raises RecordRefused for a NUL, which only one of them takes."""
    if not rows:
        return 0
    if any([isinstance(value, str) and "\0" in value for row in rows for value in row.values()]):
        raise RecordRefused
    if connection.dialect.name != "postgresql":
        # Row by row: one statement of all rows is another one for each number of rows, and a connection to SQLite keeps
        # the last 128 that it has prepared, a megabyte each.
        added = sqlite.insert(table).on_conflict_do_nothing()
        return connection.execute(added, rows, execution_options={"preserve_rowcount": True}).rowcount
    counted = postgresql.insert(table).on_conflict_do_nothing().returning(next(iter(table.primary_key)))
    return len(connection.execute(counted, rows).all())
