"""The loop that tutorials teach: OpenCV reads every frame, a detector sees it at full size, each face is classified alone.

    python -m tests.bench.tutorial_loop CLIP SECONDS [YUNET]

With YUNET (a file of fixed size, which OpenCV can load) the detector is `cv2.FaceDetectorYN`, else the Haar cascade that comes with
OpenCV. The classifier is Headcount's own, and its crops are plain boxes. Prints what it did, and what that took, as JSON.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from pipeline.settings import load_settings
from pipeline.stages.align import CROP_SIDE_PX
from services.brain import load_classifier
from tests.bench.measure import cost_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pipeline.types import UInt8

_THRESHOLD = 0.6


def main() -> None:
    """Prepare, and measure the loop alone."""
    clip, seconds = sys.argv[1], float(sys.argv[2])
    cv2.setNumThreads(1)
    classifier = load_classifier(load_settings())
    video = cv2.VideoCapture(clip)
    detect = _yunet(video, sys.argv[3]) if len(sys.argv) > 3 else _haar()
    frames, faces = round(seconds * video.get(cv2.CAP_PROP_FPS)), 0

    def loop() -> None:
        nonlocal faces
        for _ in range(frames):
            _, frame = video.read()
            for x, y, width, height in detect(np.asarray(frame, np.uint8)):
                face = frame[max(y, 0) : y + height, max(x, 0) : x + width]
                crop = cv2.cvtColor(cv2.resize(face, (CROP_SIDE_PX, CROP_SIDE_PX)), cv2.COLOR_BGR2RGB)
                faces += len(classifier.classify(np.asarray(crop, np.uint8)[None]))

    cost = cost_of(loop)
    sys.stdout.write(json.dumps({"frames": frames, "faces": faces, **asdict(cost)}) + "\n")


def _yunet(video: cv2.VideoCapture, model: str) -> Callable[[UInt8], Iterable[tuple[int, ...]]]:
    size = int(video.get(cv2.CAP_PROP_FRAME_WIDTH)), int(video.get(cv2.CAP_PROP_FRAME_HEIGHT))
    detector = cv2.FaceDetectorYN.create(model, "", size, _THRESHOLD)

    def detect(frame: UInt8) -> Iterable[tuple[int, ...]]:
        _, found = detector.detect(frame)
        return [] if found is None else [tuple(int(value) for value in face[:4]) for face in found]

    return detect


def _haar() -> Callable[[UInt8], Iterable[tuple[int, ...]]]:
    cascade = cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"))

    def detect(frame: UInt8) -> Iterable[tuple[int, ...]]:
        found = cascade.detectMultiScale(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), 1.1, 5)
        return [tuple(int(value) for value in face) for face in found]

    return detect


if __name__ == "__main__":
    main()
