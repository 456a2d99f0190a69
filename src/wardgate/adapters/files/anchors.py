"""The folder that anchors are exported to: one small file each, never overwritten."""

from pathlib import Path

from wardgate.adapters.files.whole import whole_file
from wardgate.domain.audit import Link

_SUFFIX = ".anchor.json"


def write_anchor(folder: Path, link: Link, signed: bytes) -> Path | None:
    """None: an anchor of this entry is there already. Raises OSError."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    path = folder / f"{link.number:012}-{link.seal[:8]}{_SUFFIX}"
    try:
        with whole_file(path, mode=0o644) as file:
            file.write(signed)
    except FileExistsError:
        return None
    return path


def anchors_in(place: Path) -> list[Path]:
    """The file, or all anchors of the folder."""
    return sorted(place.glob(f"*{_SUFFIX}")) if place.is_dir() else [place]
