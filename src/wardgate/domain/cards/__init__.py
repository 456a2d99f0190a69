"""Cards: what a clinician reads. Templates come from the release's digest only."""
