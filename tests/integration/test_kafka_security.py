"""TLS, SASL and permissions against a real broker: what is wrong is named, and the password never."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from kafka import KafkaAdminClient

from pipeline.adapters.kafka.cluster import cluster_of
from pipeline.adapters.kafka.diagnose import connected
from pipeline.adapters.kafka.lag_group import publish
from pipeline.adapters.kafka.log import KafkaLog
from pipeline.adapters.kafka.plan import dead_letter_topic
from pipeline.adapters.kafka.topics import Topics
from pipeline.errors import ConfigurationError, HeadcountError, LogUnavailableError
from pipeline.types import Record, StoredRecord
from services.clock import SystemClock
from services.segment_log import open_log, open_shelf
from tests.certificates import make_certificate
from tests.servers.process import free_ports, wait_until
from tests.servers.secure import HOSTILE, PLAIN_USER, Grant, SecureKafka, secure_kafka

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.settings import Settings
    from tests.servers.kafka import KafkaCluster, KafkaServers

RECORD = Record(headers=(("kind", b"video"),), value=b"segment")


@pytest.fixture(scope="module")
def kafka(kafka_servers: KafkaServers, server_dir: Path) -> Iterator[SecureKafka]:
    folder = server_dir / "secure"
    folder.mkdir()
    with secure_kafka(kafka_servers, folder) as secure:
        yield secure


@pytest.fixture(scope="module")
def topic(kafka: SecureKafka) -> str:
    """Two topics, as the administrator makes them, with a record in the first one."""
    settings = kafka.administrator(kafka_topic=f"video-{uuid4().hex[:12]}", kafka_partitions=1)
    Topics(cluster_of(settings), settings, SystemClock()).apply()
    with opened(settings, writes=True) as log:
        log.append(0, RECORD)
    return settings.kafka_topic


@pytest.fixture(autouse=True)
def _no_password_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Everybody logs everything, but for kafka-python, which pipeline/adapters/kafka/ keeps silent."""
    caplog.set_level(logging.DEBUG)
    yield
    assert not [message for message in caplog.messages if holds_password(message)]


def holds_password(text: str) -> bool:
    return any(form in text for form in (HOSTILE, repr(HOSTILE)[1:-1], repr(HOSTILE.encode())[2:-1]))


def opened(settings: Settings, *, writes: bool) -> KafkaLog:
    log = open_log(settings.data_dir, settings, SystemClock(), writes=writes)
    assert isinstance(log, KafkaLog)
    return log


def shown_in(group: str, settings: Settings) -> bool:
    """Write a position to a group; False: a new cluster makes its own topics first."""
    try:
        publish(cluster_of(settings), group, settings.kafka_topic, {0: 1})
    except LogUnavailableError:
        return False
    return True


def refusal(settings: Settings) -> HeadcountError:
    """Return why no client can be made, and see that nothing is left of it."""
    with pytest.raises(HeadcountError) as raised:
        connected(cluster_of(settings), KafkaAdminClient)
    message = str(raised.value)
    assert not holds_password(message)
    assert "\n" not in message
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("kafka-io")]
    return raised.value


def test_a_hostile_password_logs_in_by_scram_and_by_plain(kafka: SecureKafka) -> None:
    for settings in (kafka.settings(kafka.user()), kafka.settings(PLAIN_USER, kafka_sasl="PLAIN")):
        with closing(connected(cluster_of(settings), KafkaAdminClient)) as admin:
            assert len(admin.describe_cluster()["brokers"]) == 1


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
def test_a_wrong_password_and_an_unknown_user_are_refused(kafka: SecureKafka, mechanism: str) -> None:
    user = kafka.user() if mechanism == "SCRAM-SHA-512" else PLAIN_USER
    for name, password in ((user, HOSTILE + "x"), ("nobody", HOSTILE)):
        error = refusal(kafka.settings(name, password, kafka_sasl=mechanism))
        assert isinstance(error, ConfigurationError)
        assert "authentication failed: user or password was refused; check HEADCOUNT_KAFKA_USERNAME" in str(error)


def test_a_user_of_one_way_to_log_in_is_unknown_to_the_other(kafka: SecureKafka) -> None:
    assert "authentication failed" in str(refusal(kafka.settings(PLAIN_USER, kafka_sasl="SCRAM-SHA-512")))


def test_nobody_enters_without_a_name(kafka: SecureKafka) -> None:
    error = refusal(kafka.settings("anyone").model_copy(update={"kafka_username": None, "kafka_password": None}))
    assert isinstance(error, ConfigurationError)
    assert "it lets nobody in without a name; set HEADCOUNT_KAFKA_USERNAME" in str(error)


def test_an_unknown_authority_is_not_trusted(kafka: SecureKafka, tmp_path: Path) -> None:
    other = make_certificate(tmp_path, "IP:127.0.0.1").certificate
    for authority in (other, None):
        error = refusal(kafka.settings("anyone").model_copy(update={"kafka_ca_file": authority}))
        assert isinstance(error, ConfigurationError)
        assert "TLS failed: its certificate is not trusted; name the authority's file in HEADCOUNT_KAFKA_CA_FILE" in str(error)


