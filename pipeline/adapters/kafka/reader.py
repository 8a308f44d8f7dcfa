"""Reads a topic's partitions ahead, within bounds of bytes; imports errors, metrics, types and this package.

One thread polls and is the only one that touches the consumer. Readers and that thread share the windows under one lock: a
reader says in its window what it wants, the thread puts the consumer there before the next poll, and files what the poll gives.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka import errors as kafka

from pipeline.adapters.kafka.diagnose import connected
from pipeline.adapters.kafka.records import stored_record
from pipeline.adapters.kafka.window import Window
from pipeline.errors import HeadcountError, LogUnavailableError, OffsetOutOfRangeError
from pipeline.metrics import LOG_BUFFERED_BYTES, LOG_FETCH_ERRORS
from pipeline.types import Record, StoredRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kafka.consumer.fetcher import ConsumerRecord

    from pipeline.adapters.kafka.bounds import Bounds
    from pipeline.adapters.kafka.cluster import Cluster
    from pipeline.adapters.kafka.peek import Peek
    from pipeline.adapters.kafka.watch import Watch

_log = structlog.get_logger()

_POLL_MS = 100  # also how long a fetch waits at a broker: what another partition wants waits for it
_AFTER_ERROR_S = 0.2
_FORGOTTEN_S = 30.0  # a partition that nobody has asked for as long is let go of
_TURN_S = 0.25  # who waits for records lets others read the same partition meanwhile
_YIELD_S = 0.001
_JOIN_S = 2.0
_VERIFY_S = 7.0
_FETCH_BYTES = 8 * 2**20  # of one broker's answer; a larger record still comes
_PARTITION_FETCH_BYTES = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLimits:
    """How much is read ahead; one answer of each broker may come on top."""

    partition_bytes: int = 16 * 2**20  # half of it what nobody has taken
    process_bytes: int = 128 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What else is known of a topic."""

    watch: Watch  # whether it is still the same one
    bounds: Bounds  # where its partitions begin and end
    peek: Peek  # single records


