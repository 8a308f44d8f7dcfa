"""Sources that a file names, and the slot in which they are fed."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import ConfigurationError
from services.slot import held_slot, lease_holder
from services.source_list import ListedSource, read_sources

if TYPE_CHECKING:
    from pathlib import Path

HOLDER = """
import sys, pathlib, services.slot
with services.slot.held_slot(pathlib.Path(sys.argv[1]), "a"):
    print("held", flush=True)
    sys.stdin.read()
"""


def listed(path: Path, text: str, mode: int = 0o600) -> tuple[list[ListedSource], list[str]]:
    """Return the sources of a file with this text, and what was told."""
    path.write_text(text)
    path.chmod(mode)
    told: list[str] = []
    return read_sources(path, told.append), told


def test_names_addresses_and_comments(tmp_path: Path) -> None:
    text = "# the shop\n\nrtsp://a:b=c@10.0.0.7/x?y=1\n  hall = rtsp://10.0.0.8/x?a=1 \nmain exit =\thttp://10.0.0.9/\n"
    sources, told = listed(tmp_path / "cameras", text)
    assert sources == [
        ListedSource(address="rtsp://a:b=c@10.0.0.7/x?y=1"),
        ListedSource(address="rtsp://10.0.0.8/x?a=1", name="hall"),
        ListedSource(address="http://10.0.0.9/", name="main exit"),
    ]
    assert not told


def test_a_file_that_others_can_read_is_told(tmp_path: Path) -> None:
    _, told = listed(tmp_path / "cameras", "rtsp://a:s3cret@b/", mode=0o644)
    assert len(told) == 1
    assert "chmod 600" in told[0]
    assert "s3cret" not in told[0]


@pytest.mark.parametrize("text", ["", "# nothing\n\n", " = rtsp://a:s3cret@b/\n"])
def test_a_file_that_names_no_source_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match="ADDRESS") as raised:
        listed(tmp_path / "cameras", text)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("data", [None, b"\xff\xfe\xff"])
def test_a_file_that_cannot_be_read_is_the_user_s_mistake(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "cameras"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_sources(path, print)


def test_an_address_does_not_show_itself() -> None:
    assert "s3cret" not in repr(ListedSource(address="rtsp://a:s3cret@b/"))


def test_who_leases_cameras_is_the_same_after_a_restart_where_one_process_can_be() -> None:
    local, brokers = "local:7", "kafka:cluster/topic"
    assert lease_holder(local, None) == lease_holder(local, "a") != lease_holder("local:8", None)
    assert lease_holder(brokers, None) is None
    assert lease_holder(brokers, "a") == lease_holder("kafka:cluster/made-anew", "a") != lease_holder(brokers, "b")


def test_one_process_has_a_slot_at_a_time(tmp_path: Path) -> None:
    with held_slot(tmp_path, "shop-1"):
        with (
            pytest.raises(ConfigurationError, match=r"--slot shop-1: another ingest on this machine has it \(pid \d+\)"),
            held_slot(tmp_path, "shop-1"),
        ):
            raise AssertionError
        with held_slot(tmp_path, "shop-2"), held_slot(tmp_path, None):
            pass
    with held_slot(tmp_path, "shop-1"):
        pass


def test_a_process_that_was_killed_leaves_its_slot(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ConfigurationError, match=f"pid {holder.pid}"), held_slot(tmp_path, "a"):
            raise AssertionError
        holder.kill()
        holder.wait()
        with held_slot(tmp_path, "a"):
            pass


@pytest.mark.parametrize("slot", ["", "a/b", "ä", "x" * 65])
def test_a_slot_that_is_no_name_is_refused(tmp_path: Path, slot: str) -> None:
    with pytest.raises(ConfigurationError, match="--slot"), held_slot(tmp_path, slot):
        raise AssertionError
