"""The PostgreSQL server that comes along, for who has none of their own."""
