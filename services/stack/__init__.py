"""The production column on one machine: Kafka, Triton and all that works with them, as local processes."""
