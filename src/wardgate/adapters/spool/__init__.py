"""The spool: records on their way from a call to the durable store, on the local disk (docs/records.md)."""
