"""Nothing that is counted without the gate is lost behind it where the keyframes lie at most a second apart."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.engine import Engine
from pipeline.record import to_record
from pipeline.settings import load_settings
from pipeline.types import Decode, StoredRecord
from services.brain import load_brain
from services.demo import make_demo_clip
from services.follow import segments_of
from tests.people import HueClassifier, HueDetector, Person, picture
from tests.rooms import Encoding, encode, noisy, pictures_of, with_an_empty_room_around
from tests.shared import shared_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from uuid import UUID

    from pipeline.ports import Classifier
    from pipeline.settings import Settings
    from pipeline.types import CameraState, UInt8, Visit

CLIPS = {"arcade": "arcade-crowd-1080p.mp4", "walking-and-pause": "walking-and-pause.gif", "two-heads": "two-heads.gif"}
ENCODINGS = {
    "1 s": Encoding(),
    "1 s, B": Encoding(b_frames=3),
    "1 s, constant rate": Encoding(kbps=2000),
    "0.5 s": Encoding(interval_s=0.5),
    "0.5 s, B": Encoding(interval_s=0.5, b_frames=3),
    "0.5 s, constant rate": Encoding(interval_s=0.5, kbps=2000),
}
EMPTY = 80  # frames before and after; no whole number of groups, so that people come between two keyframes


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What a video came to."""

    visits: tuple[Visit, ...]
    totals: Counter[str]


class Analysis:
    """Counts a video as `headcount run` does, without log and database."""

    def __init__(self, engine: Engine, classifier: Classifier, settings: Settings) -> None:
        self._engine, self._classifier, self._settings = engine, classifier, settings

    def __call__(self, path: Path, how: Decode) -> Counted:
        states: Mapping[UUID, CameraState] = {}
        visits: list[Visit] = []
        totals: Counter[str] = Counter()
        for offset, segment in enumerate(segments_of(str(path), self._settings, lambda _: None)):
            record = StoredRecord(partition=0, offset=offset, record=to_record(replace(segment, decode=how)))
            seen = self._engine.observe(states, [record])
            concluded = self._engine.conclude(seen, self._classifier.classify(seen.crops))
            states = concluded.states
            visits += concluded.result.visits
            for minute in concluded.result.coverage:
                totals.update(decoded=minute.frames_decoded, analysed=minute.frames_analysed, seconds=minute.seconds.bit_count())
                totals.update(minute.rejected)
        return Counted(visits=tuple(sorted(visits, key=lambda visit: (visit.started_at, visit.first_box))), totals=totals)


@pytest.fixture(scope="module")
def real() -> Analysis:
    """The analysis with YuNet."""
    settings = load_settings(detector="yunet", detector_model=shared_path("models/detect/yunet_n_dynamic.onnx"))
    brain = load_brain(settings, lambda _: None)
    return Analysis(brain.engine, brain.classifier, settings)


@pytest.fixture(scope="module")
def hues() -> Analysis:
    """The analysis of people who are squares of one hue."""
    settings = load_settings()
    return Analysis(Engine(HueDetector(), settings), HueClassifier(), settings)


def assert_nothing_is_lost(plain: Counted, gated: Counted) -> None:
    assert len(gated.visits) == len(plain.visits)
    for one, twin in zip(plain.visits, gated.visits, strict=True):
        assert one.started_at <= twin.ended_at
        assert twin.started_at <= one.ended_at
    assert gated.totals["seconds"] == plain.totals["seconds"]
    assert gated.totals["analysed"] + gated.totals["skipped"] == plain.totals["analysed"]


