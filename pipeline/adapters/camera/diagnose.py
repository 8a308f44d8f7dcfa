"""Says why a network source failed: by phase, elapsed time and a look with the standard library.

FFmpeg's exception types do not say what happened, and their texts hold the full URL with its password: neither is ever shown.
Imports errors and its own package.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import av

from pipeline.adapters.camera.address import redact
from pipeline.errors import SourceError

if TYPE_CHECKING:
    from pipeline.settings import Settings

_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
_SECURE = frozenset({"rtsps", "https"})
_OTHER_NAME = frozenset({62, 64})  # OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH
_LOOK_S = 3.0
NEARLY = 0.95  # FFmpeg gives up slightly before its limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What was seen of a failed call."""

    error: Exception
    opening: bool  # else: reading
    elapsed_s: float
    limit_s: float  # after which the call gives up by itself


def explain(url: str, failure: Failure, settings: Settings) -> SourceError:
    """Return the typed error of a failure."""
    shown = redact(url)
    by_status = _by_status(failure.error)
    if by_status:
        return SourceError(by_status[0], f"{shown}: {by_status[1]}")
    seen = _look(url, settings)
    if seen is not None:
        return SourceError(seen[0], f"{shown}: {seen[1]}")
    if failure.elapsed_s >= NEARLY * failure.limit_s:
        what = "did not answer" if failure.opening else "sent nothing"
        return SourceError("timeout", f"{shown}: {what} for {failure.limit_s:g} s; check the camera and its network")
    if not failure.opening:
        return SourceError("connection_failed", f"{shown}: the connection was lost")
    return SourceError("connection_failed", f"{shown}: does not talk {urlsplit(shown).scheme}, or refused the stream; check the address")


def _by_status(error: Exception) -> tuple[str, str] | None:
    if isinstance(error, av.HTTPUnauthorizedError | av.HTTPForbiddenError):
        return "auth_failed", "user or password was refused (percent-encode special characters of the password)"
    if isinstance(error, av.HTTPNotFoundError):
        return "not_found", "the camera does not know this path"
    if isinstance(error, av.HTTPError):
        return "connection_failed", "the camera answered with an error"
    return None


def _look(url: str, settings: Settings) -> tuple[str, str] | None:
    """Connect once more, without FFmpeg; None: nothing is wrong below the camera's own protocol."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or _PORTS[parts.scheme.lower()]
    except ValueError:  # also of a bracket in a password
        host = None
    if not host:
        return "connection_failed", "no host in the address (percent-encode special characters of the password)"
    try:
        socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        hint = " (percent-encode special characters of the password)" if "@" in parts.path + parts.query + parts.fragment else ""
        return "connection_failed", f"the host is not known{hint}"
    try:
        with socket.create_connection((host, port), _LOOK_S) as connection:
            return _look_at_tls(connection, host, settings) if parts.scheme.lower() in _SECURE else None
    except ConnectionRefusedError:
        return "connection_failed", f"nothing listens on port {port}"
    except OSError:
        return "connection_failed", f"port {port} cannot be reached"


def _look_at_tls(connection: socket.socket, host: str, settings: Settings) -> tuple[str, str] | None:
    try:
        context = ssl.create_default_context(cafile=settings.tls_ca_file)
    except OSError:
        return "tls_failed", "the file of HEADCOUNT_TLS_CA_FILE cannot be read as PEM certificates"
    if not settings.tls_verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with context.wrap_socket(connection, server_hostname=host):
            return None
    except ssl.SSLCertVerificationError as error:
        if error.verify_code in _OTHER_NAME:
            return "tls_failed", "its certificate is for another name; use the name or address that it was made for"
        return "tls_failed", "its certificate is not trusted; set HEADCOUNT_TLS_CA_FILE, or HEADCOUNT_TLS_VERIFY=false"
    except OSError:
        return "tls_failed", "no TLS on this port; use the plain scheme or the right port"
