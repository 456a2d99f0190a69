"""Events and chains for tests."""

from uuid import UUID

import msgspec

from wardgate.domain.audit import START, Action, AuditEvent, Link, SealedEntry, moment, seal

NOW = 1_790_000_000.0


def event(number: int, **changes: object) -> AuditEvent:
    """One of many: no two numbers have the same event."""
    return msgspec.structs.replace(
        AuditEvent(
            id=str(UUID(int=number)),
            at=moment(NOW + number),
            who=f"operator-{number % 3}",
            what=Action.CIRCUIT_ISOLATE if number % 2 else Action.CIRCUIT_CLOSE,
            subject="kidney-failure/1.0.0",
            before="closed",
            after="isolated",
            reason="alert_rate",
            ticket=f"OPS-{number}",
        ),
        **changes,
    )


def reseal(what: AuditEvent, last: Link | None) -> SealedEntry:
    return seal(what, START if last is None else last, NOW)


def chain_of(length: int) -> list[SealedEntry]:
    chain: list[SealedEntry] = []
    for number in range(1, length + 1):
        chain.append(seal(event(number), chain[-1].link if chain else START, NOW))
    return chain
