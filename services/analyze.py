"""`headcount analyze`: one picture or one video, without a database; what is found is printed and drawn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from rich import box
from rich.table import Table

from pipeline.errors import ConfigurationError
from pipeline.video.picture import to_rgb
from services.annotate import Label, draw, labels_text
from services.draw_video import draw_video
from services.faces import find_faces, read_picture
from services.follow import follow
from services.progress import RunProgress, shown
from services.report import age_text, gender_text, visit_object

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from pipeline.settings import Settings
    from pipeline.types import UInt8
    from services.faces import Face
    from services.follow import Followed

_PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})


def analyze(path: str, out: Path | None, settings: Settings, console: Console) -> dict[str, Any]:
    """Analyse a picture or a video; print what is found, draw it where `out` is given, and return the JSON document.

    Raises:
        SourceError: It is neither.
        ConfigurationError: `out` cannot be written.
    """
    if Path(path).suffix.lower() in _PICTURES:
        return _picture(Path(path), out, settings, console)
    return _video(path, out, settings, console)


def write_picture(picture: UInt8, out: Path) -> None:
    """Write (h, w, 3) uint8 RGB; the suffix says as what.

    Raises:
        ConfigurationError: The folder is missing or the suffix unknown.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        written, content = cv2.imencode(out.suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        if written:
            out.write_bytes(content.tobytes())
            return
    except (OSError, cv2.error):
        pass
    raise ConfigurationError(f"{out}: cannot be written; name a .png or .jpg in a folder that you may write")


def _picture(path: Path, out: Path | None, settings: Settings, console: Console) -> dict[str, Any]:
    frame = read_picture(path, settings)
    faces = find_faces(frame, settings, lambda message: console.print(message, style="dim", markup=False))
    console.print(_face_table(faces))
    if out is not None:
        labels = [Label(xyxy=face.xyxy, text=labels_text(face.labels, n), number=n) for n, face in enumerate(faces, start=1)]
        write_picture(draw(np.ascontiguousarray(to_rgb(frame)), labels), out)
        console.print(f"annotated: {out}", soft_wrap=True)
    return {"faces": [face_object(face) for face in faces]}


def _video(path: str, out: Path | None, settings: Settings, console: Console) -> dict[str, Any]:
    progress = RunProgress()
    with shown(progress, console):
        followed = follow(path, settings, lambda message: console.print(message, style="dim", markup=False), progress.on_frame)
        if out is not None:
            draw_video(path, followed, out, settings)
    for visit in followed.visits:
        console.print(f"{labels_text(visit, followed.numbers[visit.visit_id])}  {visit.dwell_s:.1f} s", markup=False)
    console.print(f"{len(followed.visits)} visits")
    if out is not None:
        console.print(f"annotated: {out}", soft_wrap=True)
    return video_document(followed)


def video_document(followed: Followed) -> dict[str, Any]:
    """Return the JSON document of a video (docs/analyze.schema.json)."""
    frames = [
        {
            "t_s": (trace.captured_us - followed.start_us) / 1e6,
            "faces": [
                {
                    "xyxy": [round(float(value), 1) for value in face_box],
                    "score": round(float(score), 4),
                    "visit_id": None if track is None else str(track.visit_id),
                }
                for face_box, score, track in zip(trace.detections.xyxy, trace.detections.score, trace.tracks, strict=True)
            ],
        }
        for trace in followed.traces
    ]
    visits = [{"number": followed.numbers[visit.visit_id], **visit_object(visit)} for visit in followed.visits]
    return {"visits": visits, "frames": frames}


def _face_table(faces: Sequence[Face]) -> Table:
    table = Table(title=f"{len(faces)} faces", box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", padding=(0, 1, 0, 0))
    for name in ("#", "box (pixels)", "age (80%)", "band", "gender", "quality", "not classified"):
        table.add_column(name, justify="right" if name in {"#", "quality"} else "left", no_wrap=True)
    for number, face in enumerate(faces, start=1):
        table.add_row(
            str(number),
            " ".join(f"{value:.0f}" for value in face.xyxy),
            age_text(face.labels),
            face.labels.age_band,
            gender_text(face.labels),
            f"{face.quality:.2f}",
            face.rejected or "",
        )
    return table


def face_object(face: Face) -> dict[str, Any]:
    """Return a face as it stands in the JSON document of a picture (docs/analyze.schema.json)."""
    labels = face.labels
    return {
        "xyxy": [round(value, 1) for value in face.xyxy],
        "score": round(face.score, 4),
        "quality": round(face.quality, 4),
        "rejected": face.rejected,
        "age": labels.age,
        "age_low": labels.age_low,
        "age_high": labels.age_high,
        "age_band": labels.age_band,
        "p_female": labels.p_female,
        "gender": labels.gender,
    }
