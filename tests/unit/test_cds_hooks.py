"""docs/cds-hooks.md says what is true: each row is shown by a test, or says why it is not."""

from tests.cds_hooks_reference import TARGET, reference, rows, shown_by

ROWS = {row["id"]: row for section in rows() for row in section["rows"]}


def test_the_page_is_current() -> None:
    """Otherwise: python -m tests.cds_hooks_reference."""
    assert TARGET.read_text(encoding="utf-8") == reference()


def test_every_marker_names_a_row() -> None:
    """A mistyped row would be evidence for nothing."""
    assert shown_by().keys() <= ROWS.keys()
    assert len(ROWS) == sum(len(section["rows"]) for section in rows()) == 117


def test_every_row_is_shown_or_says_why_not() -> None:
    """And not both: what became true must lose its excuse."""
    shown = shown_by()
    for name, row in ROWS.items():
        assert (name in shown) + ("outside" in row) + ("open" in row) == 1, name
