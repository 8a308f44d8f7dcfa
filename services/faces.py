"""The faces of a single picture with their labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.adapters.detectors import make_detector
from pipeline.stages.align import align
from pipeline.stages.choose import CropGate, crop_quality, promised_quality
from pipeline.stages.fuse import Fused, add, fuse
from pipeline.stages.suppress import hair
from pipeline.types import FuseSums
from pipeline.video.picture import DecodedPicture, Scaler
from services.brain import load_classifier

if TYPE_CHECKING:
    from collections.abc import Callable

    from av import VideoFrame

    from pipeline.settings import Settings
    from pipeline.types import Detections, UInt8

SIDE_PX = 1280
"""Longer side of what the detector sees of a single picture: there is time for small faces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """A face of a single picture."""

    xyxy: tuple[float, float, float, float]  # pixels
    score: float
    quality: float
    rejected: str | None  # why it was not classified
    labels: Fused


def find_faces(frame: VideoFrame, settings: Settings, notice: Callable[[str], None]) -> list[Face]:
    """Return the faces of a picture with their labels, left to right."""
    classifier, detector = load_classifier(settings), make_detector(settings, notice)
    small = Scaler(max(settings.detect_side_px, SIDE_PX)).small(frame)
    picture = DecodedPicture(frame)
    found = detector.detect(small)
    found = found[(found.score >= settings.detector_threshold) & ~hair(found)]
    scale = picture.size_wh[0] / small.shape[1]
    crops = [align(picture, box * scale, points * scale) for box, points in zip(found.xyxy, found.landmarks, strict=True)]
    answers = classifier.classify(np.stack(crops) if crops else np.zeros((0, 112, 112, 3), np.uint8))
    faces = []
    for index, crop in enumerate(crops):
        observation = (answers.age_probs[index], float(answers.gender_probs[index, 0]))
        faces.append(_face(crop, found[index : index + 1], scale, picture.size_wh, observation, settings))
    return sorted(faces, key=lambda face: face.xyxy)


def _face(
    crop: UInt8, found: Detections, scale: float, size_wh: tuple[int, int], observation: tuple[Any, float], settings: Settings
) -> Face:
    box, landmarks, score = found.xyxy[0] * np.float32(scale), found.landmarks[0] * np.float32(scale), float(found.score[0])
    gate = CropGate(min_face_px=settings.crop_min_face_px, min_quality=settings.crop_min_quality)
    quality = crop_quality(promised_quality(box, landmarks, score, size_wh), crop)
    rejected = "too_small" if gate.too_small(box) else gate.rejection(quality)
    sums = FuseSums()
    if rejected is None:
        sums = add(sums, age_probs=observation[0], p_female=observation[1], quality=quality.value, model="")  # not shown
    labels = fuse(sums, gender_unknown=settings.gender_unknown, band_min_prob=settings.band_min_prob)
    left, top, right, bottom = (float(value) for value in box)
    return Face(xyxy=(left, top, right, bottom), score=score, quality=quality.value, rejected=rejected, labels=labels)
