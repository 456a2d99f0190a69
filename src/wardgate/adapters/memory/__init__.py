"""In-process stores: the record sink until the durable one is configured."""
