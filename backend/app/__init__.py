"""The sample backend: items in PostgreSQL behind an HTTP API."""
