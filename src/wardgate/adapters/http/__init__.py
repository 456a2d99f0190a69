"""HTTP out: one client port, and what is spoken over it: FHIR, and the model protocols."""
