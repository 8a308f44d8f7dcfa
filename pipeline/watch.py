"""Looks at one segment's video: gate, decode, detect, track, align, choose, frame by frame; pure but for kept scalers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.metrics import Stage, timed
from pipeline.stages.align import align
from pipeline.stages.choose import CropGate, Rejection, crop_quality, promised_quality
from pipeline.stages.decode import DecodeOptions, Decoders
from pipeline.stages.gate import GateLimits, KeyframesOnly, LookFirst
from pipeline.stages.suppress import hair
from pipeline.stages.track import Sight, close_all, coarse_colours, step
from pipeline.tally import Tally
from pipeline.types import Decode, Detections

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from pipeline.ports import Detector
    from pipeline.settings import Settings
    from pipeline.stages.decode import DecodeOutcome, Gate
    from pipeline.stages.track import Closed
    from pipeline.types import CameraState, Frame, Segment, Track, UInt8

_DECODERS_KEPT = 64  # of the cameras seen last; one holds about a third of a megabyte of scaling tables
MAX_CROPS = 32
"""At most so many crops of a track are classified; more would cost and not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A crop that is worth classifying."""

    visit_id: UUID
    quality: float  # 0..1
    crop: UInt8 = field(repr=False)  # (112, 112, 3) RGB


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameTrace:
    """An analysed frame, for people to look at."""

    camera_id: UUID
    captured_us: int
    pts_us: int
    detections: Detections
    tracks: tuple[Track | None, ...]  # per detection
    open_tracks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a segment showed."""

    state: CameraState
    closed: tuple[Closed, ...]
    observations: tuple[Observation, ...]
    tally: Tally
    fault: str | None  # why the segment, or the rest of it, could not be analysed


class Watch:
    """Looks at segments. Safe to use from several threads.

    Args:
        detector: Finds the faces.
        settings: What is looked at.
        trace: Told each analysed frame.
    """

    def __init__(self, detector: Detector, settings: Settings, trace: Callable[[FrameTrace], None] | None) -> None:
        self._detector = detector
        self._settings = settings
        self._trace = trace
        options = DecodeOptions.of(settings.analysis_fps, settings.detect_side_px, settings.max_pixels)
        self._decoders = Decoders(options, _DECODERS_KEPT)
        self._crop_gate = CropGate(min_face_px=settings.crop_min_face_px, min_quality=settings.crop_min_quality)
        self._limits = GateLimits(interval_us=round(settings.gate_max_interval_s * 1e6), motion_share=settings.gate_motion_share)

    def look(self, state: CameraState, segment: Segment) -> View:
        """Analyse a segment from a camera's state on."""
        glance = _Glance(state, segment, self._detector)
        with self._decoders.lent(segment.camera_id) as decoder:
            decoding = decoder.decode(segment, state.last_us or None, self._gate(glance, segment.decode))
            for frame in decoding:
                self._see(glance, frame)
        return glance.view(decoding.outcome)

    def _gate(self, glance: _Glance, decode: Decode) -> Gate | None:
        match decode:
            case Decode.ALL:
                return None
            case Decode.GATED:
                return LookFirst(self._limits, glance)
            case Decode.KEYFRAMES:
                return KeyframesOnly()

    def _see(self, glance: _Glance, frame: Frame) -> None:
        if frame.picture.size_wh != glance.state.size_wh:
            glance.resize(frame.picture.size_wh, self._settings)
        found = self._detect(glance, frame)
        with timed(Stage.TRACK):
            taken = step(glance.state, _sight(glance, frame, found), self._settings)
        glance.state = taken.state
        glance.closed += taken.closed
        for row, track in enumerate(taken.tracks):
            if track is None:
                glance.reject(frame, "low_score")
            elif track.counted and glance.has_room(frame, track):
                self._consider(glance, frame, found[row : row + 1], track)
        if self._trace is not None:
            self._trace(_traced(glance, frame, found, taken.tracks))

    def _detect(self, glance: _Glance, frame: Frame) -> Detections:
        """Return the faces in pixels of the full picture, without those that are another face's hair."""
        search = glance.search(frame)
        glance.saw_nothing = not len(search.faces)
        glance.reject(frame, "hair", search.hair)
        found = search.faces
        scale = np.float32(frame.scale)
        high = int((found.score >= self._settings.detector_threshold).sum())
        glance.tally.count(glance.camera_id, frame.captured_us, "frames_analysed")
        glance.tally.count(glance.camera_id, frame.captured_us, "detections", high)
        return Detections(xyxy=found.xyxy * scale, score=found.score, landmarks=found.landmarks * scale)

    def _consider(self, glance: _Glance, frame: Frame, face: Detections, track: Track) -> None:
        """Keep a face's crop if it is the best of its track in this second of stream time."""
        box, landmarks = face.xyxy[0], face.landmarks[0]
        if self._crop_gate.too_small(box):
            glance.reject(frame, Rejection.TOO_SMALL)
            return
        with timed(Stage.ALIGN):
            promised = promised_quality(box, landmarks, float(face.score[0]), frame.picture.size_wh)
            rejection = self._crop_gate.rejection(promised)
            if rejection is None and not glance.may_use(frame, track, promised.value):
                return
            if rejection is None:
                crop = align(frame.picture, box, landmarks)
                quality = crop_quality(promised, crop)
                rejection = self._crop_gate.rejection(quality)
        if rejection is None:
            glance.offer(frame, Observation(visit_id=track.visit_id, quality=quality.value, crop=crop))
        else:
            glance.reject(frame, rejection)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    """What the detector found in a frame, in pixels of its small picture."""

    pts_us: int
    faces: Detections  # without those that are another face's hair
    hair: int  # how many those were


