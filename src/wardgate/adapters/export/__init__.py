"""Exports: charts as files (Bundles, bulk NDJSON) in, tables as files out."""
