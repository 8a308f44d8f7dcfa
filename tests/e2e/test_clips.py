"""The clips whose true answer is known; prints precision and recall of visits, swaps and splits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import jsonschema
import pytest

from pipeline.settings import load_settings
from services.follow import follow
from services.report import visit_object
from tests.e2e.clip_truth import TRUTH_DIR, load_truth
from tests.e2e.score import Sight, Trail, report, score
from tests.shared import shared_path

if TYPE_CHECKING:
    from services.follow import Followed
    from tests.e2e.command import Program
    from tests.e2e.score import Score

SCHEMA = Path(__file__).parents[2] / "docs/run.schema.json"
YUNET = "models/detect/yunet_n_dynamic.onnx"
Expected: TypeAlias = tuple[str, int, int, int]  # name of the truth, fewest and most visits, fewest persons whose gender is right


@pytest.fixture
def program(headcount: Program, database_url: str, data_dir: Path) -> Program:
    return headcount.with_settings(detector="yunet", detector_model=shared_path(YUNET), database_url=database_url, data_dir=data_dir)


def counted(program: Program, clip: Path) -> dict[str, Any]:
    """Return the JSON document of a run."""
    ended = program("run", clip, "--json")
    assert ended.code == 0, ended
    document: dict[str, Any] = json.loads(ended.stdout)
    jsonschema.validate(document, json.loads(SCHEMA.read_text(encoding="utf-8")))
    return document


def trails(followed: Followed) -> list[Trail]:
    """Return where each visit's face was seen."""
    sights: dict[str, list[Sight]] = {str(visit.visit_id): [] for visit in followed.visits}
    for trace in followed.traces:
        for row, track in enumerate(trace.tracks):
            if track is not None and str(track.visit_id) in sights:
                left, top, right, bottom = (float(value) for value in trace.detections.xyxy[row])
                seen = Sight(t_s=(trace.captured_us - followed.start_us) / 1e6, xyxy=(left, top, right, bottom))
                sights[str(track.visit_id)].append(seen)
    return [Trail(visit_id=visit_id, sights=tuple(seen)) for visit_id, seen in sights.items()]


def what_was_seen(visits: list[dict[str, Any]]) -> list[list[object]]:
    """Return what does not depend on the camera's name, as the visits' keys do, nor on the last bits of a probability."""
    names = ("started_at", "ended_at", "first_box", "last_box", "detections", "observations")
    return sorted([visit[name] for name in names] for visit in visits)


def exchanged(result: Score) -> list[str]:
    """Return the visits that end with another person than they began with; one that takes a face in front of a hidden one comes back."""
    ways: dict[str, tuple[str, str]] = {}
    for swap in result.swaps:
        began, _ = ways.get(swap.visit_id, (swap.before, swap.before))
        ways[swap.visit_id] = (began, swap.after)
    return [visit_id for visit_id, (began, ended) in ways.items() if began != ended]


@pytest.mark.parametrize(
    "expected", [("arcade", 9, 11, 9), ("walking-and-pause", 3, 3, 3), ("two-heads", 2, 2, 2)], ids=lambda expected: expected[0]
)
def test_the_people_of_a_clip_are_its_visits(program: Program, expected: Expected, capsys: pytest.CaptureFixture[str]) -> None:
    name, fewest, most, least_right = expected
    truth = load_truth(TRUTH_DIR / f"{name}.json")
    clip = shared_path(f"videos/{truth.clip}")
    visits = counted(program, clip)["visits"]
    assert fewest <= len(visits) <= most
    followed = follow(str(clip), load_settings(detector="yunet", detector_model=shared_path(YUNET)), lambda _: None, lambda _: None)
    assert what_was_seen([visit_object(visit) for visit in followed.visits]) == what_was_seen(visits)
    result = score(truth, trails(followed))
    genders = {str(visit.visit_id): visit_object(visit)["gender"] for visit in followed.visits}
    assert sorted(genders.values()) == sorted(visit["gender"] for visit in visits)
    right = [person.name for person in truth.persons if genders.get(result.mains.get(person.name, "")) == person.gender]
    with capsys.disabled():
        print(f"\n{clip.name}: {len(visits)} visits\n{report(result)}\ngenders right: {len(right)}")  # noqa: T201 - what the test is for
    assert result.precision >= 0.9
    assert result.recall >= 0.9
    assert not result.splits
    assert exchanged(result) == []
    assert len(right) >= least_right
