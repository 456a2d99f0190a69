"""The use case: one hook call from request to outcome. Async; no framework and no client library."""
