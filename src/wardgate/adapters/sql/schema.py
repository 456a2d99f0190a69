"""The tables of a store, brought forward to this version inside one transaction, so that half of it never stands."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from wardgate.adapters.sql.tables import METADATA, VERSION_TABLE
from wardgate.records.archive import ArchiveUnavailable, Trouble


def bring_forward(connection: Connection) -> None:
    """The caller holds the lock, in a transaction that ends with this. Raises ArchiveUnavailable, `newer` or
    `foreign`, for a store that is not this version's to change."""
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


def _taken(connection: Connection) -> bool:
    """Whether something stands where nothing of ours has been. A file is for wardgate alone; a database may be shared,
    as long as the names are free."""
    standing = set(inspect(connection).get_table_names())
    return bool(standing if connection.dialect.name == "sqlite" else standing & set(METADATA.tables))
