"""What releases, services and sites are called, for whoever names one."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence

from wardgate.bootstrap.approving import ReleaseBook
from wardgate.control.patience import Patience
from wardgate.control.ports import StoreUnavailable
from wardgate.domain.plans import Catalog
from wardgate.domain.releases import meant

_LONGEST = 0.3
"""Seconds for a release's name that only the store knows."""


class ReleaseNames:
    """Meets `web.admin.bodies.ReleaseNames`: releases of the files, and those that were submitted. What a digest is
    called never changes, so it is asked for once; a store that is away takes nobody's time."""

    def __init__(
        self, files: Callable[[], Catalog], book: ReleaseBook, sites: Callable[[], frozenset[str]] = frozenset
    ) -> None:
        self._files, self._book, self._patience, self._sites = files, book, Patience(4), sites
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], str] = {}

    def services(self) -> Sequence[str]:
        return sorted(self._files().services)

    def sites(self) -> Collection[str]:
        return self._sites()

    def digest(self, service: str, name: str) -> str | None:
        known = self._own(service)
        if name not in known:  # a digest, or a version that only the store may know
            self._ask(service)
            known = {**{digest: version for (of, digest), version in self._all().items() if of == service}, **known}
        if name in known:
            return name
        named = meant(name, known)
        # an edit has the version of what it edits: the files' own is meant
        if len(named) > 1 and known[named[0]] == name:
            named = tuple([digest for digest in named if digest in self._own(service)]) or named
        return named[0] if len(named) == 1 else None

    def version(self, service: str, digest: str) -> str | None:
        found = self._own(service).get(digest) or self._all().get((service, digest))
        if found is None:
            self._ask(service)
            found = self._all().get((service, digest))
        return found

    def _own(self, service: str) -> dict[str, str]:
        plans = self._files().services.get(service, {}).values()
        return {digest: release.version for plan in plans for digest, release in plan.releases.items()}

    def _all(self) -> Mapping[tuple[str, str], str]:
        with self._lock:
            return dict(self._kept)

    def _ask(self, service: str) -> None:
        try:
            known = self._patience.ask(lambda: self._book.known(service), _LONGEST)
        except StoreUnavailable:
            return
        with self._lock:
            self._kept.update({(service, each.digest): each.version for each in known})
