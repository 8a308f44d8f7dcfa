"""Says why brokers cannot be talked to: socket, TLS and login, one after the other. Imports errors and its own package."""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from kafka.errors import for_code
from kafka.net.compat import KafkaNetClient
from kafka.net.sasl import get_sasl_mechanism

from pipeline.adapters.kafka.cluster import Broker
from pipeline.adapters.kafka.failures import explained, translated
from pipeline.adapters.kafka.wire import NO_ERROR, Conversation, GarbledError
from pipeline.errors import ConfigurationError, HeadcountError, LogUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipeline.adapters.kafka.cluster import Cluster, Login

T = TypeVar("T")

_LOOK_S = 5.0  # at one broker
_TLS_ANSWERS_S = 1.0
_OTHER_NAME = frozenset({62, 64})  # OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH
_NOT_NOW = frozenset({9, 10})  # X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED


def connected(cluster: Cluster, make: Callable[..., T], **options: Any) -> T:  # noqa: ANN401 - kafka-python's own
    """Return a client that has reached its brokers; look at them before, because the client does not say what is wrong.

    Args:
        cluster: The brokers.
        make: KafkaConsumer, KafkaProducer or KafkaAdminClient.
        options: Its options, beside those that the cluster gives, or instead of them.

    Raises:
        LogUnavailableError: No broker can be reached for now; says why.
        ConfigurationError: TLS, login or a setting is wrong; says which.
    """
    look(cluster)
    begun: list[KafkaNetClient] = []

    def remember(**configs: Any) -> KafkaNetClient:  # noqa: ANN401 - kafka-python's own
        begun.append(KafkaNetClient(**configs))
        return begun[-1]

    try:
        with explained(f"connecting to Kafka at {cluster}"):
            made = make(**{**cluster.options(), "kafka_client": remember, **options})
        _look_at_advertised(cluster, begun[-1])
    except BaseException:
        for client in begun:
            client.close()  # a constructor that fails leaves its thread behind
        raise
    return made


def _look_at_advertised(cluster: Cluster, client: KafkaNetClient) -> None:
    """See that the addresses which the brokers name can be reached: clients are sent there, and would wait in vain."""
    advertised = tuple(Broker(host=broker.host, port=broker.port) for broker in client.cluster.brokers())
    if not set(advertised).isdisjoint(cluster.bootstrap):
        return  # looked at already, or as good as the others
    try:
        look(replace(cluster, bootstrap=advertised))
    except HeadcountError as error:
        raise type(error)(f"{error} (an address that the brokers advertise; see their advertised.listeners)") from None


def look(cluster: Cluster, *, within_s: float = _LOOK_S) -> None:
    """Connect, shake hands and log in at the first broker that lets us.

    Args:
        cluster: The brokers.
        within_s: Time for each of them.

    Raises:
        LogUnavailableError: None can be reached for now.
        ConfigurationError: One can, and needs other settings.
    """
    failure = _look(cluster, within_s)
    if isinstance(failure, ConfigurationError):
        failure = _look(cluster, within_s)  # a broker that was just killed breaks off as a wrong port does; then it refuses
    if failure is not None:
        raise failure


