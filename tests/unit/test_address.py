from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.adapters.camera import redact
from pipeline.adapters.camera.address import ambiguous

HOSTILE = st.text("@/?#%:&=aZ9$ ü", min_size=1, max_size=12).map(lambda text: f"s3cret{text}s3cret")


@given(HOSTILE, st.booleans(), st.sampled_from(["rtsp", "rtsps", "http", "https", "ftp"]))
def test_no_part_of_a_password_is_shown(password: str, quoted: bool, scheme: str) -> None:  # noqa: FBT001 - drawn
    secret = quote(password, safe="") if quoted else password
    assert "s3cret" not in redact(f"{scheme}://admin:{secret}@camera.local:554/live/1")
    assert "s3cret" not in redact(f"{scheme}://camera.local/live?user=a&password={secret}")


@given(HOSTILE)
def test_a_quoted_password_leaves_host_and_path_readable(password: str) -> None:
    assert redact(f"rtsp://admin:{quote(password, safe='')}@10.0.0.7:554/live/1") == "rtsp://***@10.0.0.7:554/live/1"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://camera/live", "rtsp://camera/live"),
        ("RTSP://camera/live", "rtsp://camera/live"),
        ("http://[::1]:80/a?token=1", "http://[::1]:80/a?***"),
        ("videos/a clip.mp4", "videos/a clip.mp4"),
        ("rtsp://cam/x#secret", "rtsp://cam/x"),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    assert redact(text) == shown


@given(st.text())
def test_any_text_can_be_redacted(text: str) -> None:
    assert redact(redact(f"rtsp://{text}")) == redact(f"rtsp://{text}")


@given(HOSTILE)
def test_a_quoted_password_is_never_ambiguous(password: str) -> None:
    assert not ambiguous(f"rtsp://admin:{quote(password, safe='')}@[::1]:554/live/1?channel=2")


@pytest.mark.parametrize(
    "url", ["http://admin:a@9?b@camera/x", "rtsp://admin:a/b@camera/x", "rtsp://admin:a@b#c@camera", "rtsp://admin:a?b@camera", "http://"]
)
def test_a_password_that_may_end_in_two_places(url: str) -> None:
    assert ambiguous(url)


@pytest.mark.parametrize("url", ["http://camera/@front/x", "rtsp://a@b:c@camera/x", "rtsp://10.0.0.7:554", "http://camera?mail=a@b"])
def test_addresses_that_are_clear(url: str) -> None:
    assert not ambiguous(url)
