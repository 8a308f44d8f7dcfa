"""`headcount doctor` asks a real Triton."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.settings import Settings
from services.doctor import triton_finding
from tests.triton_models import newest_version

if TYPE_CHECKING:
    from tests.servers.triton import Triton


def test_it_says_what_triton_serves(triton_server: Triton) -> None:
    finding = triton_finding(Settings(triton_url=triton_server.url))
    assert not finding.advice
    assert finding.found.startswith(f"{triton_server.url}, serves ")
    assert f"face_attributes {newest_version('face_attributes')}" in finding.found
