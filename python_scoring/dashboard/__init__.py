"""The published marts as pages and as one file: read only, as the login given."""