@pytest.fixture(scope="module", params=CLIPS)
def clip(request: pytest.FixtureRequest) -> list[UInt8]:
    return pictures_of(shared_path(f"videos/{CLIPS[request.param]}"))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_people_of_a_clip_are_counted_behind_the_gate(real: Analysis, clip: list[UInt8], tmp_path: Path, encoding: str) -> None:
    halved = [rgb[: rgb.shape[0] // 4 * 4 : 2, : rgb.shape[1] // 4 * 4 : 2] if rgb.shape[0] > 1000 else rgb for rgb in clip]
    path = encode(tmp_path / "clip.mp4", with_an_empty_room_around(halved, EMPTY, EMPTY), ENCODINGS[encoding])
    plain, gated = real(path, Decode.ALL), real(path, Decode.GATED)
    assert plain.visits
    assert_nothing_is_lost(plain, gated)
    assert gated.totals["skipped"] > 0
    assert gated.totals["decoded"] <= 0.9 * plain.totals["decoded"]


def test_the_demo_is_counted_behind_the_gate(real: Analysis, tmp_path: Path) -> None:
    path = tmp_path / "demo.mp4"
    make_demo_clip(path)
    plain, gated = real(path, Decode.ALL), real(path, Decode.GATED)
    assert len(plain.visits) == 3
    assert_nothing_is_lost(plain, gated)


def passers() -> Iterator[UInt8]:
    """Yield forty seconds of a noisy room through which three people walk, at any phase of the groups."""
    people = [
        Person(hue=number, from_frame=30 + 313 * number, to_frame=30 + 313 * number + 38 + 6 * number, x=10 + 20 * number, speed=2)
        for number in range(3)
    ]
    return noisy(picture(people, frame) for frame in range(1000))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_people_who_pass_through_an_empty_noisy_room_are_counted_for_less(hues: Analysis, tmp_path: Path, encoding: str) -> None:
    path = encode(tmp_path / "room.mp4", passers(), ENCODINGS[encoding])
    plain, gated = hues(path, Decode.ALL), hues(path, Decode.GATED)
    assert len(plain.visits) == 3
    assert_nothing_is_lost(plain, gated)
    assert gated.totals["decoded"] < 0.75 * plain.totals["decoded"]
    assert gated.totals["analysed"] < 0.75 * plain.totals["analysed"]


@pytest.mark.parametrize("deviation", [0.0, 1.0])
def test_of_an_empty_room_only_keyframes_are_decoded_where_packets_would_tell(hues: Analysis, tmp_path: Path, deviation: float) -> None:
    room = np.random.default_rng(1).integers(60, 120, (240, 320, 3), np.uint8)
    path = encode(tmp_path / "room.mp4", noisy([room] * 250, deviation), Encoding())
    gated = hues(path, Decode.GATED)
    assert (gated.totals["decoded"], gated.totals["analysed"], gated.totals["skipped"]) == (10, 10, 40)


@pytest.mark.parametrize("interval_s", [0.5, 1.0])
def test_of_an_empty_room_at_a_constant_rate_the_last_group_of_each_segment_is_decoded(
    hues: Analysis, tmp_path: Path, interval_s: float
) -> None:
    room = np.random.default_rng(1).integers(60, 120, (240, 320, 3), np.uint8)
    path = encode(tmp_path / "room.mp4", noisy([room] * 250), Encoding(interval_s=interval_s, kbps=2000))
    plain, gated = hues(path, Decode.ALL), hues(path, Decode.GATED)
    groups = round(2 / interval_s)  # of a segment
    assert gated.totals["decoded"] < (1.2 / groups + 0.05) * plain.totals["decoded"]
    assert gated.totals["analysed"] + gated.totals["skipped"] == plain.totals["analysed"]
    assert gated.totals["analysed"] <= 5 * groups + 5


def test_with_keyframes_far_apart_nothing_is_lost_and_less_is_searched(hues: Analysis, tmp_path: Path) -> None:
    path = encode(tmp_path / "room.mp4", passers(), Encoding(interval_s=4.0))
    plain, gated = hues(path, Decode.ALL), hues(path, Decode.GATED)
    assert [visit.visit_id for visit in gated.visits] == [visit.visit_id for visit in plain.visits]
    assert [visit.detections for visit in gated.visits] == [visit.detections for visit in plain.visits]
    assert gated.totals["decoded"] == plain.totals["decoded"]
    assert gated.totals["analysed"] < 0.75 * plain.totals["analysed"]
