"""`headcount analyze`: one picture or one video, without a database; what is found is printed and drawn."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from rich import box
from rich.table import Table

from pipeline.adapters.camera import PICTURE_SUFFIXES, read_picture
from pipeline.errors import ConfigurationError
from pipeline.video.picture import to_rgb
from services.annotate import Label, draw, labels_text
from services.draw_video import draw_video
from services.faces import find_faces
from services.follow import follow
from services.progress import RunProgress, shown
from services.report import age_text, counted, gender_text, rounded, visit_object

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console

    from pipeline.settings import Settings
    from pipeline.types import UInt8
    from services.faces import Face
    from services.follow import Followed

_DRAWN_PICTURES = frozenset({".png", ".jpg", ".jpeg"})
_DRAWN_VIDEOS = frozenset({".mp4", ".mkv", ".mov"})


def analyze(path: str, out: Path | None, settings: Settings, console: Console) -> dict[str, Any]:
    """Analyse a picture or a video; print what is found, draw it where `out` is given, and return the JSON document.

    Raises:
        SourceError: It is neither.
        ConfigurationError: `out` cannot be written, or is the source itself.
    """
    is_picture = "://" not in path and Path(path).suffix.lower() in PICTURE_SUFFIXES
    if out is not None:
        _check_out(out, Path(path), _DRAWN_PICTURES if is_picture else _DRAWN_VIDEOS)
    document = _picture(Path(path), out, settings, console) if is_picture else _video(path, out, settings, console)
    if out is not None:
        console.print(f"annotated: {out}", soft_wrap=True, markup=False)
    return document


def write_picture(picture: UInt8, out: Path) -> None:
    """Write (h, w, 3) uint8 RGB; the suffix says as what.

    Raises:
        ConfigurationError: It cannot be written.
    """
    try:
        _, content = cv2.imencode(out.suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        out.write_bytes(content.tobytes())
    except (OSError, cv2.error) as error:
        raise ConfigurationError(f"{out}: cannot be written ({type(error).__name__})") from None


def _check_out(out: Path, path: Path, suffixes: frozenset[str]) -> None:
    """Refuse what could not be written in the end, before the work is done.

    Raises:
        ConfigurationError: It says what to name instead.
    """
    if out.suffix.lower() not in suffixes:
        raise ConfigurationError(f"--out {out}: for this source, name a file that ends with {', '.join(sorted(suffixes))}")
    if not out.parent.is_dir():
        raise ConfigurationError(f"--out {out}: there is no folder {out.parent}")
    if out.exists() and path.exists() and out.samefile(path):
        raise ConfigurationError(f"--out {out}: this is the source itself; name another file")


def _picture(path: Path, out: Path | None, settings: Settings, console: Console) -> dict[str, Any]:
    frame = read_picture(path, settings.max_pixels)
    faces = find_faces(frame, settings, _notices(console))
    console.print(_face_table(faces) if faces else "no face was found")
    if out is not None:
        labels = [Label(xyxy=face.xyxy, text=labels_text(face.labels, n), number=n) for n, face in enumerate(faces, start=1)]
        write_picture(draw(np.ascontiguousarray(to_rgb(frame)), labels), out)
    return {"faces": [face_object(face) for face in faces]}


def _video(path: str, out: Path | None, settings: Settings, console: Console) -> dict[str, Any]:
    progress = RunProgress()
    with shown(progress, console):
        followed = follow(path, settings, _notices(console), progress.own.on_frame)
        if out is not None:
            draw_video(path, followed, out, settings)
    for visit in followed.visits:
        console.print(f"{labels_text(visit, followed.numbers[visit.visit_id])}  {visit.dwell_s:.1f} s", markup=False)
    console.print(counted(len(followed.visits), "visit"))
    return video_document(followed)


def _notices(console: Console) -> Callable[[str], None]:
    return partial(console.print, style="dim", markup=False, soft_wrap=True)


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
    table = Table(title=counted(len(faces), "face"), box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", padding=(0, 1, 0, 0))
    for name in ("#", "box (pixels)", "age (80%)", "band", "gender", "quality", "why not"):
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
        "age": rounded(labels.age),
        "age_low": rounded(labels.age_low),
        "age_high": rounded(labels.age_high),
        "age_band": labels.age_band,
        "p_female": rounded(labels.p_female),
        "gender": labels.gender,
    }
