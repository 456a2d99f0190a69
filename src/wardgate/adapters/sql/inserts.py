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
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    added = dialect.insert(table).on_conflict_do_nothing().returning(next(iter(table.primary_key)))
    return len(connection.execute(added, rows).all())
