"""The segment log on Apache Kafka: the production implementation of `ports.SegmentLog`; imports types, errors, ports and settings."""

import logging

# kafka-python logs every attempt to connect as an error, and at its debug level a PLAIN password: what matters are our errors and events.
logging.getLogger("kafka").setLevel(logging.CRITICAL)
