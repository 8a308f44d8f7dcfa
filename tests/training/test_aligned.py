"""Faces are aligned as they are served, once, and nothing half is ever taken for whole."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from rich.console import Console

from pipeline.adapters.detectors import make_detector
from pipeline.settings import load_settings
from pipeline.stages.align import align
from tests.training.albums import BrightDetector, encoded, picture, write_table, write_zip
from training.aligned import aligned, canvas_of, prepare
from training.datasets import open_dataset
from training.errors import TrainingError
from training.faces import CANVAS_SIDE_PX, MALE, MARGIN_PX
from training.framing import ANYWHERE, CENTRED, TIGHT, locate
from training.left_out import UnusableError
from training.pictures import WholePicture, fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.types import Detections, UInt8
    from training.datasets import Dataset
    from training.faces import Faces

SILENT = Console(file=StringIO())
INNER = slice(MARGIN_PX, -MARGIN_PX)


class CountingDetector(BrightDetector):
    """Counts the pictures that it has seen; at one of them it may be interrupted."""

    def __init__(self, interrupt_at: int = -1) -> None:
        self.seen = 0
        self._interrupt_at = interrupt_at

    def detect(self, picture: UInt8) -> Detections:
        self.seen += 1
        if self.seen == self._interrupt_at:
            raise KeyboardInterrupt
        return super().detect(picture)


def utkface(root: Path, contents: Mapping[str, bytes]) -> Dataset:
    rows = [(name, 20 + number, ("male", "female")[number % 2], "Asian") for number, name in enumerate(contents)]
    write_table(root / "labels.csv", ("file", "age", "gender", "race"), rows)
    write_zip(root / "1.zip", contents)
    return open_dataset("utkface", root)


def canvases_of(faces: Faces) -> UInt8:
    return np.stack([faces.canvases[row] for row in faces.rows])


def pictures(count: int) -> dict[str, bytes]:
    return {f"{number}.png": encoded(picture(number)) for number in range(count)}


def test_faces_are_those_of_the_pictures_with_their_labels(tmp_path: Path) -> None:
    prepared = prepare(utkface(tmp_path, pictures(5)), tmp_path / "cache", SILENT, detector=BrightDetector())
    faces = prepared.faces
    assert faces.keys.tolist() == [f"utkface/{number}.png" for number in range(5)]
    assert faces.age_low.tolist() == faces.age_high.tolist() == [20, 21, 22, 23, 24]
    assert faces.gender[0] == MALE
    assert canvases_of(faces).shape == (5, CANVAS_SIDE_PX, CANVAS_SIDE_PX, 3)
    assert prepared.found.all()
    for number in range(5):
        rgb = picture(number)
        np.testing.assert_array_equal(faces.canvases[number], canvas_of(rgb, TIGHT, BrightDetector())[0])
        np.testing.assert_array_equal(faces.fingerprints[number], fingerprint(rgb))


def test_the_inner_part_of_a_canvas_is_the_crop_that_is_served() -> None:
    rgb, detector = picture(3), BrightDetector()
    place = locate(rgb, TIGHT, detector)
    served = align(WholePicture(rgb), place.xyxy, place.landmarks)
    apart = np.abs(canvas_of(rgb, TIGHT, detector)[0][INNER, INNER].astype(int) - served)
    assert apart.max() <= 4  # places are rounded to a 32nd of a pixel
    assert (apart == 0).mean() > 0.99


def test_a_second_call_reads_what_the_first_has_kept(tmp_path: Path) -> None:
    dataset, detector = utkface(tmp_path, {**pictures(4), "bad.png": b"no picture"}), CountingDetector()
    first = prepare(dataset, tmp_path / "cache", SILENT, detector=detector)
    second = prepare(dataset, tmp_path / "cache", SILENT, detector=detector)
    assert detector.seen == 4
    assert isinstance(second.faces.canvases, np.memmap)
    assert second.left_out == first.left_out
    np.testing.assert_array_equal(canvases_of(second.faces), canvases_of(first.faces))
    for name in ("keys", "rows", "age_low", "gender", "group", "sigma", "person", "fingerprints"):
        np.testing.assert_array_equal(getattr(second.faces, name), getattr(first.faces, name))


def test_other_pictures_or_another_detector_are_prepared_anew(tmp_path: Path) -> None:
    detector, other = CountingDetector(), CountingDetector()
    other.name = "bright-2"
    prepare(utkface(tmp_path, pictures(2)), tmp_path / "cache", SILENT, detector=detector)
    faces = prepare(utkface(tmp_path, pictures(3)), tmp_path / "cache", SILENT, detector=detector).faces
    assert (len(faces), detector.seen) == (3, 5)
    prepare(utkface(tmp_path, pictures(3)), tmp_path / "cache", SILENT, detector=other)
    assert other.seen == 3


def test_an_interrupted_preparation_leaves_nothing_and_begins_anew(tmp_path: Path) -> None:
    dataset = utkface(tmp_path, pictures(5))
    with pytest.raises(KeyboardInterrupt):
        prepare(dataset, tmp_path / "cache", SILENT, detector=CountingDetector(interrupt_at=3))
    assert {path.suffix for path in (tmp_path / "cache").iterdir()} == {".lock"}
    detector = CountingDetector()
    assert len(prepare(dataset, tmp_path / "cache", SILENT, detector=detector).faces) == 5
    assert detector.seen == 5


KILLED = """
import sys
from io import StringIO
from pathlib import Path
from rich.console import Console
from tests.training.albums import BrightDetector
from training.aligned import prepare
from training.datasets import open_dataset

