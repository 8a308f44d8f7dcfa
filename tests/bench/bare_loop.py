"""The least that could be done: decode, detect, align and classify in one loop; no log, database, tracker, thread or Ray.

    python -m tests.bench.bare_loop CLIP CAMERAS

It does the run's work: the same sampled frames, searched in the same small pictures, and the crops that the run cuts out and
classifies (tests/bench/plan.py finds out which, beforehand). Prints what it did, and what that took, as JSON.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import cv2
import numpy as np

from pipeline.adapters.detectors import make_detector
from pipeline.settings import load_settings
from pipeline.stages.align import align
from pipeline.stages.decode import DecodeOptions, Decoder
from services.brain import load_classifier
from services.follow import segments_of
from tests.bench.measure import cost_of
from tests.bench.plan import plan_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.ports import Classifier, Detector
    from pipeline.types import Segment
    from tests.bench.plan import Plan


@dataclass(slots=True, kw_only=True)
class Bare:
    """The loop, and how much it did."""

    detector: Detector
    classifier: Classifier
    options: DecodeOptions
    did: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("frames_decoded", "frames_analysed", "cut_out", "classified"), 0))

    def analyse(self, segments: Sequence[Segment], plan: Plan) -> None:
        """Analyse a recording."""
        decoder, last_us = Decoder(self.options), None
        for segment in segments:
            decoding, crops = decoder.decode(segment, last_us), []
            for frame in decoding:
                self.detector.detect(frame.small)
                self.did["frames_analysed"] += 1
                for cut in plan.cuts[frame.captured_us]:
                    crop = align(frame.picture, cut.xyxy, cut.landmarks)
                    self.did["cut_out"] += 1
                    if cut.classified:
                        crops.append(crop)
            if crops:
                self.did["classified"] += len(self.classifier.classify(np.stack(crops)))
            self.did["frames_decoded"] += decoding.outcome.frames_decoded
            last_us = decoding.outcome.last_us


def main() -> None:
    """Prepare, and measure the loop alone."""
    clip, cameras = sys.argv[1], int(sys.argv[2])
    settings = load_settings()
    cv2.setNumThreads(1)
    segments = list(segments_of(clip, settings, _say))
    options = DecodeOptions.of(settings.analysis_fps, settings.detect_side_px, settings.max_pixels)
    bare = Bare(detector=make_detector(settings, _say), classifier=load_classifier(settings), options=options)
    plan = plan_of(segments, settings, bare.detector, bare.classifier)

    def loop() -> None:
        for _ in range(cameras):
            bare.analyse([segment for segment in segments if segment.payload], plan)

    cost = cost_of(loop)
    expected = {"visits": cameras * plan.visits, "crops_in_visits": cameras * plan.crops_in_visits}
    sys.stdout.write(json.dumps({**bare.did, **expected, **asdict(cost)}) + "\n")


def _say(message: str) -> None:
    sys.stderr.write(message + "\n")


if __name__ == "__main__":
    main()
