"""Approvals and rollouts on one audit chain: DIGEST is champion, approved for canary by MIRA and JON."""

from pathlib import Path

from tests.fakes.approving import DIGEST, JON, MIRA, OTHER, Approving, person
from tests.fakes.rollout_house import SERVICE, House
from wardgate.control.gates import ReleaseFacts
from wardgate.control.withdrawals import Withdrawals
from wardgate.domain.outcomes import Mode
from wardgate.domain.rollout.rollouts import Rollout

LEA = person("lea/0f0f0f0f0f0f")


class Withdrawing:
    def __init__(self, folder: Path) -> None:
        self.tiers: dict[str, str] = {}
        """Of digests, where that is not `high`, or which are known besides."""
        self.house = House(folder)
        self.approving = Approving(folder, ground=self.house.audit)
        for digest in (DIGEST, OTHER):
            if digest == OTHER:
                self.approving.submit(OTHER)
            self.approving.approve(MIRA, digest=digest)
            self.approving.approve(JON, digest=digest)
        self.decide(Rollout(DIGEST, Mode.CANARY, salt="s"))
        self.begin_again()

    def begin_again(self) -> None:
        """As another process."""
        self.approving.begin_again()
        ground, house = self.approving, self.house
        self.desk = Withdrawals(
            ground.desk,
            ground.reader,
            self._facts,
            house.decided.newest,
            house.desk.settling,
            lambda: house.insecure_demo,
        )

    def _facts(self, service: str, digest: str) -> ReleaseFacts | None:
        if digest in self.tiers:
            return ReleaseFacts(service, digest, SERVICE, "1.0.0", self.tiers[digest])
        return self.approving._facts(service, digest)

    def decide(self, rollout: Rollout) -> None:
        self.house.decide(rollout)

    @property
    def rollout(self) -> Rollout:
        return self.house.rollout

    def said(self) -> list[tuple[object, object, object]]:
        """Who did what to the rollout, and why."""
        self.house.audit.trail.chain_spooled()
        entries = [each for each in self.house.audit.said() if each["what"] == "rollout.change"]
        return [(each["who"], each["result"], each["reason"]) for each in entries]

    def close(self) -> None:
        self.house.audit.close()


__all__ = ["DIGEST", "JON", "LEA", "MIRA", "OTHER", "SERVICE", "Withdrawing"]
