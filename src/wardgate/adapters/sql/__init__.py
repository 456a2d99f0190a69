"""The durable store of records in SQLite or PostgreSQL, through SQLAlchemy Core."""
