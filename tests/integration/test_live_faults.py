"""Every way in which a network camera fails, by the kind that is said of it; real sockets on loopback."""

from __future__ import annotations

import socket
import time
import traceback
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.settings import Settings
from tests.clips import make_clip
from tests.clocks import FastClock
from tests.live import LIVE_CLIP, SETTINGS, Watch
from tests.rtspd import Behaviour, RtspServer
from tests.sources import videos

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHORT = Settings(segment_target_s=0.4, segment_max_s=2, connect_timeout_s=0.4, read_timeout_s=0.4)
NASTY = "p@ss/word?#%"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip", LIVE_CLIP)


@pytest.mark.parametrize(
    ("behaviour", "kind", "exit_code"),
    [
        (Behaviour(status="403 Forbidden"), "auth_failed", 2),
        (Behaviour(status="404 Not Found"), "not_found", 2),
        (Behaviour(status="410 Gone"), "connection_failed", 1),
        (Behaviour(status="500 Internal Server Error"), "connection_failed", 1),
        (Behaviour(credentials="admin:other", digest=True), "auth_failed", 2),
        (Behaviour(freeze="OPTIONS"), "timeout", 1),
        (Behaviour(freeze="DESCRIBE"), "timeout", 1),
        (Behaviour(freeze="SETUP"), "timeout", 1),
        (Behaviour(freeze="PLAY"), "timeout", 1),
        (Behaviour(silent_after=0), "timeout", 1),
        (Behaviour(junk="OPTIONS"), "connection_failed", 1),
        (Behaviour(junk="DESCRIBE"), "connection_failed", 1),
        (Behaviour(junk="PLAY"), "connection_failed", 1),
    ],
)
def test_a_camera_that_does_not_start(clip: Path, behaviour: Behaviour, kind: str, exit_code: int) -> None:
    with RtspServer(clip, behaviour) as server:
        began_s = time.monotonic()
        error = Watch(url=f"rtsp://admin:s3cret@{server.address}/live", settings=SHORT).fails()
    assert (error.kind, error.exit_code) == (kind, exit_code), str(error)
    assert time.monotonic() - began_s < 2
    assert "s3cret" not in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize("behaviour", [Behaviour(silent_after=25), Behaviour(silent_after=25, trickle=True), Behaviour(close_after=25)])
def test_a_camera_that_stops_sending_gives_what_it_sent(clip: Path, behaviour: Behaviour) -> None:
    said: list[str] = []
    with RtspServer(clip, behaviour) as server:
        watch = Watch(url=f"rtsp://admin:s3cret@{server.address}/live", count=3, said=said, settings=SHORT)
        segments = videos(watch.read())
    assert sum(segment.frame_count for segment in segments[:3]) == 25
    assert all("s3cret" not in line for line in said)


def test_a_camera_without_usable_keyframes(clip: Path) -> None:
    with RtspServer(clip, Behaviour(keyless=True)) as server:
        error = Watch(url=f"rtsp://{server.address}/live", clock=FastClock(10)).fails()
    assert (error.kind, error.exit_code) == ("no_keyframe", 1)


def test_a_listener_that_never_speaks() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for scheme in ("rtsp", "http"):
            error = Watch(url=f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/x", settings=SHORT).fails()
            assert error.kind == "timeout"


@pytest.fixture(scope="module")
def guarded(clip: Path) -> Iterator[RtspServer]:
    with RtspServer(clip) as server:
        yield server


@pytest.mark.parametrize(("password", "digest"), [(NASTY, False), (NASTY, True), ("ä+%2F b&c=%", True)])
def test_a_quoted_password_opens_a_camera(guarded: RtspServer, password: str, digest: bool) -> None:  # noqa: FBT001 - a parameter
    guarded.behaviour = Behaviour(credentials=f"admin:{password}", digest=digest)
    assert videos(Watch(url=f"rtsp://admin:{quote(password, safe='')}@{guarded.address}/live", count=1).read())


@given(
    st.text("@/?#%:&=aZ9 []$\\'\"", max_size=8).map(lambda text: f"s3cret{text}s3cret"), st.booleans(), st.sampled_from(["rtsp", "http"])
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_password_in_any_error(password: str, quoted: bool, scheme: str) -> None:  # noqa: FBT001 - drawn
    secret = quote(password, safe="") if quoted else password
    error = Watch(url=f"{scheme}://admin:{secret}@127.0.0.1:1/live", settings=SETTINGS).fails()
    assert error.kind in {"connection_failed", "timeout"}
    assert "s3cret" not in str(error)
    assert "s3cret" not in "".join(traceback.format_exception(error))  # FFmpeg's text holds the URL
