"""Chaos: proxies that do to the gateway's dependencies what happens to them, and a run that watches what it answers."""