def _look(cluster: Cluster, within_s: float) -> HeadcountError | None:
    """Return None at the first broker that lets us in, else what says most."""
    failures: list[HeadcountError] = []
    for broker in cluster.bootstrap:
        try:
            _Look(broker=broker, cluster=cluster, deadline=time.monotonic() + within_s, within_s=within_s).run()
        except HeadcountError as failure:
            failures.append(failure)
        else:
            return None
    # A wrong password at a broker that lives says more than another one that is down.
    return next((failure for failure in failures if isinstance(failure, ConfigurationError)), failures[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """One look at one broker."""

    broker: Broker
    cluster: Cluster
    deadline: float
    within_s: float

    def run(self) -> None:
        with self._connect() as plain, self._secure(plain) as connection:
            conversation = Conversation(connection, deadline=self.deadline)
            self._greet(conversation)
            if self.cluster.login is None:
                self._enter(conversation)
            else:
                self._log_in(conversation, self.cluster.login)

    def _connect(self) -> socket.socket:
        try:
            return socket.create_connection((self.broker.host, self.broker.port), self.within_s)
        except (socket.gaierror, UnicodeError):
            raise self._away("the host is not known; check HEADCOUNT_KAFKA_BOOTSTRAP") from None
        except ConnectionRefusedError:
            raise self._away("connection refused; nothing listens on this port") from None
        except TimeoutError:
            raise self._silent() from None
        except OSError as error:
            raise self._away(f"it cannot be reached ({error.strerror or type(error).__name__})") from None

    @contextmanager
    def _secure(self, plain: socket.socket) -> Iterator[socket.socket]:
        if not self.cluster.tls:
            yield plain
            return
        try:
            secured = self.cluster.tls_context().wrap_socket(plain, server_hostname=self.broker.host)
        except ssl.SSLCertVerificationError as error:
            raise self._wrong(f"TLS failed: {_distrust(error)}") from None
        except TimeoutError:
            raise self._silent() from None
        except OSError:  # also ssl.SSLError
            raise self._wrong("TLS failed: this port does not talk TLS; set HEADCOUNT_KAFKA_TLS=false, or use the port that does") from None
        with secured:
            yield secured

    def _greet(self, conversation: Conversation) -> None:
        try:
            conversation.versions()
        except TimeoutError:
            raise self._silent() from None
        except ssl.SSLError:  # with TLS 1.3 this is where a server refuses a client without a certificate
            raise self._wrong("TLS failed: it asks for a client's certificate; Headcount logs in by name and password") from None
        except (OSError, GarbledError):
            if self.cluster.tls:
                raise self._wrong("this port talks TLS, but not Kafka; check HEADCOUNT_KAFKA_BOOTSTRAP") from None
            raise self._not_plain() from None

    def _not_plain(self) -> HeadcountError:
        """Say why a port that was asked without TLS does not answer as Kafka does."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent; only to see whether it is TLS
        with suppress(OSError), self._connect() as plain:
            plain.settimeout(_TLS_ANSWERS_S)
            with context.wrap_socket(plain, server_hostname=self.broker.host):
                return self._wrong("this port wants TLS; set HEADCOUNT_KAFKA_TLS=true")
        return self._wrong("this port does not talk Kafka; check HEADCOUNT_KAFKA_BOOTSTRAP")

    def _enter(self, conversation: Conversation) -> None:
        try:
            conversation.metadata()
        except TimeoutError:
            raise self._silent() from None
        except (OSError, GarbledError):
            raise self._wrong("authentication failed: it lets nobody in without a name; set HEADCOUNT_KAFKA_USERNAME") from None

    def _log_in(self, conversation: Conversation, login: Login) -> None:
        try:
            code, offered = conversation.handshake(login.mechanism)
            if code == NO_ERROR:
                self._prove(conversation, login)
                return
        except TimeoutError:
            raise self._silent() from None
        except (OSError, GarbledError, ValueError, KeyError):  # the last two: what kafka-python makes of a false answer
            raise self._refused() from None
        if offered and login.mechanism not in offered:
            raise self._wrong(f"authentication failed: it offers {', '.join(sorted(offered))}; change HEADCOUNT_KAFKA_SASL")
        raise translated(for_code(code)(), f"Kafka at {self.broker}")

    def _prove(self, conversation: Conversation, login: Login) -> None:
        proof = get_sasl_mechanism(login.mechanism)(**login.options())
        while not proof.is_done():
            answer = conversation.authenticate(proof.auth_bytes())
            if answer.error_code != NO_ERROR:
                raise self._refused()
            proof.receive(answer.token)

    def _refused(self) -> ConfigurationError:
        return self._wrong(
            "authentication failed: user or password was refused; check HEADCOUNT_KAFKA_USERNAME and HEADCOUNT_KAFKA_PASSWORD"
        )

    def _silent(self) -> LogUnavailableError:
        return self._away(f"no answer within {self.within_s:g} s; check the address and its network")

    def _away(self, what: str) -> LogUnavailableError:
        return LogUnavailableError(f"Kafka at {self.broker}: {what}")

    def _wrong(self, what: str) -> ConfigurationError:
        return ConfigurationError(f"Kafka at {self.broker}: {what}")


def _distrust(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in _OTHER_NAME:
        return "its certificate is for another host name; use in HEADCOUNT_KAFKA_BOOTSTRAP the name that it was made for"
    if error.verify_code in _NOT_NOW:
        return "its certificate has expired, or is not valid yet; renew it, or correct a clock"
    return "its certificate is not trusted; name the authority's file in HEADCOUNT_KAFKA_CA_FILE"
