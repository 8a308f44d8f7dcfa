"""Appends records and waits until enough brokers have them; imports errors, metrics, types and this package.

kafka-python's producer is used without idempotence: with it one record that times out makes it hang for ever. A failed record
may be in the log all the same; whoever appends it again makes a repeat next to it, which workers drop.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from kafka import KafkaProducer
from kafka import errors as kafka

from pipeline.adapters.kafka.diagnose import connected
from pipeline.adapters.kafka.failures import explained
from pipeline.adapters.kafka.opening import Opening
from pipeline.errors import ConfigurationError, InvalidRecordError, LogUnavailableError, TransientError
from pipeline.metrics import LOG_APPEND_SECONDS, LOG_IN_FLIGHT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.adapters.kafka.cluster import Cluster
    from pipeline.types import Record

_BATCH_OVERHEAD_BYTES = 2048  # what Kafka's own form adds to a record
_IN_FLIGHT_BYTES = 64 * 2**20
_DELIVERY_MS = 10_000
_PATIENCE_S = 15.0  # the client answers for a record within its delivery timeout; longer is a bug of its own
_CLOSE_S = 1.0
_OPTIONS = {
    "enable_idempotence": False,
    "acks": "all",
    "retries": 0,
    "request_timeout_ms": 5000,
    "delivery_timeout_ms": _DELIVERY_MS,
    "max_block_ms": 5000,
    "linger_ms": 0,
    "compression_type": None,
    "metrics_enabled": False,
}


class Producer:
    """Appends to one topic. Safe to use from several threads.

    Args:
        cluster: The brokers.
        topic: What is appended to.
        max_record_bytes: Headers and value of the largest record.
        on_trouble: Told when a record was not acknowledged.

    Raises:
        HeadcountError: No broker answers, or they refuse.
    """

    def __init__(self, cluster: Cluster, topic: str, *, max_record_bytes: int, on_trouble: Callable[[], None] = lambda: None) -> None:
        self._cluster = cluster
        self._topic = topic
        self._max_record_bytes = max_record_bytes
        self._on_trouble = on_trouble
        self._room = threading.Condition()
        self._in_flight = 0
        self._closed = False
        self._client = Opening(self._connected)
        self._client.get()

    def append(self, partition: int, record: Record) -> int:
        """Append a record and return its offset once enough brokers have it.

        Raises:
            InvalidRecordError: It is larger than the topic carries (reason "too_large").
            LogUnavailableError: It may or may not be in the log.
        """
        if record.size > self._max_record_bytes:
            raise InvalidRecordError("too_large", f"a record of {record.size} bytes is larger than the log's {self._max_record_bytes}")
        began_s = time.monotonic()
        try:
            self._take_room(record.size)
            with explained(f"appending to partition {partition} of topic {self._topic}"):
                return self._append(partition, record)
        except (TransientError, ConfigurationError):
            self._on_trouble()
            raise
        finally:
            LOG_APPEND_SECONDS.inc(time.monotonic() - began_s)

    def pause(self) -> None:
        """Let go of the client, which would search for a topic that is gone as fast as it can; the next append makes a new one."""
        _close(self._client.drop(), 0)

    def close(self) -> None:
        """Close; returns soon, whatever the brokers do."""
        self._closed = True
        _close(self._client.drop(), _CLOSE_S)

    def _append(self, partition: int, record: Record) -> int:
        sent = None
        try:
            sent = self._client.get().send(self._topic, value=record.value, headers=list(record.headers), partition=partition)
        except ValueError:  # partitions were added since the client asked for them
            self.pause()
            raise LogUnavailableError(
                f"appending to partition {partition} of topic {self._topic}: the client does not know it yet"
            ) from None
        finally:
            if sent is None:
                self._give_room_back(record.size)
        sent.add_both(lambda _: self._give_room_back(record.size))
        try:
            return int(sent.get(timeout=_PATIENCE_S).offset)
        except kafka.KafkaTimeoutError:
            if not sent.is_done:
                self.pause()
            raise

    def _connected(self) -> KafkaProducer:
        if self._closed:
            raise LogUnavailableError(f"topic {self._topic} was closed; open it again")
        return connected(self._cluster, KafkaProducer, **_OPTIONS, max_request_size=self._max_record_bytes + _BATCH_OVERHEAD_BYTES)

    def _take_room(self, size: int) -> None:
        with self._room:
            if not self._room.wait_for(lambda: self._in_flight == 0 or self._in_flight + size <= _IN_FLIGHT_BYTES, _PATIENCE_S):
                raise LogUnavailableError(f"appending to topic {self._topic}: the brokers have not acknowledged {self._in_flight} bytes")
            self._in_flight += size
            LOG_IN_FLIGHT_BYTES.inc(size)

    def _give_room_back(self, size: int) -> None:
        with self._room:
            self._in_flight -= size
            LOG_IN_FLIGHT_BYTES.dec(size)
            self._room.notify_all()


def _close(client: KafkaProducer | None, timeout_s: float) -> None:
    if client is None:
        return
    try:
        client.close(timeout=timeout_s)
    except kafka.KafkaError:  # it gave up before it closed anything, and its thread would go on
        client._sender.force_close()  # noqa: SLF001 - there is no public way
        client._sender.wakeup()  # noqa: SLF001
