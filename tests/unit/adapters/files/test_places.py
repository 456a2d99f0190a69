"""Files in memory stand as files in a folder do."""

from pathlib import Path

import pytest

from wardgate.adapters.files.places import DISK, Files, Held

_FILES = {"services/a.yaml": b"a", "models/m/releases/1.yaml": b"b", "models/m/features.yaml": b"c", "top.yaml": b"d"}


def _on_disk(folder: Path) -> Path:
    for place, content in _FILES.items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.mark.parametrize(
    "place",
    [
        ".",
        "services",
        "services/a.yaml",
        "services/../top.yaml",
        "models",
        "models/m",
        "models/m/releases",
        "models/m/releases/../features.yaml",
        "none",
        "services/none.yaml",
        "services/a.yaml/inner",
    ],
)
def test_both_say_the_same(tmp_path: Path, place: str) -> None:
    def said(files: Files, root: Path) -> tuple[object, ...]:
        path = root / place
        inside = [str(each.relative_to(path)) for each in files.inside(path)]
        content = b""
        if files.is_file(path):
            with files.open(path) as file:
                content = file.read()
        return files.exists(path), files.is_file(path), files.is_folder(path), inside, content

    assert said(Held(_FILES), Path()) == said(DISK, _on_disk(tmp_path))


def test_nothing_of_it_leads_to_the_disk(tmp_path: Path) -> None:
    """Whatever the places are; and the disk's files are not there."""
    real = tmp_path / "real.yaml"
    real.write_bytes(b"on the disk")
    held = Held({"../../etc/passwd": b"held", str(tmp_path / "held"): b"held"})
    assert not held.exists(real) and not held.exists(Path("/etc/passwd"))
    with pytest.raises(FileNotFoundError):
        held.open(real)
    with held.open(Path("services/../../../etc/passwd")) as file:
        assert file.read() == b"held"
    with held.open(tmp_path / "held") as file:
        assert file.read() == b"held"
    assert not (tmp_path / "held").exists()
