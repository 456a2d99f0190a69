"""What people decide while the gateway runs, and the record of it."""
