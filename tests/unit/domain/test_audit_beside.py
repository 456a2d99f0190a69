"""What no seal covers is held against what is sealed."""

from typing import Any

import msgspec
import pytest

from tests.fakes.audit import NOW, chain_of, event
from wardgate.domain.audit import START, Action, AuditEvent, Result, SealedEntry, remark_hash, seal
from wardgate.domain.audit_beside import Beside, Judge, Row

SALT, TEXT = b"s" * 32, "Closed at weekends."
REMARKED = event(1, remark=remark_hash(SALT, TEXT))


def row(made: AuditEvent, entry: SealedEntry | None = None, **changes: Any) -> Row:
    remark = (SALT, TEXT) if made.remark is not None else None
    sound = Row(entry or seal(made, START, NOW), made.id, made.at, made.who, made.subject, remark)
    return msgspec.structs.replace(sound, **changes)


def erased(made: AuditEvent, result: Result = Result.DONE) -> Row:
    what = event(2, what=Action.REMARK_ERASE, subject=made.id, result=result)
    return row(what, seal(what, seal(made, START, NOW).link, NOW))


def found(*rows: Row) -> list[tuple[Beside, int]]:
    judge = Judge()
    for each in rows:
        judge.take(each)
    return [(each.fault, each.number) for each in judge.found()]


def test_what_is_as_it_was_written_is_sound() -> None:
    assert found(row(REMARKED), erased(event(9))) == []


@pytest.mark.parametrize("column", ["id", "at", "who", "subject"])
def test_an_entry_under_another_name_is_hidden_from_searches(column: str) -> None:
    """Its seal is right, so the chain is sound; and whoever searches by that name does not see it."""
    assert found(msgspec.structs.replace(row(event(1)), **{column: "nobody"})) == [(Beside.MISFILED, 1)]


def test_words_that_nobody_wrote() -> None:
    """A rationale was once another one the next day, and nothing said so."""
    assert found(row(REMARKED, remark=(SALT, "All was fine."))) == [(Beside.REMARK_ALTERED, 1)]
    assert found(row(REMARKED, remark=(b"t" * 32, TEXT))) == [(Beside.REMARK_ALTERED, 1)]
    assert found(row(event(1), remark=(SALT, TEXT))) == [(Beside.REMARK_ADDED, 1)]


def test_a_remark_goes_by_way_of_the_chain_or_is_lost() -> None:
    gone = row(REMARKED, remark=None)
    assert found(gone) == [(Beside.REMARK_LOST, 1)]
    assert found(gone, erased(REMARKED, Result.DENIED)) == [(Beside.REMARK_LOST, 1)]
    assert found(gone, erased(REMARKED)) == []
    assert found(row(REMARKED), erased(REMARKED)) == [(Beside.REMARK_KEPT, 1)]


def test_entries_of_somebody_else_are_counted() -> None:
    """Their seals are right: for those nobody needs a key."""
    judge = Judge(lambda said: said["number"] not in (2, 3))
    for number, entry in enumerate(chain_of(3), 1):
        judge.take(row(event(number), entry))
    assert (judge.foreign, judge.first_foreign) == (2, 2) and not list(judge.found())


def test_what_is_no_entry_is_left_to_the_verifier() -> None:
    assert found(row(event(1), SealedEntry(1, "0" * 64, "garbage \ud800"))) == []
