"""The servers that are measured beside wardgate. Each takes --port, --model and --collector."""