class _Glance:
    """What one segment has shown so far; implements `pipeline.stages.gate.Watcher`."""

    def __init__(self, state: CameraState, segment: Segment, detector: Detector) -> None:
        self.camera_id = segment.camera_id
        self.state = state
        self.saw_nothing = True
        self.closed: tuple[Closed, ...] = ()
        self.tally = Tally()
        self._segment = segment
        self._detector = detector
        self._looks: tuple[_Search, ...] = ()  # of the gate, the last ones
        self._best: dict[tuple[int, UUID], Observation] = {}

    @property
    def idle(self) -> bool:
        """Whether no track is open."""
        return not self.state.tracks

    def finds(self, frame: Frame) -> bool:
        """Return whether a frame shows a face, or something that may be one."""
        look = self.search(frame)
        self._looks = (*self._looks[-1:], look)
        return len(look.faces) > 0

    def search(self, frame: Frame) -> _Search:
        """Search a frame, once when the gate has looked at it before."""
        for look in self._looks:
            if look.pts_us == frame.pts_us:
                return look
        with timed(Stage.DETECT):
            found = self._detector.detect(frame.small)
            is_hair = hair(found)
        return _Search(pts_us=frame.pts_us, faces=found[~is_hair], hair=int(is_hair.sum()))

    def reject(self, frame: Frame, reason: str, number: int = 1) -> None:
        self.tally.reject(self.camera_id, frame.captured_us, reason, number)

    def resize(self, size_wh: tuple[int, int], settings: Settings) -> None:
        """End the tracks and forget the posters: where they were means nothing in a picture of another size."""
        state, closed = close_all(self.state, settings)
        self.state = replace(state, size_wh=size_wh, stills=state.stills if state.size_wh == (0, 0) else ())
        self.closed += closed

    def has_room(self, frame: Frame, track: Track) -> bool:
        """Say whether another crop of the track may be classified, or take the place of one of the same second."""
        seconds = [second for second, visit_id in self._best if visit_id == track.visit_id]
        return _second(frame) in seconds or track.crops + len(seconds) < MAX_CROPS

    def may_use(self, frame: Frame, track: Track, quality: float) -> bool:
        """Say whether a crop of this quality would be the best of its track in this second."""
        best = self._best.get((_second(frame), track.visit_id))
        return best is None or quality > best.quality

    def offer(self, frame: Frame, observation: Observation) -> None:
        key = (_second(frame), observation.visit_id)
        best = self._best.get(key)
        if best is None or observation.quality > best.quality:
            self._best[key] = observation

    def view(self, outcome: DecodeOutcome) -> View:
        """Return what the whole segment showed; the order of the observations depends on nothing but the video."""
        start_us = self._segment.captured_us
        for from_us, to_us in outcome.observed:
            self.tally.observe(self.camera_id, from_us, to_us)
        self.tally.count(self.camera_id, start_us, "segments")
        self.tally.count(self.camera_id, start_us, "frames_decoded", outcome.frames_decoded)
        self.tally.reject(self.camera_id, start_us, "late_frame", outcome.frames_late)
        for skipped_us in outcome.skipped_us:
            self.tally.skip(self.camera_id, skipped_us, self._segment.decode)
        observations = tuple(self._best[key] for key in sorted(self._best))
        crops = Counter(observation.visit_id for observation in observations)
        tracks = tuple(replace(track, crops=track.crops + crops[track.visit_id]) for track in self.state.tracks)
        return View(
            state=replace(self.state, tracks=tracks, last_us=outcome.last_us or self.state.last_us),
            closed=self.closed,
            observations=observations,
            tally=self.tally,
            fault=outcome.reason,
        )


def _second(frame: Frame) -> int:
    return frame.pts_us // 1_000_000  # of the source: a copy with another date gives the same crops


def _sight(glance: _Glance, frame: Frame, found: Detections) -> Sight:
    return Sight(
        camera_id=glance.camera_id,
        sequence=glance.state.sequence,
        pts_us=frame.pts_us,
        captured_us=frame.captured_us,
        detections=found,
        colours=tuple(coarse_colours(frame.small, box / frame.scale) for box in found.xyxy),
    )


def _traced(glance: _Glance, frame: Frame, found: Detections, tracks: tuple[Track | None, ...]) -> FrameTrace:
    return FrameTrace(
        camera_id=glance.camera_id,
        captured_us=frame.captured_us,
        pts_us=frame.pts_us,
        detections=found,
        tracks=tracks,
        open_tracks=len(glance.state.tracks),
    )
