"""What stands between a release and a mode, each as a line: what is needed, what was found, whether it passes.

Pure. What is not known does not pass.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

import msgspec

from wardgate.domain.approvals import Approval, Void, Waiver
from wardgate.domain.governance import EYES, MEASURES, Asked, Bound, Figure, Seat, above
from wardgate.domain.outcomes import Mode


class Verdict(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"
    """What is asked for could not be read: it does not pass."""
    EXCEPTED = "excepted"
    """It does not pass; two people have allowed that for a time."""


class Reading(msgspec.Struct, frozen=True):
    """A figure as it was found; None: it was not, `why` says why not."""

    value: float | None
    why: str = ""


class GateLine(msgspec.Struct, frozen=True):
    """One gate, for a person and for a program."""

    name: str
    needed: str
    found: str
    verdict: Verdict
    reason: str = ""

    @property
    def holds(self) -> bool:
        return self.verdict in (Verdict.PASS, Verdict.EXCEPTED)

    @property
    def sentence(self) -> str:
        told = f"{self.name}: needs {self.needed}, found {self.found}"
        return f"{told} ({self.reason})" if self.reason else told


class Said(msgspec.Struct, frozen=True):
    """What people have said of a digest; `waivers` that have not run out; `void`: how much of it lies under a key that
    is gone, and counts for nothing but who brought it in."""

    authors: tuple[str, ...] = ()
    approvals: tuple[Approval, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    retired: bool = False
    void: Mapping[Void, int] = {}


GONE = "a key that is gone: put it back among pseudonym_key.previous"


def gate(asked: Asked, mode: Mode, said: Said, figures: Mapping[Figure, Reading]) -> tuple[GateLine, ...]:
    """() where nothing is demanded."""
    lines = approval_lines(asked, mode, said)
    for figure, bound in asked.evidence.items():
        line = _evidence(figure, bound, figures.get(figure, Reading(None, "nobody has looked")))
        lines.append(_excepted(line, figure, bound, mode, said))
    return tuple(lines)


def approval_lines(asked: Asked, mode: Mode, said: Said) -> list[GateLine]:
    """One for each role and the mode that it is for; before them whether there is something to approve."""
    lines = []
    if said.retired:
        lines.append(GateLine("retired", "no", "yes, or announced", Verdict.FAIL, "take another release"))
    if not asked.seats:
        return lines
    if Void.SUBMITTED in said.void:
        lines.append(GateLine("submitted", "yes", "no", Verdict.FAIL, f"it was, under {GONE}, or submit it again"))
    elif not said.authors:
        lines.append(GateLine("submitted", "yes", "no", Verdict.FAIL, "nobody has submitted it for approval"))
    barred = set(said.authors) if asked.four_eyes else set()
    free = [approval for approval in said.approvals if approval.person not in barred]
    taken = seated(asked.seats, free)
    for seat in dict.fromkeys(asked.seats):
        places = [number for number, each in enumerate(asked.seats) if each == seat]
        by = [taken[number].person for number in places if number in taken]
        enough = len(by) == len(places)
        name = seat.role if seat.mode == mode else f"{seat.role} ({seat.mode})"
        own = [each.person for each in said.approvals if each.person in barred and _fits(seat, each)]
        why = "" if enough or not own else f"{', '.join(own)} brought it in"
        if not enough and not why and (void := said.void.get(Void.APPROVED)):
            lies = "1 approval lies" if void == 1 else f"{void} approvals lie"
            why = f"{lies} under {GONE}, or approve again"
        found = f"{len(by)}: {', '.join(by)}" if by else "0"
        verdict = Verdict.PASS if enough else Verdict.FAIL
        lines.append(GateLine(name, f"at least {len(places)}", found, verdict, why))
    return lines


def seated(seats: Sequence[Seat], approvals: Iterable[Approval]) -> dict[int, Approval]:
    """By number of the seat: who takes it. A person takes one seat, whatever else she said; as many are taken as can be
    (augmenting paths over a handful of people)."""
    by_person: dict[str, list[Approval]] = {}
    for approval in approvals:
        by_person.setdefault(approval.person, []).append(approval)
    taken: dict[int, Approval] = {}
    for person in by_person:
        _place(person, seats, by_person, taken, set())
    return taken


def _place(
    person: str,
    seats: Sequence[Seat],
    by_person: Mapping[str, Sequence[Approval]],
    taken: dict[int, Approval],
    tried: set[int],
) -> bool:
    for number, seat in enumerate(seats):
        fitting = next((approval for approval in by_person[person] if _fits(seat, approval)), None)
        if fitting is None or number in tried:
            continue
        tried.add(number)
        if number not in taken or _place(taken[number].person, seats, by_person, taken, tried):
            taken[number] = fitting
            return True
    return False


def _fits(seat: Seat, approval: Approval) -> bool:
    return approval.role == seat.role and not above(seat.mode, approval.mode)


def _evidence(figure: Figure, bound: Bound, reading: Reading) -> GateLine:
    measure = MEASURES[figure]
    needed = f"at {'least' if measure.least else 'most'} {_number(bound.number, measure.unit)}"
    if reading.value is None:
        return GateLine(figure, needed, "–", Verdict.UNKNOWN, reading.why)
    passes = reading.value >= bound.number if measure.least else reading.value <= bound.number
    found = _number(reading.value, measure.unit)
    return GateLine(figure, needed, found, Verdict.PASS if passes else Verdict.FAIL, reading.why)


def _excepted(line: GateLine, figure: Figure, bound: Bound, mode: Mode, said: Said) -> GateLine:
    """By two people, neither of whom brought the release in."""
    if line.holds:
        return line
    for waiver in said.waivers:
        people = [person for person in waiver.people if person not in said.authors]
        if waiver.figure == figure and not above(mode, waiver.mode):
            told = f"{'excepted' if len(people) >= EYES else 'exception asked for'} by {', '.join(people)}"
            if not bound.exception:
                return msgspec.structs.replace(line, reason=f"{told}; this tier allows none")
            verdict = Verdict.EXCEPTED if len(people) >= EYES else line.verdict
            return msgspec.structs.replace(line, verdict=verdict, reason=f"{told}, until {waiver.until[:16]}Z")
    return line


def _number(value: float, unit: str) -> str:
    """Whole ones whole; others so that nothing is rounded over a bound that has few digits."""
    digits = f"{value:,.0f}" if value == int(value) else f"{value:.4g}"
    return f"{digits} {unit}".rstrip()