class Reader:
    """Reads records of one topic. Safe to use from several threads; two that read the same partition take turns.

    Args:
        cluster: The brokers.
        topic: What is read.
        beside: What else is known of the topic.
        limits: Bytes that are held.

    Raises:
        HeadcountError: No broker answers, or they refuse.
    """

    def __init__(self, cluster: Cluster, topic: str, *, beside: Beside, limits: ReadLimits) -> None:
        self._cluster = cluster
        self._topic = topic
        self._watch = beside.watch
        self._bounds = beside.bounds
        self._peek = beside.peek
        self._limits = limits
        lock = threading.Lock()
        self._changed = threading.Condition(lock)  # who reads waits here
        self._work = threading.Condition(lock)  # the polling thread, where nobody wants anything
        self._windows: dict[int, Window] = {}
        self._turns: dict[int, threading.Lock] = {}
        self._death: HeadcountError | None = None
        self._stopped = False
        self._consumer = self._connected()
        self._thread = threading.Thread(target=self._run, name="kafka-poll", daemon=True)
        self._thread.start()

    def read(self, partition: int, offset: int, *, max_bytes: int, timeout_s: float) -> Sequence[StoredRecord]:
        """Return records as `ports.SegmentLog.read` does."""
        deadline_s = time.monotonic() + timeout_s
        turn = self._turn(partition)
        while True:
            if not turn.acquire(timeout=max(0.0, deadline_s - time.monotonic())):
                raise self._silence(partition, timeout_s)
            try:
                until_s = min(deadline_s, time.monotonic() + _TURN_S)
                window = self._await(partition, offset, until_s)
                if taken := self._take(window, max_bytes):
                    return taken
                if window.out_of_range:
                    self._explain(partition, offset)
                elif time.monotonic() >= deadline_s:
                    self._require_end(window, timeout_s)
                    return []
            finally:
                turn.release()
            time.sleep(_YIELD_S)  # whoever waits for the turn comes first

    def touch(self, partition: int) -> None:
        """Say that a partition is still of interest: it is read on ahead."""
        window = self._windows.get(partition)
        if window is not None:
            window.asked_s = time.monotonic()

    def stamp(self, partition: int, offset: int) -> int | None:
        """Return when the first record at or after `offset` was appended, where it is held."""
        with self._changed:
            window = self._windows.get(partition)
            return None if window is None else window.stamp(offset)

    def tell(self) -> None:
        """Wake those who wait: the watch has looked."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Stop reading; returns soon, whatever the brokers do."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
            self._work.notify_all()
        self._thread.join(_JOIN_S)

    # The readers' side.

    def _turn(self, partition: int) -> threading.Lock:
        with self._changed:
            return self._turns.setdefault(partition, threading.Lock())

    def _await(self, partition: int, offset: int, deadline_s: float) -> Window:
        """Wait until there are records, or cannot be any, or time is over; return the window."""
        with self._changed:
            while True:
                self._check()
                now_s = time.monotonic()
                window = self._windows.setdefault(partition, Window(partition, offset, now_s))
                window.asked_s = now_s
                window.ask(offset)
                if window.has(self._watch.verified_s) or window.out_of_range or now_s >= deadline_s:
                    return window
                window.waiting = True
                self._work.notify_all()
                self._changed.wait(deadline_s - now_s)
                window.waiting = False

    def _take(self, window: Window, max_bytes: int) -> list[StoredRecord]:
        with self._changed:
            return window.take(max_bytes, self._watch.verified_s)

    def _check(self) -> None:
        if self._death is not None:
            raise self._death
        if self._stopped:
            raise LogUnavailableError(f"topic {self._topic} was closed; open it again")
        self._watch.check()

    def _explain(self, partition: int, offset: int) -> None:
        """Raise where an offset is really out of range; return where the brokers have it by now."""
        self._watch.verify(_VERIFY_S)  # a topic that was made anew is another matter
        bounds = self._bounds.fresh(partition)
        if not bounds.start <= offset <= bounds.stop:
            raise OffsetOutOfRangeError(partition, offset, bounds.start, bounds.stop)
        with self._changed:
            self._windows[partition].restart(offset)

    def _require_end(self, window: Window, timeout_s: float) -> None:
        """Raise where there should have been something: who waited must not take silence for the end of the log."""
        if timeout_s > 0 and (window.size or window.position < self._bounds.of(window.partition).stop):
            raise self._silence(window.partition, timeout_s)

    def _silence(self, partition: int, timeout_s: float) -> LogUnavailableError:
        return LogUnavailableError(
            f"reading partition {partition} of topic {self._topic}: nothing came within {timeout_s:g} s; trying again may help"
        )

    # The polling thread's side.

    def _run(self) -> None:
        try:
            while self._wait_for_work():
                self._step()
        except Exception as error:  # noqa: BLE001 - a bug; who reads must be told
            _log.exception("reader_died", topic=self._topic)
            self._death = HeadcountError(f"the reader of topic {self._topic} died of {type(error).__name__}; start this process again")
        finally:
            with self._changed:
                self._windows.clear()
                self._show()
                self._changed.notify_all()
            self._close_consumer()

    def _wait_for_work(self) -> bool:
        with self._changed:
            self._work.wait_for(lambda: self._stopped or self._windows)
            return not self._stopped

    def _step(self) -> None:
        self._arrange()
        try:
            self._file(self._consumer.poll(timeout_ms=_POLL_MS))
            self._pass_holes()
        except kafka.OffsetOutOfRangeError as error:
            self._mark_out_of_range(error.args[0])
        except (kafka.RetriableError, kafka.AuthorizationError, kafka.LogTruncationError) as error:
            self._suspect(error)
        except Exception as error:  # noqa: BLE001 - whatever the client makes of bytes that are no record
            self._suspect(error)
            self._step_over(error)

    def _arrange(self) -> None:
        """Put the consumer where the windows want it."""
        with self._changed:
            self._forget()
            places = {partition: TopicPartition(self._topic, partition) for partition in self._windows}
            if set(places.values()) != self._consumer.assignment():
                self._consumer.assign(list(places.values()))
            for partition, window in self._windows.items():
                if window.seek_to is not None:
                    self._consumer.seek(places[partition], window.seek_to)
                    window.seek_to = None
            self._make_room()
            open_for = {places[partition] for partition, window in self._windows.items() if self._is_open(window)}
        paused = self._consumer.paused()
        self._consumer.resume(*(paused & open_for))
        self._consumer.pause(*(set(places.values()) - open_for - paused))

    def _forget(self) -> None:
        oldest_s = time.monotonic() - _FORGOTTEN_S
        for partition, window in list(self._windows.items()):
            if window.asked_s < oldest_s and not window.waiting:
                del self._windows[partition]

    def _is_open(self, window: Window) -> bool:
        if window.out_of_range:
            return False
        if window.waiting and not window.size:
            return True
        full = window.size >= self._limits.partition_bytes or window.unread >= self._limits.partition_bytes // 2
        return not full and self._held() < self._limits.process_bytes

    def _held(self) -> int:
        return sum(window.size for window in self._windows.values())

    def _make_room(self) -> None:
        """Where the process holds all that it may and somebody waits for more, let go of what was asked for longest ago."""
        starving = [window for window in self._windows.values() if window.waiting and not window.size]
        idle = sorted(
            (window for window in self._windows.values() if window.size and not window.waiting), key=lambda window: window.asked_s
        )
        room = self._limits.process_bytes - len(starving) * self._limits.partition_bytes // 2
        for window in idle:
            if not starving or self._held() <= room:
                break
            window.restart()

    def _file(self, polled: Mapping[TopicPartition, Sequence[ConsumerRecord]]) -> None:
        now_s = time.monotonic()
        with self._changed:
            for place, records in polled.items():
                window = self._windows.get(place.partition)
                if window is not None and window.seek_to is None:
                    window.add([stored_record(record) for record in records], now_s)
                    self._bounds.grew(place.partition, max(records[-1].offset + 1, self._consumer.highwater(place) or 0))
            self._show()
            if polled:
                self._changed.notify_all()
        if polled:
            self._watch.want()

    def _pass_holes(self) -> None:
        """Where offsets hold no record, such as another client's markers, go on behind them."""
        with self._changed:
            for partition, window in self._windows.items():
                if window.waiting and not window.size and window.seek_to is None:
                    reached = self._consumer.position(TopicPartition(self._topic, partition), timeout_ms=0)
                    window.position = max(window.position, reached or 0)

    def _show(self) -> None:
        LOG_BUFFERED_BYTES.set(self._held())

    def _mark_out_of_range(self, offsets: Mapping[TopicPartition, int]) -> None:
        with self._changed:
            for place, offset in offsets.items():
                window = self._windows.get(place.partition)
                if window is not None and window.seek_to is None and window.position == offset:
                    window.out_of_range = True
            self._changed.notify_all()

    def _suspect(self, error: Exception) -> None:
        """After an error nothing is certain: look at the topic, and fetch from where each window ends."""
        LOG_FETCH_ERRORS.inc()
        _log.warning("fetch_failed", topic=self._topic, error=type(error).__name__)
        self._watch.want()
        with self._changed:
            for window in self._windows.values():
                if window.seek_to is None:
                    window.seek_to = window.position
            self._work.wait_for(lambda: self._stopped, _AFTER_ERROR_S)

    def _step_over(self, error: Exception) -> None:
        """Hand records that the client cannot take apart out as empty ones, which are set aside as dead letters.

        The client is made anew: after such a record it turns round and round in its next poll.
        """
        self._close_consumer()
        try:
            self._consumer = self._connected()
            damaged = [(window, offset) for window, offset in self._begun() if self._peek.is_damaged(window.partition, offset)]
        except HeadcountError as trouble:  # found again at the next poll
            self._suspect(trouble)
            return
        if not damaged and not isinstance(error, kafka.KafkaError):
            raise error
        with self._changed:
            for window, offset in damaged:
                _log.warning("record_damaged", topic=self._topic, partition=window.partition, offset=offset)
                if window.position == offset:
                    nothing = Record(headers=(), value=b"")
                    window.add([StoredRecord(partition=window.partition, offset=offset, record=nothing)], time.monotonic())
                    window.seek_to = window.position
            self._changed.notify_all()
        self._watch.want()

    def _begun(self) -> list[tuple[Window, int]]:
        """Return the windows behind which the log has more, and from where on."""
        with self._changed:
            places = [(window, window.position) for window in self._windows.values()]
        return [(window, offset) for window, offset in places if offset in self._bounds.of(window.partition)]

    def _connected(self) -> KafkaConsumer:
        return connected(self._cluster, KafkaConsumer, **_options(self._limits))

    def _close_consumer(self) -> None:
        with suppress(kafka.KafkaError):
            self._consumer.close(autocommit=False, timeout_ms=1000)


def _options(limits: ReadLimits) -> dict[str, object]:
    return {
        "group_id": None,
        "request_timeout_ms": 5000,
        "enable_auto_commit": False,
        "auto_offset_reset": "none",
        "fetch_max_wait_ms": _POLL_MS,
        "fetch_max_bytes": min(_FETCH_BYTES, limits.process_bytes),
        "max_partition_fetch_bytes": min(_PARTITION_FETCH_BYTES, limits.partition_bytes),
        "max_poll_records": 2**31,
        "metrics_enabled": False,
    }
