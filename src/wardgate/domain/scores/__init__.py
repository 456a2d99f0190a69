"""Scores that a rule works out: points by steps, or an expression; no model is asked."""

from wardgate.domain.scores.rule import Counted, Item, Points, RuleScore, Unknown, Within

__all__ = ["Counted", "Item", "Points", "RuleScore", "Unknown", "Within"]
