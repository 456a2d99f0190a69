"""A card file, validated and compiled (`cards/<name>.yaml`)."""


class CardPlan:
    """Built by `compile_card` (see cards/compile.py)."""
