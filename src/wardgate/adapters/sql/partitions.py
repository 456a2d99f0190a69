"""The partitions of `decisions` and `cards` in PostgreSQL: one a calendar month (UTC), made ahead, dropped whole.

What comes for a month that has none yet, because the tables were locked, lies in the default partition until the month
is made. Partitions are made apart and then attached, since CREATE … PARTITION OF would lock the whole table.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from math import isfinite

from sqlalchemy import Connection, text

TABLES = ("decisions", "cards")

Month = tuple[int, int]

_YEARS = range(2000, 2101)
"""Others can only be a mistake, and stay in the default partition."""

_STANDING = text("""
    SELECT child.relname FROM pg_inherits
    JOIN pg_class AS child ON child.oid = inhrelid
    WHERE inhparent = to_regclass(:parent)
""")


def months_of(ats: Iterable[float]) -> set[Month]:
    """Those of the times, and those after them, so that a month is there before it begins."""
    months = set()
    for at in ats:
        if isfinite(at) and _start((_YEARS.start, 1)) <= at < _start((_YEARS.stop, 1)):
            day = datetime.fromtimestamp(at, UTC)
            months |= {(day.year, day.month), _following((day.year, day.month))}
    return months


def standing(connection: Connection, table: str) -> dict[Month, str]:
    """The partitions that there are, by month, oldest first."""
    names = connection.execute(_STANDING, {"parent": table}).scalars()
    found = {}
    for name in sorted(names):
        year, _, month = name.removeprefix(f"{table}_m").partition("_")
        if year.isdigit() and month.isdigit():
            found[int(year), int(month)] = name
    return found


def make(connection: Connection, month: Month) -> None:
    """In the caller's transaction, whose lock_timeout bounds how long others are held up."""
    first, end = _start(month), _start(_following(month))
    for table in TABLES:
        if month in standing(connection, table):
            continue
        name, rest = f"{table}_m{month[0]}_{month[1]:02}", f"{table}_rest"
        for statement in (
            f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)",
            f"LOCK TABLE {rest} IN ACCESS EXCLUSIVE MODE",
            f"WITH moved AS (DELETE FROM {rest} WHERE at >= {first} AND at < {end} RETURNING *)"
            f" INSERT INTO {name} SELECT * FROM moved",
            f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({first}) TO ({end})",
        ):
            connection.execute(text(statement))


def past(connection: Connection, before: float) -> Month | None:
    """The oldest month that has a partition and is over by then."""
    for month in standing(connection, "decisions"):
        if _start(_following(month)) <= before:
            return month
    return None


def drop(connection: Connection, month: Month) -> int:
    """How many decisions went with it."""
    count = 0
    for table in TABLES:
        name = standing(connection, table).get(month)
        if name is not None:
            if table == "decisions":
                count = connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one()
            connection.execute(text(f"DROP TABLE {name}"))
    return count


def _start(month: Month) -> float:
    return datetime(*month, 1, tzinfo=UTC).timestamp()


def _following(month: Month) -> Month:
    return (month[0] + 1, 1) if month[1] == 12 else (month[0], month[1] + 1)