def test_a_certificate_is_good_for_its_own_name_only(kafka: SecureKafka) -> None:
    port = kafka.cluster.bootstrap.split(":")[1]
    error = refusal(kafka.settings("anyone", kafka_bootstrap=f"localhost:{port}"))
    assert isinstance(error, ConfigurationError)
    assert "TLS failed: its certificate is for another host name" in str(error)


def test_a_port_that_wants_tls_says_so(kafka: SecureKafka) -> None:
    error = refusal(kafka.settings("anyone").model_copy(update={"kafka_tls": False, "kafka_ca_file": None}))
    assert isinstance(error, ConfigurationError)
    assert str(error).endswith("this port wants TLS; set HEADCOUNT_KAFKA_TLS=true")


def test_a_port_without_tls_says_so(kafka: SecureKafka, kafka_server: KafkaCluster) -> None:
    error = refusal(kafka.settings("anyone", kafka_bootstrap=kafka_server.bootstrap))
    assert isinstance(error, ConfigurationError)
    assert "TLS failed: this port does not talk TLS; set HEADCOUNT_KAFKA_TLS=false" in str(error)


def test_a_port_that_asks_for_no_password_says_so(kafka: SecureKafka, kafka_server: KafkaCluster) -> None:
    settings = kafka.settings("anyone", kafka_bootstrap=kafka_server.bootstrap)
    error = refusal(settings.model_copy(update={"kafka_tls": False, "kafka_ca_file": None}))
    assert isinstance(error, ConfigurationError)
    assert "do not ask for a password here; unset HEADCOUNT_KAFKA_USERNAME" in str(error)


def test_a_closed_port_may_open(kafka: SecureKafka) -> None:
    (closed,) = free_ports(1)
    error = refusal(kafka.settings("anyone", kafka_bootstrap=f"127.0.0.1:{closed}"))
    assert isinstance(error, LogUnavailableError)
    assert "connection refused; nothing listens on this port" in str(error)


def test_ingest_needs_to_write_and_nothing_else(kafka: SecureKafka, topic: str) -> None:
    settings = kafka.settings(kafka.user(Grant(name=topic, operations=("WRITE",))), kafka_topic=topic)
    with opened(settings, writes=True) as log:
        offset = log.append(0, RECORD)
        assert log.offsets(0) == range(offset + 1)
    with pytest.raises(ConfigurationError, match="no READ permission"):
        opened(settings, writes=False)


def test_a_worker_needs_to_read_to_write_dead_letters_and_to_read_its_group(kafka: SecureKafka, topic: str) -> None:
    group = f"lag-{topic}"
    grants = [
        Grant(name=topic, operations=("READ",)),
        Grant(name=f"{topic}-deadletters", operations=("WRITE",)),
        Grant(name=group, kind="GROUP", operations=("READ",)),
    ]
    settings = kafka.settings(kafka.user(*grants), kafka_topic=topic)
    with opened(settings, writes=False) as log, open_shelf(log, settings) as shelf:
        (first, *_) = log.read(0, 0, max_bytes=2**20, timeout_s=30)
        assert first.record == RECORD
        shelf.keep(StoredRecord(partition=0, offset=0, record=RECORD), "undecodable")
    wait_until(lambda: shown_in(group, settings), "the positions are in the group")
    with pytest.raises(ConfigurationError, match="no WRITE permission"):
        opened(settings, writes=True)


def test_a_dead_letter_is_read_by_who_may_read_it(kafka: SecureKafka, topic: str) -> None:
    grants = [Grant(name=name, operations=("READ",)) for name in (topic, f"{topic}-deadletters")]
    settings = kafka.settings(kafka.user(*grants), kafka_topic=topic)
    with opened(settings, writes=False) as log, open_shelf(log, settings) as shelf:
        assert shelf.find(0, 0) == RECORD
        with pytest.raises(ConfigurationError):
            shelf.keep(StoredRecord(partition=0, offset=0, record=RECORD), "undecodable")


@pytest.mark.parametrize(("writes", "missing"), [(False, "READ"), (True, "WRITE")])
def test_who_may_only_see_a_topic_can_neither_read_nor_write(kafka: SecureKafka, topic: str, missing: str, *, writes: bool) -> None:
    settings = kafka.settings(kafka.user(Grant(name=topic, operations=("DESCRIBE",))), kafka_topic=topic)
    with pytest.raises(ConfigurationError) as raised:
        opened(settings, writes=writes)
    assert str(raised.value) == f"the user has no {missing} permission for topic {topic}; grant it (docs/kafka.md, Permissions)"


