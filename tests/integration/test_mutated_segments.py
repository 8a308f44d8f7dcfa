"""2,000 damaged segments through decode, with the gate and without: no crash, bounded memory, and only the fixed reasons."""

from __future__ import annotations

import random
import resource
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.stages.decode import DecodeOptions, Decoder
from pipeline.stages.gate import GateLimits, KeyframesOnly, LookFirst
from tests.apart import run_apart
from tests.clips import CODECS, make_clip
from tests.mutations import mutated
from tests.sources import read, videos

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.stages.decode import Gate
    from pipeline.types import Frame, Segment

MUTATIONS = 2000
REASONS = {None, "not_openable", "picture_too_large", "decode_error", "no_frames"}
LIMIT_KIB = 300 * 1024


class Nobody:
    """A `pipeline.stages.gate.Watcher` to whom nothing shows a face."""

    idle = saw_nothing = True

    def finds(self, frame: Frame) -> bool:
        assert frame.small.size
        return False


def a_gate(dice: random.Random) -> Gate | None:
    return dice.choice((None, KeyframesOnly(), LookFirst(GateLimits(interval_us=1_000_000, motion_share=0.001), Nobody())))


def test_damaged_segments_are_counted_and_never_crash(tmp_path: Path) -> None:
    run_apart(decode_damaged, tmp_path)


def decode_damaged(folder: Path) -> None:
    dice = random.Random(20260101)
    originals: list[Segment] = []
    for name in ("h264-b", "hevc", "mjpeg", "mpeg4", "vp8", "vp9", "av1"):
        originals += videos(read(make_clip(folder / name, replace(CODECS[name], frames=12))))[:1]
    decoder = Decoder(DecodeOptions.of(5, 64, 10**6))
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reasons: dict[str | None, int] = {}
    for number in range(MUTATIONS):
        original = dice.choice(originals)
        sys.stdout.write(f"{number} {original.codec}\n")  # the last one is shown if it ends the process
        decoding = decoder.decode(replace(original, payload=mutated(original.payload, dice)), None, a_gate(dice))
        for frame in decoding:
            width, height = frame.picture.size_wh
            assert frame.picture.window(0, 0, width, height).shape == (height, width, 3)
        outcome = decoding.outcome
        reasons[outcome.reason] = reasons.get(outcome.reason, 0) + 1
        assert all(since < to for since, to in outcome.observed)
    assert set(reasons) <= REASONS
    assert all(reasons.get(reason, 0) > MUTATIONS // 100 for reason in (None, "decode_error", "not_openable")), reasons
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < LIMIT_KIB
