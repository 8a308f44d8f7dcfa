"""What a log in Kafka does while its broker, or its topic, is harmed."""

from __future__ import annotations

import gc
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psutil
import pytest
from kafka import KafkaProducer, TopicPartition

from pipeline.adapters.kafka.bounds import Bounds
from pipeline.adapters.kafka.log import KafkaLog, Topic
from pipeline.adapters.kafka.peek import Peek
from pipeline.adapters.kafka.reader import Beside, Reader, ReadLimits
from pipeline.adapters.kafka.watch import Watch
from pipeline.errors import HeadcountError, LogReplacedError, LogUnavailableError, OffsetOutOfRangeError
from pipeline.types import Record
from tests.metered import metered
from tests.servers.process import wait_until
from tests.servers.topics import cluster_at, delete, deleted
from tests.servers.traffic import Traffic, numbered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.types import StoredRecord
    from tests.servers.kafka import KafkaCluster, KafkaServers

MIB = 2**20
LARGEST = 8 * MIB
PARTITIONS = 3


class NoText(str):
    """The name of a header whose bytes are no text."""

    __slots__ = ()

    def encode(self, *_: object) -> bytes:
        return b"\xff\xfe"


class BoundsWithBug(Bounds):
    def grew(self, partition: int, stop: int) -> None:
        raise ZeroDivisionError(partition, stop)


@pytest.fixture(scope="module")
def broker(kafka_servers: KafkaServers) -> Iterator[KafkaCluster]:
    """A broker that may be harmed; each test leaves it running."""
    with kafka_servers() as cluster:
        yield cluster


@contextmanager
def opened(broker: KafkaCluster, topic: str) -> Iterator[KafkaLog]:
    log = KafkaLog(cluster_at(broker), Topic(name=topic, max_record_bytes=LARGEST, writes=True))
    try:
        yield log
    finally:
        began = time.monotonic()
        log.close()
        assert time.monotonic() - began < 5, "closing takes too long"


@pytest.fixture
def topic(broker: KafkaCluster) -> Iterator[str]:
    name = broker.new_topic(partitions=PARTITIONS, message_timestamp_type="LogAppendTime", max_message_bytes=str(LARGEST + MIB))
    with deleted(broker, name):
        yield name


@pytest.fixture
def log(broker: KafkaCluster, topic: str) -> Iterator[KafkaLog]:
    with opened(broker, topic) as log:
        yield log


def make_anew(broker: KafkaCluster, topic: str, records: int) -> None:
    """Delete a topic and make it again, with so many records in each partition."""
    delete(broker, topic)
    admin = broker.admin()

    def gone() -> bool:
        return bool(admin.describe_topics([topic])[0]["error_code"])

    wait_until(gone, "the topic is gone")
    admin.create_topics({topic: {"num_partitions": PARTITIONS, "replication_factor": 1}}, wait_for_metadata=True)
    admin.close()
    with opened(broker, topic) as other:
        for number in range(records):
            other.append(0, numbered(1000 + number, 10))


def test_a_broker_that_is_killed_and_started_again_loses_nothing(broker: KafkaCluster, log: KafkaLog) -> None:
    with Traffic(log=log, partitions=PARTITIONS) as traffic:
        time.sleep(2)
        broker.nodes[0].kill()
        time.sleep(2)
        broker.nodes[0].start()
        time.sleep(3)
    traffic.check()
    assert traffic.refusals, "nobody noticed"


def test_a_broker_that_is_stopped_for_longer_than_the_time_outs_loses_nothing(broker: KafkaCluster, log: KafkaLog) -> None:
    with Traffic(log=log, partitions=PARTITIONS) as traffic:
        time.sleep(2)
        broker.nodes[0].pause()
        time.sleep(20)
        broker.nodes[0].resume()
        time.sleep(3)
    traffic.check()
    assert traffic.refusals, "nobody noticed"


