"""Real servers for tests: Kafka, Triton and Debian's PostgreSQL 15; docs/development.md says how tests get them."""
