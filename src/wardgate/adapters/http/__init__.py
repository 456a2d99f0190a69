"""HTTP out: one client port, and the protocols spoken over it (FHIR, Open Inference Protocol)."""
