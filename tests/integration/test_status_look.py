"""`headcount status` beside a column at work, after it, and where the log lies elsewhere."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.settings import Settings
from services.status import look
from services.wiring import open_column, open_place
from tests.workbench import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services.status import Status


@pytest.fixture
def settings() -> Iterator[Settings]:
    """Of a data folder that the server's user can enter."""
    with tempfile.TemporaryDirectory(prefix="headcount-test-") as folder:
        Path(folder).chmod(0o755)
        yield Settings(data_dir=Path(folder) / "data", partitions=2)


def silent(message: str) -> None:
    del message


def records_behind(status: Status) -> list[int]:
    assert status.ends is not None
    return [status.ends[partition].lag.records for partition in sorted(status.ends)]


def test_a_column_is_looked_at_beside_its_writer_and_after_it_and_without_its_log(settings: Settings) -> None:
    with open_place(settings, silent, kept=True) as place, open_column(place, settings, writes_log=True) as column:
        column.registry().register("door", "door.mp4")
        offsets = [column.log.append(1, UNREADABLE) for _ in range(3)]
        beside = look(settings, silent, minutes=3)
        assert records_behind(beside) == [0, 3]
        assert beside.column is not None
        assert beside.column.log_uid == column.log.uid()
        assert [camera.name for camera in beside.column.cameras] == ["door"]
        assert beside.ends is not None
        assert beside.ends[1].offset == offsets[-1] + 1
        assert 0 <= beside.ends[1].lag.seconds < 60
    after = look(settings, silent, minutes=3)
    assert records_behind(after) == [0, 3], "the server is started for the look"
    assert after.ends is not None
    assert after.ends[1].lag.seconds > beside.ends[1].lag.seconds
    shutil.rmtree(settings.data_dir / "log")
    elsewhere = look(settings, silent, minutes=3)
    assert elsewhere.ends is None
    assert elsewhere.column is not None
    assert [partition.position for partition in elsewhere.column.partitions] == [0, 0]
    assert not (settings.data_dir / "log").exists(), "a look makes nothing"
