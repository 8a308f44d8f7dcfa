"""Aligns the faces of a data set with the detector and the align stage of the serving path, once: what comes of it is kept."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from rich.markup import escape

from pipeline.adapters.detectors import make_detector
from pipeline.settings import load_settings
from pipeline.stages.align import CROP_RECIPE, align
from pipeline.stages.choose import promised_quality
from training.errors import TrainingError
from training.faces import CANVAS_SIDE_PX, MARGIN_PX, Faces
from training.framing import locate
from training.left_out import LeftOut, UnusableError
from training.pictures import WholePicture, decode, fingerprint
from training.prepared import CanvasFile, Prepared, alone, load, part_path, save
from training.progress import faces_progress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray
    from rich.console import Console

    from pipeline.ports import Detector
    from pipeline.types import Float32, UInt8
    from training.datasets import Dataset
    from training.faces import LabelledPicture, UInt64
    from training.framing import Framing

_VERSION = 2
"""Of everything in training/ that decides what canvases look like, framing.py included: another one prepares anew."""

_NAMED = 5


class _Done(NamedTuple):
    picture: LabelledPicture
    fingerprint: UInt64
    seen: Float32  # (3,)


def aligned(dataset: Dataset, cache: Path, console: Console) -> Faces:
    """Return the aligned faces of a data set, prepared on the first call; one line says what was left out.

    Raises:
        TrainingError: No picture of it can be used, or the cache cannot be written.
    """
    prepared = prepare(dataset, cache, console)
    named = prepared.left_out.named
    if named:
        some = "; ".join(named[:_NAMED]) + ("; …" if len(named) > _NAMED else "")
        line = f"{dataset.name}: left out: {prepared.left_out} ({some}); headcount-train prepare {dataset.name} ROOT --all-names names all"
        console.print(escape(line), soft_wrap=True)
    return prepared.faces


def prepare(dataset: Dataset, cache: Path, console: Console, *, detector: Detector | None = None) -> Prepared:
    """Align the faces of a data set, or read what an earlier call made of it.

    Args:
        dataset: Its pictures are read one after the other.
        cache: A folder; a face needs 61 KiB in it. A preparation that was interrupted begins anew.
        console: Shows how far it is.
        detector: None: the one of the product's settings (HEADCOUNT_DETECTOR, HEADCOUNT_DETECTOR_MODEL).

    Raises:
        TrainingError: No picture of it can be used, or the cache cannot be written.
    """
    cv2.setNumThreads(1)  # the pictures are too small for more
    detector = detector or make_detector(load_settings(), lambda line: console.print(escape(line), soft_wrap=True))
    what = f"{_VERSION} {CROP_RECIPE} {CANVAS_SIDE_PX} {detector.name} {dataset.content}"
    stem = cache / f"{dataset.name}-{sha256(what.encode()).hexdigest()[:12]}"
    try:
        with alone(stem):
            return load(stem) or _prepare(dataset, stem, console, detector)
    except OSError as error:
        raise TrainingError(f"{cache}: faces cannot be kept there ({error.strerror or error})") from None


def canvas_of(rgb: UInt8, framing: Framing, detector: Detector) -> tuple[UInt8, Float32]:
    """Return the canvas of the face that a picture (h, w, 3) is of, and the factors (3,) of `Faces.seen`.

    Raises:
        UnusableError: There is no face where it should be.
    """
    place = locate(rgb, framing, detector)
    canvas = align(WholePicture(rgb), place.xyxy, place.landmarks, margin_px=MARGIN_PX)
    if not place.found:
        return canvas, np.full(3, np.nan, np.float32)
    promised = promised_quality(place.xyxy, place.landmarks, place.score, (rgb.shape[1], rgb.shape[0]))
    return canvas, np.array([promised.inside, promised.pose, promised.confidence], np.float32)


def _prepare(dataset: Dataset, stem: Path, console: Console, detector: Detector) -> Prepared:
    left_out, done = LeftOut(), list[_Done]()
    part = part_path(stem)
    try:
        with CanvasFile(part) as canvases:
            for picture in _shown(dataset, console):
                try:
                    rgb = decode(picture.read())
                    canvas, seen = canvas_of(rgb, dataset.framing, detector)
                except UnusableError as error:
                    left_out.add(picture.key, error)
                    continue
                canvases.append(canvas)
                done.append(_Done(picture, fingerprint(rgb), seen))
        left_out = dataset.left_out.and_also(left_out)
        if not done:
            raise TrainingError(f"no picture of {dataset.name} can be used; left out: {left_out}")
        return save(stem, part, _columns(dataset.name, done), left_out)
    finally:
        part.unlink(missing_ok=True)


def _shown(dataset: Dataset, console: Console) -> Iterator[LabelledPicture]:
    """Yield the pictures and show how many were taken; nothing is shown where the console is no terminal."""
    with faces_progress(console) as progress:
        yield from progress.track(dataset.pictures(), total=len(dataset), description=f"aligning {dataset.name}")


def _columns(name: str, done: list[_Done]) -> dict[str, NDArray[Any]]:
    """Return everything of the faces but their canvases, by the names of `Prepared` and `Faces`."""
    labels = [one.picture.label for one in done]
    return {
        "keys": np.array([f"{name}/{one.picture.key}" for one in done], np.str_),
        "rows": np.arange(len(done), dtype=np.int64),
        "age_low": np.array([label.age[0] for label in labels], np.int64),
        "age_high": np.array([label.age[1] for label in labels], np.int64),
        "gender": np.array([label.gender for label in labels], np.int64),
        "group": np.array([label.group for label in labels], np.str_),
        "sigma": np.array([np.nan if label.sigma is None else label.sigma for label in labels], np.float32),
        "person": np.array([label.person for label in labels], np.int64),
        "fingerprints": np.stack([one.fingerprint for one in done]),
        "seen": np.stack([one.seen for one in done]),
    }
