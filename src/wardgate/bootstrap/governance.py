"""How the policy stands, for health, metrics and the log: looked at beside the calls, since the chain may hang."""

from collections.abc import Callable, Mapping

from wardgate.adapters.logs.events import EventLog
from wardgate.adapters.prometheus.governance import GovernanceMeter
from wardgate.adapters.prometheus.instruments import Instruments
from wardgate.control.approvals import ApprovalDesk
from wardgate.domain.findings import Finding
from wardgate.domain.governance import Policy

_NOTHING_ASKED = {"state": "not_asked", "why": "under insecure_demo no approval and no evidence is asked for"}


class GovernanceWatch:
    """`policy` gives what the files say. `look` blocks, and never raises; `health` is what the last one saw."""

    def __init__(
        self,
        desk: ApprovalDesk,
        policy: Callable[[], Policy],
        insecure_demo: Callable[[], bool],
        meter: Instruments,
        log: EventLog,
    ) -> None:
        self._desk, self._policy, self._insecure_demo = desk, policy, insecure_demo
        self._meter, self._log = GovernanceMeter(meter), log
        self._seen: Mapping[str, str] = {"state": "unknown", "why": "nobody has looked yet"}

    def health(self) -> Mapping[str, str]:
        return self._seen

    def look(self) -> None:
        before, now = self._seen, _NOTHING_ASKED if self._insecure_demo() else self._desk.health(self._policy())
        self._seen = now
        if now["state"] != "unknown":  # a store that is away takes nothing back that was seen
            self._meter.stands(now["state"] == "waits", int(now.get("void", "0")))
        for name, key in (("why", "governance"), ("void_why", "pseudonym_key.previous")):
            if now.get(name) not in (None, before.get(name)) and now is not _NOTHING_ASKED:
                self._log.finding("warning", Finding("", 0, key, now[name], "", warning=True))
