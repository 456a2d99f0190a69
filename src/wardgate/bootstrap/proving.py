"""Whether an endpoint proves now that it runs a release: also one that no file gives any more, before a rollback."""

import asyncio
from collections.abc import Callable, Mapping

from wardgate.bootstrap.approving import ReleaseBook
from wardgate.bootstrap.audit import release_store_of
from wardgate.bootstrap.configured import Configured
from wardgate.bootstrap.models import Models
from wardgate.control.ports import StoreUnavailable
from wardgate.domain.plans import ReleasePlan
from wardgate.gateway.probes import ProvenModel
from wardgate.gateway.proof import Proof

UNKNOWN = "unknown_release"
"""In place of a reason: there is no such release here."""


class Proving:
    """For the loop that answers calls."""

    def __init__(
        self,
        configured: Callable[[], Configured],
        models: Models,
        running: Callable[[], Mapping[str, ProvenModel]],
    ) -> None:
        """`running` gives those of the releases that answer, by digest."""
        self._models, self._running = models, running
        place = configured().secrets.durable
        self._book = None
        if place is not None:
            self._book = ReleaseBook(
                lambda: configured().catalog, lambda: configured().document, release_store_of(place)
            )

    async def __call__(self, service: str, digest: str) -> str | None:
        """Why it does not; None: every probe agrees."""
        model = self._running().get(digest)
        if model is None:
            release = await asyncio.to_thread(self._plan, service, digest)
            if release is None:
                return UNKNOWN
            model = self._models.beside(release)
        await model.prove()
        trouble = model.trouble
        return None if model.proof is Proof.PASSED and trouble is None else str(trouble)

    def _plan(self, service: str, digest: str) -> ReleasePlan | None:
        try:
            return None if self._book is None else self._book.plan(service, digest)
        except StoreUnavailable:
            return None