@pytest.mark.parametrize("records", [0, 2, 3, 7], ids=["empty", "shorter", "as_long", "longer"])
def test_a_topic_that_was_made_anew_is_not_read_on(broker: KafkaCluster, topic: str, log: KafkaLog, records: int) -> None:
    for number in range(3):
        log.append(0, numbered(number, 10))
    offset = log.read(0, 0, max_bytes=MIB, timeout_s=5)[-1].offset + 1
    assert offset == 3
    replaced = metered("headcount_log_replaced_total")
    make_anew(broker, topic, records)
    deadline = time.monotonic() + 45
    while time.monotonic() < deadline:
        try:
            assert not log.read(0, offset, max_bytes=MIB, timeout_s=1), "a record of another topic was handed out"
        except LogUnavailableError:
            continue
        except LogReplacedError:
            break
    for use in (
        lambda: log.read(0, offset, max_bytes=MIB, timeout_s=1),
        lambda: log.append(0, numbered(3, 10)),
        lambda: log.offsets(0),
        lambda: log.appended_us(0, 0),
    ):
        with pytest.raises(LogReplacedError, match="made anew"):
            use()
    assert metered("headcount_log_replaced_total") == replaced + 1


def test_a_topic_that_was_deleted_says_so_and_costs_no_processor(broker: KafkaCluster, topic: str, log: KafkaLog) -> None:
    log.append(0, numbered(0, 10))
    log.read(0, 0, max_bytes=MIB, timeout_s=5)
    delete(broker, topic)
    said: list[str] = []

    def says_so() -> bool:
        for use in (lambda: log.append(0, numbered(1, 10)), lambda: log.read(0, 1, max_bytes=MIB, timeout_s=0.5), lambda: log.offsets(0)):
            try:
                use()
            except LogUnavailableError as error:
                said.append(str(error))
        return len(said) >= 3 and all("headcount topics apply" in words for words in said[-3:])

    wait_until(says_so, "every call says so", patience_s=45)
    before = psutil.Process().cpu_times().user
    time.sleep(3)
    assert psutil.Process().cpu_times().user - before < 1, "something spins"


def test_retention_that_overtakes_a_reader_is_told_with_the_bounds(broker: KafkaCluster, topic: str, log: KafkaLog) -> None:
    for number in range(10):
        log.append(0, numbered(number, 10))
    assert log.read(0, 2, max_bytes=1, timeout_s=5)[0].offset == 2
    admin = broker.admin()
    admin.delete_records({TopicPartition(topic, 0): 6})
    admin.close()
    with pytest.raises(OffsetOutOfRangeError) as raised:
        log.read(0, 0, max_bytes=MIB, timeout_s=5)
    assert (raised.value.earliest, raised.value.latest) == (6, 10)
    assert log.read(0, 6, max_bytes=MIB, timeout_s=5)[0].offset == 6
    with pytest.raises(OffsetOutOfRangeError):
        log.read(0, 11, max_bytes=MIB, timeout_s=5)
    assert log.appended_us(0, 0) is not None, "the oldest that is still there"


def test_the_largest_records_pass(log: KafkaLog) -> None:
    record = Record(headers=(), value=b"\x07" * LARGEST)
    assert [log.append(1, record) for _ in range(3)] == [0, 1, 2]
    came = [log.read(1, offset, max_bytes=1, timeout_s=10)[0] for offset in range(3)]
    assert all(stored.record == record for stored in came)
    assert metered("headcount_log_buffered_bytes") >= LARGEST


def test_a_record_that_cannot_be_taken_apart_is_stepped_over(broker: KafkaCluster, topic: str, log: KafkaLog) -> None:
    for number in range(2):
        log.append(0, numbered(number, 10))
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap.split(","), enable_idempotence=False)
    producer.send(topic, value=b"", headers=[(NoText("name"), b"")], partition=0)
    producer.close(timeout=10)
    for number in (3, 4):
        log.append(0, numbered(number, 10))
    log.append(1, numbered(0, 10))
    came = [stored for partition in (0, 1) for stored in _all(log, partition)]
    assert [(stored.partition, stored.offset) for stored in came] == [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (1, 0)]
    assert [stored.record.headers == () for stored in came] == [False, False, True, False, False, False]
    assert log.appended_us(0, 3) is not None


