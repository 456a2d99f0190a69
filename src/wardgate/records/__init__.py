"""What is kept of decisions, and what comes home to them: feedback and outcomes. Use cases over one port, `Archive`."""
