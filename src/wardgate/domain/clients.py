"""A registered CDS client (an EHR) and what it may name."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Client:
    """`fhir_servers` are bases without trailing slash, compared whole; no token ever goes to another host.

    `zone` is how this client's times without an offset, and its dates, are read. `system_actions`: it was agreed that
    this client takes them (CDS Hooks, RSP-8).
    """

    name: str
    fhir_servers: frozenset[str]
    origins: tuple[str, ...]
    site: str | None
    zone: ZoneInfo
    system_actions: bool = False
