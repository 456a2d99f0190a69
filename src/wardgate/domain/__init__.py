"""Pure values and rules: no I/O, no async, no clock.

The flow, in the order of a call: hooks, context, features, inference, decisions, cards.
The concerns beside it: outcomes, errors, clients, expressions, flags, plans, records, units.
"""
