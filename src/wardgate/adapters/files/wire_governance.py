"""`governance.yaml`: what each step upward demands, by risk tier (docs/configuration.md)."""

from typing import Annotated, Literal

from pydantic import Field

from wardgate.adapters.files.wire import Count, Duration, Flag, Number, Text, Wire


class Approval(Wire):
    role: Text
    number: Count = 1


class Gate(Wire):
    approvals: tuple[Approval, ...] = ()
    four_eyes: Flag = False
    """Whether nobody may approve what she brought in herself."""
    evidence: dict[str, Annotated[Number, Field(ge=0)]] = {}
    """By name of the figure: the number that it must reach or keep."""
    exception: Flag = False
    """Whether a logged exception with a rationale is possible."""


Tier = dict[Literal["shadow", "silent", "canary", "active"], Gate]


class Governance(Wire):
    tiers: dict[Literal["low", "medium", "high"], Tier]
    """By risk tier, then by the mode that is asked for: shadow, silent, canary or active."""
    put_back_within: Duration = 86400.0
    """How long exactly what was taken down may be put back with one second person."""
