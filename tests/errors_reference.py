"""Writes docs/errors.md from the closed lists: `python -m tests.errors_reference`. A test keeps it current."""

from collections.abc import Iterator
from pathlib import Path

from wardgate.domain.errors import Refusal, WardgateError
from wardgate.domain.meanings import ERRORS, OUTCOMES, REASONS
from wardgate.domain.outcomes import OUTCOME_OF, Outcome
from wardgate.domain.token_faults import TOKEN_FAULTS
from wardgate.web.problems import PROBLEMS

TARGET = Path(__file__).parent.parent / "docs" / "errors.md"

_HEAD = """# Outcomes, reasons, errors

<!-- Written by `python -m tests.errors_reference` from the closed lists: change those (`domain/meanings.py`). -->

Every hook call ends with one **outcome** and one **reason**. Both stand in the record, and in the labels of
`wardgate_calls_total`; `wardgate call` prints them. The lists are closed: a name that stands here is never renamed, and
no value of a patient is ever part of one.

What an EHR sees: `shown`, the card; `deferred`, the deferral card where a rule says so; `unavailable`, nothing, or a
notice where the service declares one; `refused`, an HTTP error with a FHIR OperationOutcome; everything else,
`{"cards": []}`.
"""


def reference() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_outcomes(), *_tokens(), *_errors()]) + "\n"


def _outcomes() -> Iterator[str]:
    for outcome in Outcome:
        yield f"## {outcome.value}\n\n{OUTCOMES[outcome]}\n"
        reasons = [reason for reason, its in OUTCOME_OF.items() if its is outcome]
        if not reasons:
            yield "No reason yet: the layer that causes it is not built.\n"
            continue
        status = " HTTP |" if outcome is Outcome.REFUSED else ""
        yield f"| reason |{status} at the bedside | what an engineer does |\n|---|{'---|' if status else ''}---|---|"
        for reason in reasons:
            answered = f" {PROBLEMS[reason][0]} |" if status else ""
            yield f"| `{reason.value}` |{answered} {REASONS[reason].bedside} | {REASONS[reason].engineer} |"
        yield ""


def _tokens() -> Iterator[str]:
    yield (
        "## Why a call was not authenticated\n\nThe label `result` of `wardgate_authentications_total`; `accepted` is"
        " the other. Whoever called learns none of it: [security.md](security.md).\n"
    )
    yield "| result | what was found | what an engineer does |\n|---|---|---|"
    for fault, (found, engineer) in TOKEN_FAULTS.items():
        yield f"| `{fault.value}` | {found} | {engineer} |"
    yield ""


def _errors() -> Iterator[str]:
    yield "## Errors\n\nThe exceptions behind them, by a code that stays the same.\n"
    yield "| code | error | HTTP | meaning |\n|---|---|---|---|"
    for error in tree(WardgateError):
        status = PROBLEMS[error.reason][0] if issubclass(error, Refusal) and error is not Refusal else "–"
        yield f"| {error.code} | `{error.__name__}` | {status} | {ERRORS[error]} |"


def tree(root: type[WardgateError]) -> list[type[WardgateError]]:
    """By code."""
    found = [root, *(leaf for child in root.__subclasses__() for leaf in tree(child))]
    return sorted(found, key=lambda error: error.code)


if __name__ == "__main__":
    TARGET.write_text(reference(), encoding="utf-8")
