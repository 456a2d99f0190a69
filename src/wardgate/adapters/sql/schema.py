"""The tables of a store, brought forward to this version inside one transaction, so that half of it never stands."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from wardgate.adapters.sql.tables import METADATA, VERSION_TABLE
from wardgate.records.archive import ArchiveUnavailable, Trouble

HEAD = "0005"
"""The newest revision of `migrations`: a store that stands there needs nothing, and no library to find that out."""


def bring_forward(connection: Connection) -> None:
    """The caller holds the lock, in a transaction that ends with this. Raises ArchiveUnavailable, `newer` or
    `foreign`, for a store that is not this version's to change."""
    if _stands_at(connection) == [HEAD]:
        return
    from alembic import command  # only where a store changes: a quarter of a second to import
    from alembic.config import Config
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    seen = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_heads()
    if not seen and _taken(connection):
        raise ArchiveUnavailable(Trouble.FOREIGN)
    if set(seen) - {revision.revision for revision in script.walk_revisions()}:
        raise ArchiveUnavailable(Trouble.NEWER)
    if seen != tuple(script.get_heads()):
        command.upgrade(config, "heads")


def _stands_at(connection: Connection) -> list[str]:
    if not inspect(connection).has_table(VERSION_TABLE):
        return []
    return list(connection.scalars(text(f"SELECT version_num FROM {VERSION_TABLE}")))


def _taken(connection: Connection) -> bool:
    """Whether something stands where nothing of ours has been. A file is for wardgate alone; a database may be shared,
    as long as the names are free."""
    standing = set(inspect(connection).get_table_names())
    return bool(standing if connection.dialect.name == "sqlite" else standing & set(METADATA.tables))
