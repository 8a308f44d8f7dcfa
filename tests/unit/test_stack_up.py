"""What `headcount stack up` refuses before anything is started, and what Ctrl-C does while it waits."""

from __future__ import annotations

import signal
import subprocess
import threading
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from pipeline.errors import SourceError
from pipeline.settings import Settings
from services.source_list import ListedSource
from services.stack.state import StackFolder
from services.stack.up import InterruptedUpError, bring_up, ctrl_c_heard, wait_until_up
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


def interruption(data_dir: Path, supervisor: subprocess.Popen[bytes] | None) -> InterruptedUpError:
    interrupted = threading.Event()
    interrupted.set()
    with pytest.raises(InterruptedUpError) as raised:
        wait_until_up(StackFolder(data_dir), supervisor, Console(file=StringIO()), interrupted)
    assert raised.value.exit_code == 130
    return raised.value


def test_ctrl_c_ends_the_supervisor_that_was_started(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "60"], start_new_session=True) as supervisor:
        assert str(interruption(tmp_path, supervisor)) == "interrupted; what was started is being stopped"
    assert supervisor.returncode == -signal.SIGTERM


def test_ctrl_c_leaves_a_stack_that_was_up_before(tmp_path: Path) -> None:
    assert "goes on" in str(interruption(tmp_path, None))


def test_ctrl_c_is_noted_and_no_exception_while_it_is_heard() -> None:
    before = signal.getsignal(signal.SIGINT)
    with ctrl_c_heard() as heard:
        assert not heard.is_set()
        signal.raise_signal(signal.SIGINT)
        assert heard.is_set()
    assert signal.getsignal(signal.SIGINT) is before
