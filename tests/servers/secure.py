"""A Kafka that nobody enters without TLS, a name and a password, and where nobody may do what was not granted."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType, UserScramCredentialUpsertion

from pipeline.settings import Settings, load_settings
from tests.certificates import Certificate, make_certificate
from tests.servers.kafka import KafkaCluster, KafkaServers, Wanted
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOSTILE = 'p@ss/w?o#r%d "quoted" \\back \'tick` $HOME {x} =;,é'
PLAIN_USER = "plain"
ADMIN = "admin"
_ADMIN_PASSWORD = "admin-secret"
_SCRAM = "SCRAM-SHA-512"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a user may do with something."""

    name: str  # of a topic, or of a group
    operations: tuple[str, ...]
    kind: str = "TOPIC"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecureKafka:
    """The brokers, and their certificate; users are made as tests need them."""

    cluster: KafkaCluster
    certificate: Certificate

    def settings(self, user: str, password: str = HOSTILE, **given: object) -> Settings:
        """Return the settings of a user."""
        login = {"kafka_username": user, "kafka_password": password}
        tls = {"kafka_tls": True, "kafka_ca_file": self.certificate.certificate}
        return load_settings(**{"kafka_bootstrap": self.cluster.bootstrap, "kafka_replication": 1, **tls, **login, **given})

    def administrator(self, **given: object) -> Settings:
        """Return the settings of the user who may do everything."""
        return self.settings(ADMIN, _ADMIN_PASSWORD, **given)

    def user(self, *grants: Grant) -> str:
        """Make a user with the hostile password who may do this and nothing else; return the name."""
        name = f"user-{uuid4().hex[:12]}"
        with closing(self.cluster.admin()) as admin:
            made = admin.alter_user_scram_credentials([UserScramCredentialUpsertion(name, _SCRAM, HOSTILE)])
            assert made == {name: None}
            rules = [_rule(name, grant, operation) for grant in grants for operation in grant.operations]
            if rules:
                assert not admin.create_acls(rules)["failed"]
            wait_until(lambda: name in admin.describe_user_scram_credentials(), "the user is known")
        return name

    def grant(self, user: str, grant: Grant) -> None:
        """Let a user do more."""
        with closing(self.cluster.admin()) as admin:
            assert not admin.create_acls([_rule(user, grant, operation) for operation in grant.operations])["failed"]

    def revoke(self, user: str, grant: Grant) -> None:
        """Let a user do less."""
        with closing(self.cluster.admin()) as admin:
            for _, revoked, error in admin.delete_acls([_rule(user, grant, operation) for operation in grant.operations]):
                assert revoked, error


def _rule(user: str, grant: Grant, operation: str) -> ACL:
    what = ResourcePattern(ResourceType[grant.kind], grant.name)
    return ACL(f"User:{user}", "*", ACLOperation[operation], ACLPermissionType.ALLOW, what)


@contextmanager
def secure_kafka(servers: KafkaServers, folder: Path) -> Iterator[SecureKafka]:
    """Start one; its certificate is good for 127.0.0.1, and not for localhost."""
    certificate = make_certificate(folder, "IP:127.0.0.1")
    store = folder / "store.pem"
    store.touch(mode=0o600)
    store.write_text(certificate.key.read_text() + certificate.certificate.read_text())
    client = {
        "ssl_cafile": str(certificate.certificate),
        "sasl_mechanism": _SCRAM,
        "sasl_plain_username": ADMIN,
        "sasl_plain_password": _ADMIN_PASSWORD,
    }
    wanted = Wanted(
        protocol="SASL_SSL",
        properties=_properties(store, certificate.certificate),
        format_arguments=("--add-scram", f"{_SCRAM}=[name={ADMIN},password={_ADMIN_PASSWORD}]"),
        client=client,
    )
    with servers(wanted) as cluster:
        yield SecureKafka(cluster=cluster, certificate=certificate)


def _properties(store: Path, authority: Path) -> dict[str, str]:
    modules = "org.apache.kafka.common.security"
    listener = "listener.name.sasl_ssl"
    return {
        "sasl.enabled.mechanisms": f"{_SCRAM},PLAIN",
        "sasl.mechanism.inter.broker.protocol": _SCRAM,
        f"{listener}.scram-sha-512.sasl.jaas.config": f"{modules}.scram.ScramLoginModule required"
        f" username={_jaas(ADMIN)} password={_jaas(_ADMIN_PASSWORD)};",
        f"{listener}.plain.sasl.jaas.config": f"{modules}.plain.PlainLoginModule required user_{PLAIN_USER}={_jaas(HOSTILE)};",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(store),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{ADMIN};User:ANONYMOUS",  # the controllers' port asks nobody
    }


def _jaas(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
