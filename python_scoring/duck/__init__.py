"""The warehouse in one DuckDB file: what differs from PostgreSQL, and no more."""
