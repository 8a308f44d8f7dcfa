"""The two pure steps of a batch: observe(states, records) -> seen, with crops; conclude(seen, answers) -> what to commit.

Between them the crops are classified, by whoever calls. Nothing here knows a clock, a network or a database, and what comes
out depends only on the states and the records: a replay gives the same rows, however the records are cut into batches.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import structlog

from pipeline.errors import InvalidRecordError
from pipeline.record import to_segment
from pipeline.stages.align import CROP_SIDE_PX
from pipeline.stages.fuse import add, fuse
from pipeline.stages.track import Verdict, close_all, expire
from pipeline.state import FOREIGN_SESSION, encode_state
from pipeline.tally import Tally
from pipeline.types import Attributes, BatchResult, CameraState, DeadLetter, FuseSums, SegmentKind, Visit, from_us
from pipeline.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from uuid import UUID

    from pipeline.ports import Detector
    from pipeline.settings import Settings
    from pipeline.stages.track import Closed
    from pipeline.types import LogGap, Segment, StoredRecord, Track, UInt8
    from pipeline.watch import FrameTrace, Observation

_log = structlog.get_logger()

_NO_ANSWERS = Attributes(age_probs=np.zeros((0, 101), np.float32), gender_probs=np.zeros((0, 2), np.float32))
_NO_MODEL = "none"  # of a visit without a crop above the gate


@dataclass(slots=True, kw_only=True)
class Take:
    """What one record brought."""

    camera_id: UUID | None  # None: the record could not be read
    closed: tuple[Closed, ...] = ()
    observations: tuple[Observation, ...] = ()
    tally: Tally = field(default_factory=Tally)
    dead_letters: tuple[DeadLetter, ...] = ()
    stored: StoredRecord | None = None  # the record, where it gave a dead letter
    used: bool = False  # its video was analysed, all of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a batch of records showed, before its crops are classified."""

    takes: tuple[Take, ...]
    states: Mapping[UUID, CameraState]  # after the batch, without the batch's observations; an ended camera has none
    sums: Mapping[UUID, FuseSums]  # of the tracks before the batch, by visit
    ended: frozenset[UUID]  # cameras of which a session ended; those without a state are to be forgotten
    next_offset: int  # after the last record; 0: there was none

    @property
    def crops(self) -> UInt8:
        """The crops to classify, (n, 112, 112, 3) uint8 RGB, in the order in which `conclude` wants the answers."""
        pixels = [observation.crop for take in self.takes for observation in take.observations]
        return np.stack(pixels) if pixels else np.zeros((0, CROP_SIDE_PX, CROP_SIDE_PX, 3), np.uint8)

    @property
    def set_aside(self) -> tuple[tuple[StoredRecord, DeadLetter], ...]:
        """The records that gave dead letters, for the shelf."""
        return tuple((take.stored, letter) for take in self.takes if take.stored is not None for letter in take.dead_letters)

    @property
    def outcomes(self) -> tuple[DeadLetter | None, ...]:
        """What became of each record with video, in their order: why it could not be used; None: it could."""
        return tuple(next(iter(take.dead_letters), None) for take in self.takes if take.used or take.dead_letters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """What a batch changes, and the states with which the next one begins."""

    result: BatchResult
    states: Mapping[UUID, CameraState]


class Engine:
    """Turns records into visits. Safe to use from several threads, one per partition.

    Args:
        detector: Finds the faces.
        settings: What counts.
        trace: Told each analysed frame with its tracks, for displays and annotated pictures.
    """

    def __init__(self, detector: Detector, settings: Settings, trace: Callable[[FrameTrace], None] | None = None) -> None:
        self._watch = Watch(detector, settings, trace)
        self._detector_name = detector.name
        self._settings = settings

    def observe(self, states: Mapping[UUID, CameraState], records: Iterable[StoredRecord], unopened: Collection[int] = ()) -> Seen:
        """Decode, detect and track; return what was seen and the crops to classify.

        Args:
            states: Of the partition's cameras, as the last batch left them.
            records: In the log's order; taken one by one, so that the caller may stop in between.
            unopened: Offsets of records whose video is set aside unseen: it has killed the process that opened it.
        """
        current = dict(states)
        takes: list[Take] = []
        ended: set[UUID] = set()
        next_offset = 0
        for stored in records:
            next_offset = stored.offset + 1
            take, state = self._take(current, stored, opened=stored.offset not in unopened)
            takes.append(take)
            if take.camera_id is None:
                continue
            if state is None:
                current.pop(take.camera_id, None)
                ended.add(take.camera_id)
            else:
                current[take.camera_id] = state
        sums = {track.visit_id: track.sums for state in states.values() for track in state.tracks}
        return Seen(takes=tuple(takes), states=current, sums=sums, ended=frozenset(ended), next_offset=next_offset)

    def conclude(self, seen: Seen, answers: Attributes, gaps: tuple[LogGap, ...] = ()) -> Conclusion:
        """Fuse the answers into the tracks and make the batch's rows.

        Args:
            seen: From `observe`.
            answers: For `seen.crops`, in their order.
            gaps: What the log had lost before these records.
        """
        sums = dict(seen.sums)
        tally = Tally()
        visits: list[Visit] = []
        done = 0
        for take in seen.takes:
            for index, observation in enumerate(take.observations, start=done):
                sums[observation.visit_id] = _fused(sums, observation, answers, index)
            done += len(take.observations)
            tally.merge(take.tally)
            visits += self._settle(take, sums, tally)
        states = {camera_id: _with_sums(state, sums) for camera_id, state in seen.states.items()}
        changed: dict[UUID, bytes | None] = {take.camera_id: None for take in seen.takes if take.camera_id in seen.ended}
        changed |= {take.camera_id: encode_state(states[take.camera_id]) for take in seen.takes if take.camera_id in states}
        result = BatchResult(
            visits=tuple(visits),
            coverage=tally.minutes(),
            states=changed,
            dead_letters=tuple(letter for take in seen.takes for letter in take.dead_letters),
            log_gaps=gaps,
        )
        return Conclusion(result=result, states=states)

    def close(self, states: Mapping[UUID, CameraState], gaps: tuple[LogGap, ...] = ()) -> Conclusion:
        """End every track at its last sight and forget the cameras, as an END record of each would.

        Args:
            states: Of the partition's cameras.
            gaps: What was not analysed.
        """
        takes = tuple(Take(camera_id=camera_id, closed=close_all(state, self._settings)[1]) for camera_id, state in states.items())
        sums = {track.visit_id: track.sums for state in states.values() for track in state.tracks}
        seen = Seen(takes=takes, states={}, sums=sums, ended=frozenset(states), next_offset=0)
        return self.conclude(seen, _NO_ANSWERS, gaps)

    def _take(self, states: Mapping[UUID, CameraState], stored: StoredRecord, *, opened: bool) -> tuple[Take, CameraState | None]:
        """Return what a record brought and its camera's state after it (None: the session ended)."""
        try:
            segment = to_segment(stored.record)
        except InvalidRecordError as error:
            letter = DeadLetter(partition=stored.partition, offset=stored.offset, reason=error.reason)
            return Take(camera_id=None, dead_letters=(letter,), stored=stored), None
        take = Take(camera_id=segment.camera_id)
        state = states.get(segment.camera_id)
        if state is not None and state.session == segment.session and segment.sequence <= state.sequence:
            take.tally.reject(segment.camera_id, segment.captured_us, "repeat")
            return take, state
        state = self._enter(take, state, segment)
        if segment.kind is SegmentKind.END:
            _, closed = close_all(state, self._settings)
            take.closed += closed
            return take, None
        if segment.kind is SegmentKind.GAP:
            state, closed = expire(state, segment.captured_us, self._settings)
            take.closed += closed
            return take, replace(state, last_us=max(state.last_us, segment.captured_us - 1))
        if not opened:
            take.stored, take.dead_letters = stored, (_letter(stored, segment, "killed_worker"),)
            return take, state
        return take, self._look(take, state, segment, stored)

    def _enter(self, take: Take, state: CameraState | None, segment: Segment) -> CameraState:
        """Return the state in which the segment is taken: a new session closes the tracks of the one before."""
        if state is not None and state.session == segment.session:
            return replace(state, sequence=segment.sequence)
        fresh = CameraState(session=segment.session, sequence=segment.sequence, last_us=0, size_wh=(0, 0))
        if state is None:
            return fresh
        _, take.closed = close_all(state, self._settings)
        if state.session == FOREIGN_SESSION:
            take.tally.reject(segment.camera_id, segment.captured_us, "state_version")
        stills = tuple(still for still in state.stills if still.last_us <= segment.captured_us)
        return replace(fresh, stills=stills, size_wh=state.size_wh)

    def _look(self, take: Take, state: CameraState, segment: Segment, stored: StoredRecord) -> CameraState:
        """Analyse a segment's video; what cannot be is set aside with its reason."""
        try:
            view = self._watch.look(state, segment)
        except Exception:  # noqa: BLE001 - nothing that a segment holds may end the worker and all of its partitions
            _log.exception("analysis_error", camera_id=str(segment.camera_id), partition=stored.partition, offset=stored.offset)
            take.stored, take.dead_letters = stored, (_letter(stored, segment, "analysis_error"),)
            return state
        take.closed += view.closed
        take.observations = view.observations
        take.tally.merge(view.tally)
        if view.fault is not None:
            take.stored, take.dead_letters = stored, (_letter(stored, segment, view.fault),)
        take.used = view.fault is None
        return view.state

    def _settle(self, take: Take, sums: Mapping[UUID, FuseSums], tally: Tally) -> list[Visit]:
        """Return the visits among a record's closed tracks; count the others under what they are."""
        visits = []
        for closed in take.closed:
            if take.camera_id is None:
                continue
            if closed.verdict is Verdict.VISIT:
                fused_sums = sums.get(closed.track.visit_id, closed.track.sums)
                visits.append(self._visit(take.camera_id, closed.track, fused_sums))
            else:
                tally.reject(take.camera_id, closed.track.last_us, closed.verdict.value)
        return visits

    def _visit(self, camera_id: UUID, track: Track, sums: FuseSums) -> Visit:
        labels = fuse(sums, gender_unknown=self._settings.gender_unknown, band_min_prob=self._settings.band_min_prob)
        return Visit(
            visit_id=track.visit_id,
            camera_id=camera_id,
            session=track.session,
            started_at=from_us(track.started_us),
            ended_at=from_us(track.last_us),
            age=labels.age,
            age_low=labels.age_low,
            age_high=labels.age_high,
            age_band=labels.age_band,
            band_probs=labels.band_probs,
            p_female=labels.p_female,
            gender=labels.gender,
            observations=sums.observations,
            detections=track.hits,
            quality=sums.best_quality,
            first_box=track.first_box,
            last_box=track.last_box,
            model=sums.model or _NO_MODEL,
            detector=self._detector_name,
        )


def _letter(stored: StoredRecord, segment: Segment, reason: str) -> DeadLetter:
    return DeadLetter(
        partition=stored.partition,
        offset=stored.offset,
        reason=reason,
        camera_id=segment.camera_id,
        session=segment.session,
        sequence=segment.sequence,
        captured_us=segment.captured_us,
    )


def _fused(sums: Mapping[UUID, FuseSums], observation: Observation, answers: Attributes, index: int) -> FuseSums:
    return add(
        sums.get(observation.visit_id, FuseSums()),
        age_probs=answers.age_probs[index],
        p_female=float(answers.gender_probs[index, 0]),
        quality=observation.quality,
        model=answers.model,
    )


def _with_sums(state: CameraState, sums: Mapping[UUID, FuseSums]) -> CameraState:
    return replace(state, tracks=tuple(replace(track, sums=sums.get(track.visit_id, track.sums)) for track in state.tracks))
