"""SECURITY.md and docs/safety.md say what is true: each control is shown by tests that exist, or says what is open."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
SECURITY, SAFETY = ROOT / "SECURITY.md", ROOT / "docs" / "safety.md"

_TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
_BORDERS = {
    "EHR calls": "STRIDE",
    "FHIR server": "STRIDE",
    "asks a model": "STRIDE",
    "Redis": "STRIDE",
    "PostgreSQL": "STRIDE",
    "collector": "STID",
    "JWKS": "STRD",
    "admin listener": "STRIDE",
    "files and spool": "STRIDE",
    "Supply chain": "STRIDE",
    "operator, approver, administrator of the database": "TRIDE",
}
"""By a part of its heading, the letters that must stand there. No rights are given to who sends keys or takes spans."""
_LAWS = {f"L{number}" for number in range(1, 12)}
_SEVERITIES = {"Catastrophic", "Major", "Considerable", "Significant", "Minor"}
_HAZARDS = (
    "Wrong patient",
    "Stale data",
    "Units",
    "Silence",
    "Automation bias",
    "Alert fatigue",
    "Mid-encounter switch",
    "Downtime back-entry",
    "Clock skew",
    "Children",
    "Pregnancy",
    "Preview in production",
    "Kill misuse",
    "A card stays on a screen after",
)


def _tables(page: Path) -> dict[str, list[list[str]]]:
    """By heading, the cells of each row of its tables, the heads of the tables left out."""
    found: dict[str, list[list[str]]] = {}
    heading = ""
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif line.startswith("| ") and not line.startswith("| |"):
            found.setdefault(heading, []).append([cell.strip() for cell in line.strip("|").split("|")])
    return found


def _threats() -> dict[str, list[list[str]]]:
    return {heading: rows for heading, rows in _tables(SECURITY).items() if len(rows[0]) == 4}


def _hazards() -> list[list[str]]:
    return [row for rows in _tables(SAFETY).values() for row in rows if len(row) == 7]


@cache
def _names(file: str) -> set[str]:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("page", [SECURITY, SAFETY], ids=["security", "safety"])
def test_every_test_that_is_named_exists(page: Path) -> None:
    """By file and function; there are many of them, so the pattern still finds them."""
    named = _TEST.findall(page.read_text(encoding="utf-8"))
    missing = [f"{file}::{name}" for file, name in named if not (TESTS / file).is_file() or name not in _names(file)]
    assert missing == [] and len(named) > 90


def test_every_control_is_shown_or_open() -> None:
    """And what names no test says so where its reader looks."""
    for row in (row for rows in _threats().values() for row in rows):
        letter, threat, control, shown = row
        assert letter in "STRIDE" and len(letter) == 1 and control, threat
        assert _TEST.search(shown) or ("**Open:**" in control and shown == "none"), threat
    for identity, hazard, cause, severity, control, shown, residual in _hazards():
        assert severity in _SEVERITIES and cause and control, hazard
        assert residual and (_TEST.search(shown) or "**Open.**" in residual), f"{identity} {hazard}"


def test_every_border_has_its_threats() -> None:
    """Each letter that applies there."""
    found = {heading: {row[0] for row in rows} for heading, rows in _threats().items()}
    assert len(found) == len(_BORDERS)
    for part, letters in _BORDERS.items():
        (heading,) = [heading for heading in found if part in heading]
        assert set(letters) <= found[heading], heading


def test_every_law_and_every_known_hazard_is_there() -> None:
    """Once, and each law by tests of its own file."""
    rows = {row[0]: row for row in _hazards()}
    assert len(rows) == len(_hazards()) and rows.keys() >= _LAWS
    for hazard in _HAZARDS:
        assert [row for row in rows.values() if row[1].startswith(hazard)], hazard
    for law in sorted(_LAWS):
        files = {path.relative_to(TESTS).as_posix() for path in TESTS.glob(f"laws/test_law_{int(law[1:]):02}_*.py")}
        assert not files or files & {file for file, _ in _TEST.findall(rows[law][5])}, law


def test_the_pages_count_what_is_open() -> None:
    """Whoever reads the first lines only knows how much is missing."""
    threats = [row for rows in _threats().values() for row in rows]
    unmet, unsafe = sum("**Open" in row[2] for row in threats), sum("**Open" in row[6] for row in _hazards())
    assert f"{len(threats)} threats, border by border; for {unmet} of them" in SECURITY.read_text("utf-8")
    assert f"{len(_hazards())} hazards; for {unsafe} of them" in SAFETY.read_text("utf-8")
