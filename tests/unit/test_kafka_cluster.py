from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.record import util as kafka_record

from pipeline.adapters.kafka.cluster import Broker, cluster_of, require_crc32c
from pipeline.errors import ConfigurationError
from pipeline.settings import load_settings
from tests.certificates import make_certificate

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.settings import Settings

PASSWORD = "hun@ter/2?#%\"\\`'"


def settings(**given: object) -> Settings:
    return load_settings(**{"kafka_bootstrap": "kafka.example:9092", **given})


def refused(**given: object) -> str:
    known = settings(**given)
    with pytest.raises(ConfigurationError) as raised:
        cluster_of(known)
    assert PASSWORD not in str(raised.value)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_several_brokers_are_named_with_commas() -> None:
    cluster = cluster_of(settings(kafka_bootstrap="one.example:9092, 10.0.0.2:9093,[::1]:9094"))
    assert cluster.bootstrap == (Broker(host="one.example", port=9092), Broker(host="10.0.0.2", port=9093), Broker(host="::1", port=9094))
    assert cluster.options()["bootstrap_servers"] == ["one.example:9092", "10.0.0.2:9093", "[::1]:9094"]
    assert str(cluster) == "one.example:9092,10.0.0.2:9093,[::1]:9094"


@pytest.mark.parametrize(
    "address",
    [
        "kafka.example",
        "kafka.example:",
        ":9092",
        "kafka:0",
        "kafka:65536",
        "a:1,,b:2",
        "SASL_SSL://kafka:9092",
        f"user:{PASSWORD}@kafka:9092",
    ],
)
def test_an_address_that_is_none_is_refused_without_repeating_it(address: str) -> None:
    message = refused(kafka_bootstrap=address)
    assert message.startswith("HEADCOUNT_KAFKA_BOOTSTRAP: expected HOST:PORT")
    assert address not in message.removesuffix(", such as kafka.example:9092")


def test_without_brokers_there_is_no_cluster() -> None:
    with pytest.raises(ConfigurationError, match="HEADCOUNT_KAFKA_BOOTSTRAP is not set"):
        cluster_of(load_settings())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"kafka_username": "ingest"}, "without HEADCOUNT_KAFKA_PASSWORD"),
        ({"kafka_password": PASSWORD}, "without HEADCOUNT_KAFKA_USERNAME"),
        ({"kafka_username": "a=b", "kafka_password": PASSWORD}, "HEADCOUNT_KAFKA_USERNAME"),
    ],
)
def test_a_half_login_is_refused(given: dict[str, str], words: str) -> None:
    assert words in refused(**given)


def test_a_file_of_authorities_must_be_one(tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("-----BEGIN NONSENSE-----")
    assert refused(kafka_tls=True, kafka_ca_file=tmp_path / "no.pem").endswith("no.pem holds no PEM certificate")
    assert refused(kafka_tls=True, kafka_ca_file=tmp_path / "gone.pem").endswith("gone.pem cannot be read")
    assert "HEADCOUNT_KAFKA_TLS=true" in refused(kafka_ca_file=tmp_path / "no.pem")


@pytest.mark.parametrize(
    ("tls", "login", "protocol"),
    [(False, False, "PLAINTEXT"), (True, False, "SSL"), (False, True, "SASL_PLAINTEXT"), (True, True, "SASL_SSL")],
)
def test_the_protocol_follows_from_tls_and_login(tmp_path: Path, tls: bool, login: bool, protocol: str) -> None:  # noqa: FBT001 - the cases
    given: dict[str, Any] = {"kafka_tls": tls}
    if tls:
        given["kafka_ca_file"] = make_certificate(tmp_path, "DNS:localhost").certificate
    if login:
        given |= {"kafka_username": "ingest", "kafka_password": PASSWORD, "kafka_sasl": "PLAIN"}
    options = cluster_of(settings(**given)).options()
    assert options["security_protocol"] == protocol
    assert (options["ssl_context"] is not None) is tls
    assert options.get("sasl_plain_password") == (PASSWORD if login else None)
    assert options.get("sasl_mechanism") == ("PLAIN" if login else None)


def test_the_password_shows_nowhere() -> None:
    cluster = cluster_of(settings(kafka_username="ingest", kafka_password=PASSWORD))
    shown = [repr(cluster), str(cluster), repr(cluster.login), repr(cluster.options()), f"{cluster.options()}"]
    assert not [text for text in shown if PASSWORD in text or repr(PASSWORD)[1:-1] in text]
    assert cluster.options()["sasl_plain_password"].encode() == PASSWORD.encode()


@pytest.mark.parametrize("client", [KafkaAdminClient, KafkaConsumer, KafkaProducer], ids=lambda client: client.__name__)
def test_every_client_knows_the_options(client: type) -> None:
    options = cluster_of(settings(kafka_username="ingest", kafka_password=PASSWORD)).options()
    assert set(options) <= set(client.DEFAULT_CONFIG)  # type: ignore[attr-defined] # kafka-python ships no types


def test_plain_python_checksums_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="pip install crc32c"):
        require_crc32c(None)


def test_the_client_computes_checksums_with_the_compiled_function() -> None:
    require_crc32c()
    used = kafka_record.calc_crc32c.__defaults__[0]
    assert used is kafka_record.crc32c_c
    assert used.__module__ == "crc32c" or used.__module__.startswith("crc32c.")
