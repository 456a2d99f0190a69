"""Compile a feature schema to an extractor."""


class Extractor:
    """Built by `compile_schema`."""
