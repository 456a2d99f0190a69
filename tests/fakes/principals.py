"""Who calls the admin listener, in tests that are about something else."""

from fastapi import Request

from wardgate.web.admin import Principal
from wardgate.web.admin.access import WhoCalls


def calls(principal: Principal | None) -> WhoCalls:
    """Whoever asks the admin listener, it is this one."""

    async def who(_: Request) -> Principal | None:
        return principal

    return who
