"""Outcomes on their way into the table: staged whole, then compared and corrected in a few statements over sets."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Double, MetaData, Table, func, select, text

from wardgate.adapters.sql.inserts import insert_new
from wardgate.adapters.sql.tables import NAME, OUTCOME_BATCHES
from wardgate.records.archive import BatchResult, OutcomeBatch, OutcomeRow

StagedRow = dict[str, Any]

STAGED = Table(
    "staged",
    MetaData(),
    Column("line", BigInteger, nullable=False),
    Column("subject", NAME, nullable=False),
    Column("label", NAME, nullable=False),
    Column("event", NAME, nullable=False),
    Column("value", Double, nullable=False),
    Column("at", Double, nullable=False),
    prefixes=["TEMPORARY"],
)

_AT_A_TIME = 10_000
"""Rows that are held in memory."""

_FACTS = text("""
    CREATE TEMPORARY TABLE facts AS
    SELECT subject, label, event, value, at
    FROM (SELECT staged.*, row_number() OVER (PARTITION BY subject, label, event ORDER BY line DESC) AS latest
          FROM staged) AS ranked
    WHERE latest = 1
""")
_SAME_FACT = """o.subject = f.subject AND o.label = f.label AND o.event = f.event AND o.source = :source
    AND o.superseded IS NULL"""
_OTHERWISE = f"{_SAME_FACT} AND (o.value <> f.value OR o.at <> f.at)"
_SUPERSEDE = text(f"UPDATE outcomes AS o SET superseded = :received FROM facts AS f WHERE {_OTHERWISE}")
_SUPERSEDED = text(f"SELECT count(*) FROM outcomes AS o, facts AS f WHERE {_OTHERWISE}")
_INSERT = text(f"""
    INSERT INTO outcomes (subject, label, event, source, value, at, received)
    SELECT f.subject, f.label, f.event, CAST(:source AS text), f.value, f.at, :received FROM facts AS f
    WHERE NOT EXISTS (SELECT 1 FROM outcomes AS o WHERE {_SAME_FACT})
    ORDER BY f.subject, f.label, f.event
""")


def staged_rows(rows: Iterable[OutcomeRow]) -> Iterator[list[StagedRow]]:
    """In lists that fit into memory."""
    batch: list[StagedRow] = []
    for line, row in enumerate(rows):
        fact = {"subject": row.subject, "label": row.label, "event": row.event, "value": float(row.value), "at": row.at}
        batch.append({"line": line, **fact})
        if len(batch) == _AT_A_TIME:
            yield batch
            batch = []
    if batch:
        yield batch


def settle(connection: Connection, batch: OutcomeBatch) -> BatchResult:
    """What is staged becomes what is known. The caller sees to it that one batch is settled at a time."""
    row = {"digest": batch.digest, "source": batch.source, "received": batch.received}
    new = insert_new(connection, OUTCOME_BATCHES, [row])  # first: SQLite lets no transaction write that has read before
    names = batch.earlier if new else (batch.digest, *batch.earlier)
    loaded = _loaded(connection, names, batch.source) if names else None
    connection.execute(_FACTS)
    if connection.dialect.name == "postgresql":  # it does not look at temporary tables by itself
        connection.execute(text("ANALYZE facts"))
    if loaded is not None:
        superseded = connection.execute(_SUPERSEDED, {"source": batch.source}).scalar_one()
        return BatchResult(known=True, loaded=loaded, superseded=superseded)
    counts = "SELECT (SELECT count(*) FROM staged), (SELECT count(*) FROM facts)"
    staged, facts = connection.execute(text(counts)).one()
    values = {"source": batch.source, "received": batch.received}
    corrected = connection.execute(_SUPERSEDE, values).rowcount
    inserted = connection.execute(_INSERT, values).rowcount
    return BatchResult(
        new=inserted - corrected, corrected=corrected, unchanged=facts - inserted, repeated=staged - facts
    )


def _loaded(connection: Connection, digests: Sequence[str], source: str) -> float | None:
    """When the first of them was; None: none ever."""
    b = OUTCOME_BATCHES.c
    asked = select(func.min(b.received)).where(b.digest.in_(digests), b.source == source)
    loaded: float | None = connection.execute(asked).scalar()
    return loaded


class Passed(Exception):
    """Carries what the caller's own code has raised past those who would take it for the database's."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def passing(rows: Iterable[OutcomeRow]) -> Iterator[OutcomeRow]:
    try:
        yield from rows
    except Exception as error:
        raise Passed(error) from None


def asked_of(batch: Callable[[], OutcomeBatch]) -> OutcomeBatch:
    try:
        return batch()
    except Exception as error:
        raise Passed(error) from None
