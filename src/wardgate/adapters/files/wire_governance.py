"""`governance.yaml`: what each step upward demands, by risk tier (docs/governance.md)."""

from collections import Counter
from typing import Annotated, Literal

from pydantic import Field

from wardgate.adapters.files.library import Library
from wardgate.adapters.files.wire import Count, Duration, Flag, Number, Sheet, Wire
from wardgate.domain.admin_tokens import Role
from wardgate.domain.documents import Place
from wardgate.domain.governance import MEASURES, Demand, Figure, Need, Policy, asked_for, text_of
from wardgate.domain.outcomes import Mode


class Approval(Wire):
    role: Literal["approver-clinical", "approver-technical", "approver-privacy", "approver-compliance"]
    number: Annotated[Count, Field(le=20)] = 1
    """Of different people."""


class Gate(Wire):
    approvals: tuple[Approval, ...] = ()
    four_eyes: Flag = False
    """Whether nobody may approve what she brought in herself."""
    evidence: dict[Figure, Annotated[Number, Field(ge=0)]] = {}
    """By figure: the number that it must reach or keep to. Their names: [governance.md](governance.md#evidence)."""
    exception: Flag = False
    """Whether two people may except a figure for a time, with a rationale."""


Tier = dict[Literal["shadow", "silent", "canary", "active"], Gate]


class Governance(Wire):
    tiers: dict[Literal["low", "medium", "high"], Tier]
    """By risk tier, then by the mode that is asked for: shadow, silent, canary or active. Steps add up; one that is
    left out demands nothing of its own; a tier that is left out is that of the default."""
    put_back_within: Duration = 86400.0
    """How long exactly what was taken down may be put back with one second person."""

    def policy(self) -> Policy:
        tiers: dict[str, dict[Mode, Demand]] = {}
        for name, tier in self.tiers.items():
            tiers[name] = {Mode(step): _demand(gate) for step, gate in tier.items()}
        return Policy(tiers, self.put_back_within)


def _demand(gate: Gate) -> Demand:
    needs = sorted(Need(Role(approval.role), approval.number) for approval in gate.approvals)
    return Demand(tuple(needs), gate.four_eyes, gate.evidence, gate.exception)


def compiled(library: Library, sheet: Sheet[Governance]) -> Policy:
    """With a finding for each demand that nothing can meet, or that says less than it seems to."""
    for tier, steps in sheet.wire.tiers.items():
        for step, gate in steps.items():
            _prove(library, sheet, ("tiers", tier, step), gate)
    policy = sheet.wire.policy()
    for tier in ("medium", "high"):
        if tier in policy.tiers and not sheet.lacks("tiers", tier) and not asked_for(policy, tier, Mode.ACTIVE).seats:
            what, remedy = f"nobody has to approve what is shown of tier {tier}", "name approvals for canary or active"
            library.found(sheet.document, ("tiers", tier), what, remedy, warning=True)
    try:
        text_of(policy)
    except ValueError as error:
        library.found(sheet.document, ("tiers",), str(error), "demand less, or the same for fewer tiers")
    return policy


def _prove(library: Library, sheet: Sheet[Governance], place: Place, gate: Gate) -> None:
    for role, times in Counter(approval.role for approval in gate.approvals).items():
        if times > 1:
            what, remedy = f"{role} stands there more than once", "write it once, with its `number`"
            library.found(sheet.document, (*place, "approvals"), what, remedy)
    for figure, number in gate.evidence.items():
        most = MEASURES[figure].most
        if number > most:
            what, remedy = f"{figure} cannot be above {most:g}", f"write a number up to {most:g}"
            library.found(sheet.document, (*place, "evidence", figure.value), what, remedy)
