"""The run against the loop that tutorials teach."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from tests.bench.column import WAYS, analyse, open_site, watched_run
from tests.bench.material import FPS, busy
from tests.bench.measure import Cost, Figure, alternately, count, cpu, ratio, wall
from tests.e2e.command import Program
from tests.shared import SHARED

if TYPE_CHECKING:
    from tests.bench.setup import Setup

_SECONDS, _LOOP_SECONDS = 15, 2
_YUNET = SHARED / "models" / "detect" / "yunet_n_640_640.onnx"  # OpenCV cannot load the dynamic file


def tutorial(setup: Setup) -> list[Figure]:
    """A second of 1080p on one core: the run (15 s), and OpenCV's every frame, full-size detection, a face at a time (2 s)."""
    clip = busy(setup.clips, _SECONDS)
    found: dict[str, float] = {}
    detector = [_YUNET] if _YUNET.exists() else []
    with open_site() as site:
        program = Program(settings=site.settings, command=(sys.executable, "-m", "tests.bench.tutorial_loop"))

        def loop() -> Cost:
            found.update(json.loads(watched_run(site, program, [clip, str(_LOOP_SECONDS), *detector], cores=1).stdout))
            return Cost(wall_s=found["wall_s"], cpu_s=found["cpu_s"]).per(_LOOP_SECONDS)

        flags = WAYS["in one process"]
        costs = alternately(setup.repeats, {"loop": loop, "run": lambda: analyse(site, [clip], *flags, cores=1).analysis.per(_SECONDS)})
    return [
        cpu("tutorial's loop, a second of video", costs["loop"]),
        cpu("run, a second of video", costs["run"]),
        ratio("tutorial's loop : run, CPU", cpu("loop", costs["loop"]), cpu("run", costs["run"])),
        ratio("tutorial's loop : run, wall", wall("loop", costs["loop"]), wall("run", costs["run"])),
        count(f"tutorial's loop ({'YuNet' if detector else 'Haar'}): faces classified a second of video", found["faces"] / _LOOP_SECONDS),
        count("tutorial's loop: frames searched a second of video", FPS),
    ]
