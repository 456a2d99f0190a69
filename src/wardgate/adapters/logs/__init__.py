"""What the process says on standard error: one JSON object a line, from closed lists only."""
