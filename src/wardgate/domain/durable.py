"""Where the durable store is."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SqlitePlace:
    path: str


@dataclass(frozen=True, slots=True)
class PostgresPlace:
    """Without a password, libpq takes it from `passfile`, or from where it looks by itself (PGPASSFILE, ~/.pgpass)."""

    host: str
    database: str
    user: str
    port: int = 5432
    password: str | None = field(default=None, repr=False)
    sslmode: str | None = None
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    passfile: str | None = None


DurablePlace = SqlitePlace | PostgresPlace
