"""What `headcount stack up` refuses before anything is started."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from pipeline.errors import SourceError
from pipeline.settings import Settings
from services.source_list import ListedSource
from services.stack.up import bring_up
from tests.clips import CODECS, make_clip

if TYPE_CHECKING:
    from pathlib import Path


def refusal(data_dir: Path, *addresses: str) -> SourceError:
    with pytest.raises(SourceError) as raised:
        bring_up(Settings(data_dir=data_dir), [ListedSource(address=address) for address in addresses], Console(file=StringIO()))
    return raised.value


@pytest.mark.parametrize("address", ["missing.mp4", "ftp://user:s3cret@camera/stream"])
@pytest.mark.parametrize("alone", [True, False])
def test_a_source_that_can_never_be_fed_is_named_and_nothing_starts(tmp_path: Path, address: str, *, alone: bool) -> None:
    others = [] if alone else [str(make_clip(tmp_path / "door", CODECS["h264"])), "rtsp://10.0.0.7/stream"]
    error = refusal(tmp_path / "data", *others, address)
    assert error.exit_code == 2
    assert str(error).startswith(address.replace("user:s3cret@", "").split("//", maxsplit=1)[0])
    assert "s3cret" not in str(error)
    assert not (tmp_path / "data").exists()
