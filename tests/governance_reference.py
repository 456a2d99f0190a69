"""Writes the table of docs/governance.md: `python -m tests.governance_reference`. A test keeps it current."""

from pathlib import Path

from wardgate.domain.governance import MEASURES

TARGET = Path(__file__).parent.parent / "docs" / "governance.md"
_HEAD, _RULE = "| name | passes | says | from |\n", "|---|---|---|---|\n"


def page() -> str:
    """The whole page, with the table as it must be."""
    before, head, rest = TARGET.read_text("utf-8").partition(_HEAD + _RULE)
    assert head, "the table is gone"
    _, gap, after = rest.partition("\n\n")
    return before + head + "\n".join(_rows()) + gap + after


def _rows() -> list[str]:
    return [
        f"| `{figure}` | {'at least' if measure.least else 'at most'} | {measure.meaning} | {measure.source} |"
        for figure, measure in MEASURES.items()
    ]


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