@pytest.mark.parametrize(("writes", "missing"), [(False, "READ"), (True, "WRITE")])
def test_a_permission_that_is_taken_away_meanwhile_is_named(kafka: SecureKafka, topic: str, missing: str, *, writes: bool) -> None:
    user = kafka.user(Grant(name=topic, operations=(missing, "DESCRIBE")))
    with opened(kafka.settings(user, kafka_topic=topic), writes=writes) as log:

        def use() -> None:
            if writes:
                log.append(0, RECORD)
            else:
                log.read(0, log.offsets(0).stop, max_bytes=2**20, timeout_s=0.5)

        def refused() -> bool:
            try:
                use()
            except ConfigurationError as error:
                return f"no {missing} permission for topic {topic}" in str(error)
            except LogUnavailableError:
                pass
            return False

        use()
        kafka.revoke(user, Grant(name=topic, operations=(missing,)))
        wait_until(refused, "the permission that is missing is named", patience_s=45)
        kafka.grant(user, Grant(name=topic, operations=(missing,)))
        wait_until(lambda: not refused(), "it goes on once it is granted again", patience_s=10)


def test_who_may_not_see_a_topic_is_told_so(kafka: SecureKafka, topic: str) -> None:
    with pytest.raises(ConfigurationError, match=f"the user has no DESCRIBE permission for topic {topic}"):
        opened(kafka.settings(kafka.user(), kafka_topic=topic), writes=False)


def test_positions_cannot_be_shown_in_a_group_that_was_not_granted(kafka: SecureKafka, topic: str) -> None:
    settings = kafka.settings(kafka.user(Grant(name=topic, operations=("READ",))), kafka_topic=topic)
    with pytest.raises(ConfigurationError, match="writing positions to group other: a permission is missing; grant it"):
        wait_until(lambda: shown_in("other", settings), "the group answers")


def test_topics_are_checked_by_who_may_see_them_and_their_settings(kafka: SecureKafka, topic: str) -> None:
    names = (topic, f"{topic}-deadletters")
    seeing = kafka.user(*(Grant(name=name, operations=("DESCRIBE",)) for name in names))
    settings = kafka.settings(seeing, kafka_topic=topic, kafka_partitions=1)
    topics = Topics(cluster_of(settings), settings, SystemClock())
    with pytest.raises(ConfigurationError, match="may not see its settings; grant DESCRIBE_CONFIGS"):
        topics.inspect()
    for name in names:
        kafka.grant(seeing, Grant(name=name, operations=("DESCRIBE_CONFIGS",)))
    inspection = topics.inspect()
    assert not inspection.differing
    assert [finding.found for finding in inspection.findings if finding.place == "broker 1"] == ["may not be read"]


def test_topics_are_made_and_changed_by_who_may(kafka: SecureKafka) -> None:
    made = kafka.administrator(kafka_topic=f"video-{uuid4().hex[:12]}", kafka_partitions=1)
    names = (made.kafka_topic, dead_letter_topic(made))
    may_look = tuple(Grant(name=name, operations=("DESCRIBE", "DESCRIBE_CONFIGS")) for name in names)
    user = kafka.user(*may_look)
    settings = kafka.settings(user, kafka_topic=made.kafka_topic, kafka_partitions=1)
    topics = Topics(cluster_of(settings), settings, SystemClock())
    with pytest.raises(ConfigurationError, match=f"making topic {made.kafka_topic}: a permission is missing"):
        topics.apply()
    for name in names:
        kafka.grant(user, Grant(name=name, operations=("CREATE",)))
    assert not topics.apply().inspection.differing
    more = settings.model_copy(update={"kafka_partitions": 2})
    with pytest.raises(ConfigurationError, match=f"extending topic {made.kafka_topic}: a permission is missing"):
        Topics(cluster_of(more), more, SystemClock()).apply()
    shorter = settings.model_copy(update={"retention_minutes": 1.0})
    with pytest.raises(ConfigurationError, match=f"setting up topic {made.kafka_topic}: a permission is missing"):
        Topics(cluster_of(shorter), shorter, SystemClock()).apply()
    for name in names:
        kafka.grant(user, Grant(name=name, operations=("ALTER", "ALTER_CONFIGS")))
    both = more.model_copy(update={"retention_minutes": 1.0})
    assert not Topics(cluster_of(both), both, SystemClock()).apply().inspection.differing


def test_a_command_that_is_refused_exits_with_2_and_one_line_without_the_password(kafka: SecureKafka) -> None:
    variables = {
        "HEADCOUNT_KAFKA_BOOTSTRAP": kafka.cluster.bootstrap,
        "HEADCOUNT_KAFKA_TLS": "true",
        "HEADCOUNT_KAFKA_CA_FILE": str(kafka.certificate.certificate),
        "HEADCOUNT_KAFKA_USERNAME": "nobody",
        "HEADCOUNT_KAFKA_PASSWORD": HOSTILE,
        "HEADCOUNT_LOG_LEVEL": "debug",
    }
    command = [sys.executable, "-m", "services", "topics", "check"]
    ended = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 2
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"headcount: Kafka at {kafka.cluster.bootstrap}: authentication failed")
    assert not holds_password(line)