def test_a_reader_that_dies_of_a_bug_is_told_to_who_reads(broker: KafkaCluster, topic: str) -> None:
    with opened(broker, topic) as log:
        log.append(0, numbered(0, 10))
    cluster = cluster_at(broker)
    peek = Peek(cluster, topic)
    watch = Watch(cluster, topic, needs=["READ"])
    bounds = BoundsWithBug(cluster, topic, partitions=PARTITIONS)
    reader = Reader(cluster, topic, beside=Beside(watch=watch, bounds=bounds, peek=peek), limits=ReadLimits())

    def read_on() -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with suppress(LogUnavailableError):  # a fetch may take longer
                reader.read(0, 0, max_bytes=MIB, timeout_s=0.1)

    with pytest.raises(HeadcountError, match="died of ZeroDivisionError"):
        read_on()
    with pytest.raises(HeadcountError, match="died of ZeroDivisionError"):
        reader.read(1, 0, max_bytes=MIB, timeout_s=10)
    for part in (reader, peek, bounds, watch):
        part.close()


def test_memory_is_bounded_while_the_broker_is_stopped_and_closing_is_quick(broker: KafkaCluster, topic: str) -> None:
    with opened(broker, topic) as log:
        log.append(0, numbered(0, 10))
        record = Record(headers=(), value=bytes(LARGEST))
        gc.collect()
        before = psutil.Process().memory_info().rss
        waited = metered("headcount_log_append_seconds_total")
        broker.nodes[0].pause()
        try:
            with ThreadPoolExecutor(8) as pool:
                tries = [pool.submit(log.append, number % PARTITIONS, record) for number in range(24)]
                wait_until(lambda: metered("headcount_log_in_flight_bytes") >= LARGEST, "records are in flight", patience_s=10)
                peak = 0
                while not all(attempt.done() for attempt in tries):
                    peak = max(peak, psutil.Process().memory_info().rss)
                    assert metered("headcount_log_in_flight_bytes") <= 64 * MIB
                    time.sleep(0.1)
            assert all(isinstance(attempt.exception(), LogUnavailableError) for attempt in tries)
            assert peak - before < 256 * MIB
            assert metered("headcount_log_append_seconds_total") > waited
            with ThreadPoolExecutor(1) as pool:
                last = pool.submit(log.append, 0, record)
                wait_until(lambda: metered("headcount_log_in_flight_bytes") >= LARGEST, "a record is in flight", patience_s=10)
                log.close()
            assert isinstance(last.exception(), LogUnavailableError)
        finally:
            broker.nodes[0].resume()
    assert metered("headcount_log_in_flight_bytes") == 0


def test_without_a_broker_opening_and_reading_fail_soon(broker: KafkaCluster, topic: str, log: KafkaLog) -> None:
    log.append(0, numbered(0, 10))
    failed = metered("headcount_log_unavailable_total")
    broker.nodes[0].kill()
    try:
        for use in (
            lambda: log.read(0, 0, max_bytes=MIB, timeout_s=1),
            lambda: log.append(0, numbered(1, 10)),
            lambda: KafkaLog(cluster_at(broker), Topic(name=topic, max_record_bytes=LARGEST)),
        ):
            began = time.monotonic()
            with pytest.raises(LogUnavailableError):
                use()
            assert time.monotonic() - began < 16
        wait_until(lambda: _refused(log), "offsets are not told from memory for ever", patience_s=15)
        began = time.monotonic()
        for partition in range(PARTITIONS):
            assert _refused(log, partition)
        assert time.monotonic() - began < 1, "what has just failed is not waited for again"
        assert metered("headcount_log_unavailable_total") > failed
    finally:
        broker.nodes[0].start()
    wait_until(lambda: not _refused(log), "it goes on", patience_s=30)
    assert log.read(0, 0, max_bytes=MIB, timeout_s=10)


def _all(log: KafkaLog, partition: int) -> list[StoredRecord]:
    records: list[StoredRecord] = []
    offset = 0
    while offset < log.offsets(partition).stop:
        records += log.read(partition, offset, max_bytes=MIB, timeout_s=15)
        offset = records[-1].offset + 1
    return records


def _refused(log: KafkaLog, partition: int = 0) -> bool:
    try:
        log.offsets(partition)
    except LogUnavailableError:
        return True
    return False