class Slow(BrightDetector):
    def detect(self, picture):
        print("seen", flush=True)
        sys.stdin.readline()
        return super().detect(picture)

prepare(open_dataset("utkface", Path(sys.argv[1])), Path(sys.argv[2]), Console(file=StringIO()), detector=Slow())
"""


def test_a_killed_preparation_begins_anew(tmp_path: Path) -> None:
    dataset = utkface(tmp_path, pictures(3))
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(tmp_path / "cache")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "seen\n"
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "seen\n"
        process.kill()
    assert any(path.suffix == ".part" for path in (tmp_path / "cache").iterdir())
    assert len(prepare(dataset, tmp_path / "cache", SILENT, detector=BrightDetector()).faces) == 3
    assert not any(path.suffix == ".part" for path in (tmp_path / "cache").iterdir())


@pytest.mark.parametrize("ending", ["npy", "npz"])
@pytest.mark.parametrize("harm", ["cut", "gone", "empty"])
def test_a_cache_that_is_damaged_is_made_anew(tmp_path: Path, ending: str, harm: str) -> None:
    dataset = utkface(tmp_path, pictures(3))
    faces = prepare(dataset, tmp_path / "cache", SILENT, detector=BrightDetector()).faces
    whole = canvases_of(faces)
    (path,) = (tmp_path / "cache").glob(f"*.{ending}")
    content = path.read_bytes()
    path.unlink()
    if harm != "gone":
        path.write_bytes(content[: len(content) // 2] if harm == "cut" else b"")
    detector = CountingDetector()
    again = prepare(dataset, tmp_path / "cache", SILENT, detector=detector)
    assert detector.seen == 3
    np.testing.assert_array_equal(canvases_of(again.faces), whole)


def test_two_who_prepare_the_same_do_it_once(tmp_path: Path) -> None:
    dataset, detector = utkface(tmp_path, pictures(3)), CountingDetector()

    class Waiting(CountingDetector):
        def detect(self, picture: UInt8) -> Detections:
            if not self.seen:
                other.start()
                time.sleep(0.3)  # so that the other comes to the lock
            return super().detect(picture)

    first = Waiting()
    other = threading.Thread(target=prepare, args=(dataset, tmp_path / "cache", SILENT), kwargs={"detector": detector})
    prepare(dataset, tmp_path / "cache", SILENT, detector=first)
    other.join()
    assert (first.seen, detector.seen) == (3, 0)


def test_a_picture_that_cannot_be_used_is_named_and_the_others_are_kept(tmp_path: Path) -> None:
    good = encoded(picture(1), ".jpg")
    contents = {"cut.jpg": good[:-2000], "text.png": b"hello", "small.png": encoded(picture(0, 12, (2, 2, 9, 9))), "good.jpg": good}
    prepared = prepare(utkface(tmp_path, contents), tmp_path / "cache", SILENT, detector=BrightDetector())
    assert prepared.faces.keys.tolist() == ["utkface/good.jpg"]
    assert prepared.faces.age_low.tolist() == [23]
    assert prepared.left_out.named == [
        "cut.jpg: damaged picture (OSError)",
        "text.png: not a picture (UnidentifiedImageError)",
        "small.png: too small (12 x 12)",
    ]


def test_each_call_says_in_one_line_what_was_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADCOUNT_DETECTOR", "mtcnn")  # the one that comes with the product
    dataset = utkface(tmp_path, {**pictures(1), **{f"bad-{number}.png": b"hello" for number in range(7)}})
    for _ in range(2):  # aligned, and read from the cache
        said = StringIO()
        assert len(aligned(dataset, tmp_path / "cache", Console(file=said))) == 1
        assert said.getvalue().splitlines() == [
            "utkface: left out: not a picture 7 ("
            + "".join(f"bad-{number}.png: not a picture (UnidentifiedImageError); " for number in range(5))
            + "…); headcount-train prepare utkface ROOT --all-names names all"
        ]


def test_where_nothing_is_left_one_line_says_why(tmp_path: Path) -> None:
    dataset = utkface(tmp_path, {"1.png": b"hello", "2.png": b""})
    with pytest.raises(TrainingError, match=r"^no picture of utkface can be used; left out: not a picture 2$"):
        prepare(dataset, tmp_path / "cache", SILENT, detector=BrightDetector())


def test_a_cache_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(TrainingError, match=r"cache: faces cannot be kept there \(File exists\)$"):
        prepare(utkface(tmp_path / "in", pictures(1)), tmp_path / "cache", SILENT, detector=BrightDetector())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    dataset, detector = utkface(tmp_path, pictures(3)), BrightDetector()
    prepare(dataset, tmp_path / "cache", SILENT, detector=detector)
    (path,) = (tmp_path / "cache").glob("*.npy")
    path.unlink()
    path.with_name(f"{path.name}.part").symlink_to("/dev/full")
    with pytest.raises(TrainingError, match=r"cache: faces cannot be kept there \(No space left on device\)$"):
        prepare(dataset, tmp_path / "cache", SILENT, detector=detector)


def test_a_face_that_fills_its_picture_is_taken_from_the_usual_places_where_none_is_found() -> None:
    rgb = picture(0, 200, (0, 0, 40, 40))  # small, and in a corner
    place = locate(rgb, TIGHT, BrightDetector())
    assert not place.found
    assert place.xyxy.tolist() == [0, 0, 200, 200]
    assert place.landmarks[2].tolist() == pytest.approx([99.4, 101.0])
    with pytest.raises(UnusableError, match="no face found"):
        locate(rgb, CENTRED, BrightDetector())


def test_the_face_in_the_middle_is_meant_or_in_photos_the_largest() -> None:
    rgb = np.maximum(picture(0, 400, (150, 140, 240, 260)), picture(1, 400, (255, 10, 390, 170)))
    assert locate(rgb, CENTRED, BrightDetector()).xyxy == pytest.approx(np.array([150, 140, 240, 260]), abs=2)
    assert locate(rgb, ANYWHERE, BrightDetector()).xyxy == pytest.approx(np.array([255, 10, 390, 170]), abs=2)


@pytest.mark.parametrize("side", [60, 176, 700])
def test_a_face_is_found_where_it_is_in_pictures_of_any_size(side: int) -> None:
    box = (side // 5, side // 5, side * 4 // 5, side * 4 // 5)
    place = locate(picture(0, side, box), TIGHT, BrightDetector())
    assert place.found
    assert place.xyxy == pytest.approx(np.array(box), abs=side / 100)


@pytest.mark.parametrize("size_wh", [(30_000, 16), (16, 30_000)])
@pytest.mark.parametrize("detector", ["bright", "mtcnn"])
def test_a_picture_of_any_shape_gives_a_canvas_or_is_refused(size_wh: tuple[int, int], detector: str) -> None:
    rgb = np.full((size_wh[1], size_wh[0], 3), 30, np.uint8)
    finder = BrightDetector() if detector == "bright" else make_detector(load_settings(detector="mtcnn"), print)
    assert canvas_of(rgb, TIGHT, finder)[0].shape == (CANVAS_SIDE_PX, CANVAS_SIDE_PX, 3)
    with pytest.raises(UnusableError, match="no face found"):
        canvas_of(rgb, CENTRED, finder)


def test_a_face_that_reaches_the_border_is_seen_with_the_border_repeated() -> None:
    place = locate(picture(0, 176, (0, 20, 176, 176)), TIGHT, BrightDetector())
    assert place.found
    assert place.xyxy.tolist() == [-40, 20, 216, 216]
