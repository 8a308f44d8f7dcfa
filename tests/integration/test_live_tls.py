"""Certificates of rtsps and https sources: trusted, unknown, of another name, none at all; real sockets on loopback."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.settings import Settings
from tests.certificates import Certificate, make_certificate
from tests.clips import make_clip
from tests.httpd import Answer, HttpServer
from tests.live import LIVE_CLIP, Watch
from tests.rtspd import RtspServer
from tests.sources import videos

if TYPE_CHECKING:
    import ssl
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Camera:
    """What is served, by which scheme."""

    scheme: str
    clip: Path
    recording: Path

    def server(self, tls: ssl.SSLContext) -> RtspServer | HttpServer:
        if self.scheme == "rtsps":
            return RtspServer(self.clip, tls=tls)
        return HttpServer({"/live": Answer(body=self.recording.read_bytes())}, tls=tls)

    def watch(self, host: str, port: int, **settings: Any) -> Watch:  # noqa: ANN401 - each is checked by its field
        patient = Settings(**{"segment_target_s": 0.4, "segment_max_s": 2, "connect_timeout_s": 3, "read_timeout_s": 1} | settings)
        return Watch(url=f"{self.scheme}://admin:s3cret@{host}:{port}/live", count=2, settings=patient)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("own"), "DNS:localhost,IP:127.0.0.1")


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("foreign"), "DNS:camera.example,IP:192.0.2.1")


@pytest.fixture(scope="module", params=["rtsps", "https"])
def camera(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Camera:
    folder = tmp_path_factory.mktemp("clips")
    recording = make_clip(folder / "recording", replace(LIVE_CLIP, suffix=".mkv"))
    return Camera(scheme=request.param, clip=make_clip(folder / "clip", LIVE_CLIP), recording=recording)


def test_a_trusted_certificate(camera: Camera, own: Certificate) -> None:
    with camera.server(own.server_context()) as server:
        watch = camera.watch("127.0.0.1", server.port, tls_ca_file=own.certificate)
        assert videos(watch.read())
    assert watch.said == []


def test_any_certificate_where_none_is_checked(camera: Camera, foreign: Certificate) -> None:
    with camera.server(foreign.server_context()) as server:
        assert videos(camera.watch("localhost", server.port, tls_verify=False).read())


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_certificate_that_nobody_vouches_for(camera: Camera, own: Certificate, host: str) -> None:
    with camera.server(own.server_context()) as server:
        error = camera.watch(host, server.port).fails()
    assert (error.kind, error.exit_code) == ("tls_failed", 1)
    assert "HEADCOUNT_TLS_CA_FILE" in str(error)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_certificate_of_another_name(camera: Camera, foreign: Certificate, host: str) -> None:
    with camera.server(foreign.server_context()) as server:
        error = camera.watch(host, server.port, tls_ca_file=foreign.certificate).fails()
    assert error.kind == "tls_failed"
    assert "another name" in str(error)


def test_a_file_of_authorities_that_is_missing(camera: Camera, own: Certificate) -> None:
    with camera.server(own.server_context()) as server:
        error = camera.watch("localhost", server.port, tls_ca_file=own.certificate.with_name("missing.pem")).fails()
    assert error.kind == "tls_failed"
    assert "cannot be read" in str(error)


def test_a_port_without_tls(camera: Camera) -> None:
    with HttpServer({}) as server:
        error = camera.watch("localhost", server.port, connect_timeout_s=0.5).fails()
    assert error.kind == "tls_failed"
    assert "no TLS on this port" in str(error)
    assert "s3cret" not in str(error)
