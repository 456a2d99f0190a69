"""docs/configuration.md is written from the schemas."""

from tests.configuration_reference import TARGET, reference


def test_the_reference_is_current() -> None:
    """Otherwise: python -m tests.configuration_reference."""
    assert TARGET.read_text(encoding="utf-8") == reference()
