"""`governance.yaml`: what each step upward demands, by risk tier (docs/configuration.md)."""

from typing import Annotated

from pydantic import Field

from wardgate.adapters.files.wire import Count, Duration, Flag, Number, Text, Wire


class Approval(Wire):
    role: Text
    number: Count = 1


class Gate(Wire):
    approvals: tuple[Approval, ...] = ()
    four_eyes: Flag = False
    evidence: dict[str, Annotated[Number, Field(ge=0)]] = {}
    exception: Flag = False
    """Whether a logged exception with a rationale is possible."""


class Tier(Wire):
    shadow: Gate | None = None
    silent: Gate | None = None
    canary: Gate | None = None
    active: Gate | None = None


class Tiers(Wire):
    low: Tier | None = None
    medium: Tier | None = None
    high: Tier | None = None


class Governance(Wire):
    tiers: Tiers
    put_back_within: Duration = 86400.0
