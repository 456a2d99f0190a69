"""Metrics for a Prometheus scrape."""
