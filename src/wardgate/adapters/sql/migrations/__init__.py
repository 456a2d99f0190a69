"""How a store comes from one version of the tables to the next; run by `schema.py`, forward only."""
