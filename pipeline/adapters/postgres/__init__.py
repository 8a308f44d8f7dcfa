"""PostgreSQL: the embedded server, the schema, claims, facts, the registry and what reports read; may import types, errors, ports."""
