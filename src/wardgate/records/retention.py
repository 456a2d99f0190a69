"""Each kind of record is kept for its time, then purged: a little at a time, so that nobody waits for it."""

from collections.abc import Callable, Mapping

from wardgate.records.archive import Archive, Kind


def expired(archive: Archive, retention: Mapping[Kind, float], now: float) -> dict[Kind, int]:
    """How many records of each kind a purge would remove. Raises ArchiveUnavailable."""
    return {kind: archive.count_before(kind, now - seconds) for kind, seconds in retention.items()}


def purge(
    archive: Archive,
    retention: Mapping[Kind, float],
    now: float,
    removed: Callable[[Kind, int], None],
    go_on: Callable[[], bool] = lambda: True,
) -> None:
    """`removed` hears of each batch; `go_on` is asked between two of them, and may take its time. Raises
    ArchiveUnavailable; what was removed until then stays removed."""
    for kind, seconds in retention.items():
        while go_on():
            count = archive.purge(kind, now - seconds)
            if not count:
                break
            removed(kind, count)
