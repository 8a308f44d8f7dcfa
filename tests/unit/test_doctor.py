"""What `headcount doctor` says of programs and servers that not everybody needs."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from pipeline.settings import Settings
from services.doctor import Finding, stack_findings, triton_finding

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def install(folder: Path, name: str, version: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    path.chmod(0o755)
    return path


def looked(monkeypatch: pytest.MonkeyPatch, folder: Path) -> dict[str, Finding]:
    monkeypatch.setenv("PATH", str(folder))
    return {finding.what: finding for finding in stack_findings()}


def test_what_the_stack_needs_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "java", "21.0.4")
    maven = install(tmp_path, "mvn", "")
    found = looked(monkeypatch, tmp_path)
    assert found == {"Java": Finding(what="Java", found="21"), "Maven": Finding(what="Maven", found=str(maven))}


def test_what_only_the_stack_needs_may_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = looked(monkeypatch, tmp_path)
    assert list(found) == ["Java", "Maven"]
    for what, finding in found.items():
        assert finding.advice.startswith(f"only for headcount stack: {what}")
        assert "apt-get install" in finding.advice
        assert not finding.fatal


def test_a_triton_that_is_named_and_does_not_answer_is_missing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    finding = triton_finding(Settings(triton_url=address, triton_timeout_s=1.0))
    assert finding.fatal
    assert address in finding.advice
