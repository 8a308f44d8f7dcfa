"""A live camera through the whole column, until Ctrl-C."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

from tests.e2e.command import finish
from tests.e2e.rows import ask
from tests.rtspd import Behaviour, RtspServer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.command import Program

PASSWORD = "p@ss/word?#%"
POLL_S = 0.1


def test_a_camera_is_counted_until_ctrl_c(headcount: Program, demo_clip: Path, database_url: str, data_dir: Path) -> None:
    program = headcount.with_settings(database_url=database_url, data_dir=data_dir, commit_s=0.5)
    with RtspServer(demo_clip, Behaviour(credentials=f"admin:{PASSWORD}")) as server:
        shown = f"rtsp://***@{server.address}/hall"
        process = program.start("run", f"rtsp://admin:{quote(PASSWORD, safe='')}@{server.address}/hall", "--json", "--name", "hall")
        while not ask(database_url, "SELECT 1 FROM coverage WHERE frames_analysed >= 15") and process.poll() is None:
            time.sleep(POLL_S)
        process.send_signal(signal.SIGINT)
        ended = finish(process)
    assert ended.code == 0, ended
    document = json.loads(ended.stdout)
    assert document["visits"], "who was in the picture at Ctrl-C is a visit"
    assert document["cameras"][0]["source"] == shown
    assert ask(database_url, "SELECT name, source FROM camera") == [("hall", shown)]
    assert ask(database_url, "SELECT count(*) FROM visit") == [(len(document["visits"]),)]
    assert not ask(database_url, "SELECT 1 FROM camera_state")
    for secret in (PASSWORD, quote(PASSWORD, safe="")):
        assert secret not in ended.stdout + ended.stderr
