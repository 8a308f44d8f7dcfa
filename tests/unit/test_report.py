"""The JSON documents against their schemas, and the tables."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import jsonschema
import numpy as np
import pytest
from rich.console import Console

from pipeline.adapters.postgres.report import Totals
from pipeline.stages.choose import Rejection
from pipeline.stages.fuse import Fused
from pipeline.types import Camera, Detections, Visit
from pipeline.watch import FrameTrace
from services.analyze import face_object, video_document
from services.faces import Face
from services.follow import Followed
from services.report import RunReport
from tests.contract.samples import a_visit
from tests.scenes import Scene

if TYPE_CHECKING:
    from collections.abc import Callable

DOCS = Path(__file__).parents[2] / "docs"
CAMERA = Camera(camera_id=UUID(int=1), name="door", site="default", partition=0)
UNKNOWN: dict[str, Any] = {"age": None, "age_low": None, "age_high": None, "age_band": "unknown", "p_female": None, "gender": "unknown"}


def validator(name: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((DOCS / f"{name}.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())


def unlabelled() -> Visit:
    return a_visit(CAMERA.camera_id, **UNKNOWN, band_probs=(), observations=0, quality=0.0)


def report(*visits: Visit) -> RunReport:
    totals = Totals(
        segments=3, frames_decoded=75, frames_analysed=15, detections=31, seconds=3, rejected={"low_score": 4}, dead_letters={"checksum": 1}
    )
    return RunReport(cameras=[(CAMERA, "rtsp://***@door/1")], visits=visits, totals=totals, elapsed_s=1.23456, kept=True)


def video() -> Followed:
    scene = Scene().timeline("###.##").end()
    traces = [
        FrameTrace(
            camera_id=CAMERA.camera_id,
            captured_us=1_000_000 + 200_000 * number,
            pts_us=0,
            detections=Detections(
                xyxy=np.full((len(tracks), 4), 7.25, np.float32),
                score=np.full(len(tracks), 0.9, np.float32),
                landmarks=np.zeros((len(tracks), 5, 2), np.float32),
            ),
            tracks=tracks if number else (None,) * len(tracks),
            open_tracks=1,
        )
        for number, tracks in enumerate(scene.tracks)
    ]
    (track,) = (closed.track for closed in scene.closed)
    visit = a_visit(CAMERA.camera_id, visit_id=track.visit_id)
    return Followed(visits=[visit], numbers={track.visit_id: 1}, traces=traces, start_us=1_000_000)


def face(labels: Fused, rejected: str | None) -> Face:
    return Face(xyxy=(1.26, 2.0, 30.0, 40.0), score=0.91234, quality=0.5, rejected=rejected, labels=labels)


LABELLED = Fused(age=31.0, age_low=20.0, age_high=44.4, age_band="30-39", band_probs=(1.0,) + (0.0,) * 8, p_female=0.9, gender="female")


@pytest.mark.parametrize("visits", [(), (a_visit(CAMERA.camera_id),), (a_visit(CAMERA.camera_id), unlabelled())])
def test_the_document_of_a_run_fits_its_schema(visits: tuple[Visit, ...]) -> None:
    document = json.loads(json.dumps(report(*visits).document(), allow_nan=False))
    validator("run").validate(document)
    assert [visit["visit_id"] for visit in document["visits"]] == [str(visit.visit_id) for visit in visits]
    assert document["totals"]["visits"] == len(visits)


def test_a_visit_in_the_document_is_the_visit() -> None:
    (visit,) = report(a_visit(CAMERA.camera_id)).document()["visits"]
    assert (visit["camera"], visit["dwell_s"], visit["age"], visit["age_band"]) == ("door", 3.5, 30.5, "30-39")
    assert (visit["started_at"], visit["ended_at"]) == ("2026-11-21T12:00:00+00:00", "2026-11-21T12:00:03.500000+00:00")


def test_the_document_of_an_analysed_video_fits_its_schema() -> None:
    document = json.loads(json.dumps(video_document(video()), allow_nan=False))
    validator("analyze").validate(document)
    assert [frame["t_s"] for frame in document["frames"]] == pytest.approx([0.2 * n for n in range(6)])
    followed = [face["visit_id"] for frame in document["frames"] for face in frame["faces"]]
    assert followed == [None] + [document["visits"][0]["visit_id"]] * 4


@pytest.mark.parametrize("rejected", [None, *Rejection])
def test_the_document_of_an_analysed_picture_fits_its_schema(rejected: str | None) -> None:
    labels = LABELLED if rejected is None else Fused()
    document = json.loads(json.dumps({"faces": [face_object(face(labels, rejected))]}, allow_nan=False))
    validator("analyze").validate(document)


def _without(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["visits"][0].pop(key)


def _with(key: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["visits"][0].update({key: value})


@pytest.mark.parametrize(
    "spoil",
    [
        _without("age"),
        _without("camera"),
        _with("embedding", [0.1]),
        _with("p_female", 1.2),
        _with("gender", "F"),
        _with("age_band", "35"),
        _with("started_at", "2026-11-21 12:00"),
        _with("visit_id", "7"),
        _with("first_box", [1, 2, 3]),
        lambda document: document["totals"].pop("seconds"),
        lambda document: document["totals"]["rejected"].update(poster=0),
        lambda document: document.update(note=""),
    ],
)
def test_the_schema_of_a_run_refuses_what_is_none(spoil: Callable[[dict[str, Any]], object]) -> None:
    document = report(a_visit(CAMERA.camera_id)).document()
    spoil(document)
    with pytest.raises(jsonschema.ValidationError):
        validator("run").validate(document)


def printed(shown: RunReport) -> str:
    console = Console(file=io.StringIO(), width=160)
    shown.print(console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_people_read_visits_shares_and_totals() -> None:
    text = printed(
        report(a_visit(CAMERA.camera_id), a_visit(CAMERA.camera_id, age_band="20-29", gender="male"), unlabelled(), unlabelled())
    )
    assert "4 visits" in text
    assert "30 (22-41)" in text
    assert text.count("25%") >= 4
    assert "50%" in text
    assert "3 segments, 75 frames decoded, 15 analysed" in text
    assert "faces and frames that were not used: low_score 4" in text
    assert "set aside: checksum 1" in text


def test_a_run_without_visits_prints_no_shares() -> None:
    text = printed(report())
    assert "no visit was counted" in text
    assert "shares" not in text


def test_a_long_table_is_cut_and_says_so() -> None:
    assert "… and 5 more" in printed(report(*(a_visit(CAMERA.camera_id) for _ in range(45))))


def test_a_camera_named_like_markup_is_printed_as_it_is() -> None:
    camera = replace(CAMERA, name="[red]door")
    assert "[red]door" in printed(replace(report(a_visit(CAMERA.camera_id)), cameras=[(camera, "door.mp4")]))
