"""Where the files of a configuration stand: on the disk, or in memory, where a release was kept whole."""

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class Files(Protocol):
    """`open` raises OSError, or ValueError for a name that no file can have; the others never raise."""

    def open(self, path: Path) -> io.BufferedIOBase: ...

    def exists(self, path: Path) -> bool: ...

    def is_file(self, path: Path) -> bool:
        """A device or a pipe is none: it has no end."""
        ...

    def is_folder(self, path: Path) -> bool: ...

    def inside(self, folder: Path) -> list[Path]:
        """What stands in a folder, by name; nothing where there is none, or where it cannot be read."""
        ...


class Disk:
    def open(self, path: Path) -> io.BufferedIOBase:
        return path.open("rb")

    def exists(self, path: Path) -> bool:
        return os.path.exists(path)

    def is_file(self, path: Path) -> bool:
        return os.path.isfile(path)

    def is_folder(self, path: Path) -> bool:
        return os.path.isdir(path)

    def inside(self, folder: Path) -> list[Path]:
        try:
            return sorted(folder.iterdir())
        except (OSError, ValueError):
            return []


DISK = Disk()


class Held:
    """By place, seen from a folder that is called `.`; nothing of it touches the disk, whatever the places are."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = {os.path.normpath(place): content for place, content in files.items()}
        self._inside: dict[str, set[str]] = {}
        for place in self._files:
            self._stand(place)

    def _stand(self, place: str) -> None:
        folder, name = os.path.split(place)
        while name:
            names = self._inside.setdefault(folder or ".", set())
            if name in names:
                return
            names.add(name)
            folder, name = os.path.split(folder)

    def open(self, path: Path) -> io.BufferedIOBase:
        try:
            return io.BytesIO(self._files[os.path.normpath(path)])
        except KeyError:
            raise FileNotFoundError from None

    def exists(self, path: Path) -> bool:
        return self.is_file(path) or self.is_folder(path)

    def is_file(self, path: Path) -> bool:
        return os.path.normpath(path) in self._files

    def is_folder(self, path: Path) -> bool:
        return os.path.normpath(path) in self._inside

    def inside(self, folder: Path) -> list[Path]:
        names = self._inside.get(os.path.normpath(folder), ())
        return [folder / name for name in sorted(names)]
