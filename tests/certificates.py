"""Certificates for test servers, made on the spot by the openssl program; imports nothing of ours."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A self-signed certificate, which is its own authority."""

    certificate: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


def make_certificate(folder: Path, names: str) -> Certificate:
    """Make one for `names`, such as "DNS:localhost,IP:127.0.0.1"; skip the test where openssl is missing."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl program to make a certificate")
    made = Certificate(certificate=folder / "certificate.pem", key=folder / "key.pem")
    kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=camera"]
    files = ["-addext", f"subjectAltName={names}", "-keyout", str(made.key), "-out", str(made.certificate)]
    subprocess.run([openssl, *kind, *files], check=True, capture_output=True)
    return made
