"""Features: one definition of each, for the hook call and for the warehouse (law 9)."""
