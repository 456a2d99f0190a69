"""The folder that anchors are exported to: one small file each, never overwritten."""

import os
from pathlib import Path

from wardgate.domain.audit import Link

_SUFFIX = ".anchor.json"


def write_anchor(folder: Path, link: Link, signed: bytes) -> Path | None:
    """None: an anchor of this entry is there already. Raises OSError."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    path = folder / f"{link.number:012}-{link.seal[:8]}{_SUFFIX}"
    if path.exists():
        return None
    new = folder / f".{path.name}.{os.getpid()}"
    try:
        with new.open("wb") as file:
            file.write(signed)
            file.flush()
            os.fsync(file.fileno())
        new.rename(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    return path


def anchors_in(place: Path) -> list[Path]:
    """The file, or all anchors of the folder."""
    return sorted(place.glob(f"*{_SUFFIX}")) if place.is_dir() else [place]
