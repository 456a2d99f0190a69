"""The simulators that stand in for the world: a model server, a FHIR server, and the patients in it.

Nothing here shares code with what it tests (import contract), so that an error cannot hide by being made twice.
"""
