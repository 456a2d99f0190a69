"""What is told of the policy, and of what people have said under it."""

from wardgate.adapters.prometheus.instruments import Instruments


class GovernanceMeter:
    """From any thread; 0 before the first look."""

    def __init__(self, meter: Instruments) -> None:
        self._waits = meter.gauge(
            "wardgate_policy_waiting", "1 while an edited governance.yaml waits for two people to approve it.", ()
        )
        self._void = meter.gauge(
            "wardgate_approvals_void", "Submissions and approvals that are sealed under a key that is gone.", ()
        )

    def stands(self, waits: bool, void: int) -> None:
        self._waits.of().set(1 if waits else 0)
        self._void.of().set(void)
