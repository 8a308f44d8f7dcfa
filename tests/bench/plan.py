"""Which crops the run cuts out of a recording, and which of them it classifies: asked of the engine itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pipeline.engine import Engine
from pipeline.record import to_record
from pipeline.stages.align import align
from pipeline.stages.choose import crop_quality, promised_quality
from pipeline.stages.decode import DecodeOptions, Decoder
from pipeline.types import StoredRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from uuid import UUID

    from pipeline.ports import Classifier, Detector
    from pipeline.settings import Settings
    from pipeline.types import CameraState, Float32, Picture, Segment
    from pipeline.watch import FrameTrace, Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A face that is cut out of a frame."""

    xyxy: Float32
    landmarks: Float32
    classified: bool


@dataclass(slots=True, kw_only=True)
class Plan:
    """What the engine did with a recording."""

    cuts: dict[int, Sequence[Cut]] = field(default_factory=dict)  # by the frame's capture time
    visits: int = 0
    crops_in_visits: int = 0  # the others that were classified belong to tracks that are no visits


def plan_of(segments: Sequence[Segment], settings: Settings, detector: Detector, classifier: Classifier) -> Plan:
    """Run the engine over a recording with its END, and decode it once more to tell which crops it has taken."""
    traces: list[FrameTrace] = []
    engine = Engine(detector, settings, traces.append)
    decoder = Decoder(DecodeOptions.of(settings.analysis_fps, settings.detect_side_px, settings.max_pixels))
    states: Mapping[UUID, CameraState] = {}
    plan = Plan()
    for offset, segment in enumerate(segments):
        traces.clear()
        before = states.get(segment.camera_id)
        seen = engine.observe(states, [StoredRecord(partition=0, offset=offset, record=to_record(segment))])
        taken = [observation for take in seen.takes for observation in take.observations]
        frames = decoder.decode(segment, before.last_us if before else None) if segment.payload else ()
        _add_cuts(plan, traces, {frame.captured_us: frame.picture for frame in frames}, taken, settings)
        conclusion = engine.conclude(seen, classifier.classify(seen.crops))
        states = conclusion.states
        plan.visits += len(conclusion.result.visits)
        plan.crops_in_visits += sum(visit.observations for visit in conclusion.result.visits)
    return plan


def _add_cuts(
    plan: Plan, traces: Sequence[FrameTrace], pictures: Mapping[int, Picture], taken: Sequence[Observation], settings: Settings
) -> None:
    best: dict[tuple[int, UUID], float] = {}
    cuts = {trace.captured_us: list(_cuts(trace, pictures[trace.captured_us], taken, best, settings)) for trace in traces}
    found = sum(cut.classified for frame_cuts in cuts.values() for cut in frame_cuts)
    if found != len(taken):
        raise AssertionError(f"the plan is wrong: the engine classifies {len(taken)} crops of a segment, the loop would {found}")
    plan.cuts |= cuts


def _cuts(
    trace: FrameTrace, picture: Picture, taken: Sequence[Observation], best: dict[tuple[int, UUID], float], settings: Settings
) -> Iterator[Cut]:
    """Yield the faces that the engine cuts out: those that may pass, and be better than the `best` of their track and second so far."""
    faces = trace.detections
    for xyxy, landmarks, score, track in zip(faces.xyxy, faces.landmarks, faces.score, trace.tracks, strict=True):
        if track is None or not track.counted or xyxy[3] - xyxy[1] < settings.crop_min_face_px:
            continue
        key = (trace.pts_us // 1_000_000, track.visit_id)
        promised = promised_quality(xyxy, landmarks, float(score), picture.size_wh)
        if promised.value < settings.crop_min_quality or promised.value <= best.get(key, 0):
            continue
        crop = align(picture, xyxy, landmarks)
        quality = crop_quality(promised, crop).value
        if quality >= settings.crop_min_quality:
            best[key] = max(quality, best.get(key, 0))
        classified = any(one.visit_id == track.visit_id and np.array_equal(one.crop, crop) for one in taken)
        yield Cut(xyxy=xyxy, landmarks=landmarks, classified=classified)
