"""What the admin listener puts on the audit chain. The trail is blocking, so everything here runs in a thread."""

from fastapi.concurrency import run_in_threadpool

from wardgate.control.audit import AuditTrail, AuditUnavailable
from wardgate.domain.audit import Action, Deed, Result
from wardgate.web.admin.problems import Problem

_UNNAMED = "unnamed"


class Witness:
    """`trail` None: there is no durable store; what would need the chain is refused."""

    def __init__(self, trail: AuditTrail | None) -> None:
        self._trail = trail

    async def before(
        self,
        who: str,
        what: Action,
        subject: str,
        before: str | None,
        after: str | None,
        reason: str = "",
        ticket: str = "",
    ) -> None:
        """It stands on the chain when this returns. Raises Problem: then it must not be done."""
        if self._trail is None:
            raise Problem(503, "Nothing was changed: this process has no audit chain.")
        deed = Deed(who=who, what=what, subject=subject, before=before, after=after, reason=reason, ticket=ticket)
        try:
            await run_in_threadpool(self._trail.require, deed)
        except AuditUnavailable as error:
            raise Problem(503, f"Nothing was changed, since it cannot be audited: {error.meaning}.") from None
        except ValueError:
            raise Problem(422, "Nothing was changed: the audit chain does not take such a name.") from None

    async def after(
        self,
        who: str,
        what: Action,
        subject: str,
        before: str | None,
        after: str | None,
        reason: str = "",
        ticket: str = "",
    ) -> None:
        """It was done, and is not undone whatever becomes of this."""
        await self._keep(
            Deed(who=who, what=what, subject=subject, before=before, after=after, reason=reason, ticket=ticket)
        )

    async def denied(self, who: str, what: Action, subject: str) -> None:
        await self._keep(Deed(who=who, what=what, subject=subject, result=Result.DENIED))

    async def _keep(self, deed: Deed) -> None:
        if self._trail is None:
            return
        said = self._trail.deny if deed.result is Result.DENIED else self._trail.keep
        try:
            await run_in_threadpool(said, deed)
        except ValueError:  # a name that the chain does not take: that it happened still stands there
            unnamed = Deed(who=deed.who, what=deed.what, subject=_UNNAMED, result=deed.result)
            await run_in_threadpool(said, unnamed)
