"""The hot copy of a parent: what is put there, its own workers hear from it besides, whatever becomes of Redis."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from wardgate.control.ports import HotCopy, KeptSnapshot

Push = Callable[[Any], None]
"""To all workers, in JSON's terms; from any thread. Does not wait."""


class PushingCopy:
    """Meets `control.ports.HotCopy`."""

    def __init__(self, shared: HotCopy, push: Push) -> None:
        self._shared, self._push = shared, push

    def put(self, kept: KeptSnapshot) -> None:
        self._push({"snapshot": msgspec.to_builtins(kept)})
        self._shared.put(kept)

    def get(self) -> KeptSnapshot | None:
        return self._shared.get()

    def lower(self, sealed: bytes, ceiling_id: str) -> None:
        """Raises StoreUnavailable where other replicas have not heard of it; the workers have."""
        self._push({"lower": msgspec.to_builtins(sealed)})
        self._shared.lower(sealed, ceiling_id)

    def lowered(self) -> Sequence[bytes]:
        return self._shared.lowered()

    def forget(self, ceiling_ids: Sequence[str]) -> None:
        self._shared.forget(ceiling_ids)
