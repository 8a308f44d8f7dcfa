"""What an evaluation found, as values that are written to JSON and read again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ConfigDict, TypeAdapter, ValidationError

from training.errors import TrainingError
from training.evaluation.intervals import Figure  # noqa: TC001 - pydantic reads the annotations

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """Which class was taken for which, of k classes."""

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]  # (k, k) faces: a row for each true class, a column for each judged one
    mean_probs: tuple[float, ...]  # (k,) what the probabilities, rather than the likeliest classes, say of the shares
    precision: tuple[Figure | None, ...]  # (k,) of the faces judged so, how many are; None: too few faces
    recall: tuple[Figure | None, ...]  # (k,) of the faces that are so, how many are judged so


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The figures of some of the faces."""

    name: str  # "all", "female", "White", "20-29", "32"
    n: int  # faces; crops in `by_quality`
    figures: dict[str, Figure]  # by the names in measures.py; what is not known, or of too few faces, is left out
    confusions: dict[str, Confusion]  # by task


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """The faces of which the likeliest class has a probability between two borders."""

    low: float
    high: float
    n: int
    confidence: float  # its mean probability
    accuracy: float  # the share that it is right of


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """How far the probability of the likeliest class is the share that it is right of (Guo et al., 2017)."""

    bins: tuple[Bin, ...]
    ece: Figure  # expected calibration error
    ece_by_chance: float  # what it would be on average for so many faces if the probabilities were exactly right
    nll: Figure  # nats a face


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The reliability of one task's head as it is, and with its temperature."""

    temperature: float
    fitted: bool  # on the faces of this report, by their likelihood; else it was given
    before: Reliability
    after: Reliability


@dataclass(frozen=True, slots=True, kw_only=True)
class Density:
    """How many faces of each labelled age were estimated at which age."""

    exact: bool  # whether labels are years; else bands
    true_edges: tuple[int, ...]  # years, one more than rows
    estimated_edges: tuple[int, ...]  # years, one more than columns
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One model on one data set."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    model: str
    sha256: str  # of the ONNX file
    crop_recipe: str
    dataset: str
    part: str  # "validation", "all"
    keys_sha256: str  # of the faces' sorted keys: reports with the same one are of the same faces
    knows_age: bool
    knows_gender: bool
    overall: Section
    by_gender: tuple[Section, ...]  # as labelled
    by_group: tuple[Section, ...]  # race labels of the data set
    by_age: tuple[Section, ...]  # the nine bands, as labelled
    by_size: tuple[Section, ...]  # all faces, made small (small.py)
    by_pose: tuple[Section, ...]  # by that factor of the crop's quality (pipeline/stages/choose.py), of faces as they are
    by_sharpness: tuple[Section, ...]  # likewise, of all faces
    by_quality: tuple[Section, ...]  # by the crop's quality, of faces at all sizes; pose and quality are of faces that the detector found
    calibrations: dict[str, Calibration]  # by task
    density: Density | None
    tempered: bool = False  # whether the file divides by temperatures that were fitted on validation faces

    def save(self, path: Path) -> None:
        """Write it as JSON, a line for each field and section."""
        document = _REPORT.dump_python(self, mode="json")
        path.write_text("{\n" + ",\n".join(f"{json.dumps(name)}: {_lines(value)}" for name, value in document.items()) + "\n}\n", "utf-8")


def load_report(path: Path) -> Report:
    """Read what `Report.save` wrote.

    Raises:
        TrainingError: It cannot be read, or is no report.
    """
    try:
        return _REPORT.validate_json(path.read_bytes())
    except OSError as error:
        raise TrainingError(f"the report {path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise TrainingError(f"{path} is no report of an evaluation: {where}: {first['msg']}; evaluate the model again") from None


def _lines(value: object) -> str:
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(f" {json.dumps(each)}" for each in value) + "\n]"
    return json.dumps(value)


_REPORT = TypeAdapter(Report)
