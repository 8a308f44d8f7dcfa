"""FairFace and UTKFace are read as they are published, and what cannot be used is counted and named."""

from __future__ import annotations

import os
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.training.albums import encoded, picture, write_files, write_table, write_zip
from training.datasets import NAMES, open_dataset
from training.datasets.files import PictureFiles
from training.errors import TrainingError
from training.faces import FEMALE, MALE, Label
from training.left_out import UnusableError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from training.datasets import Dataset

PICTURE = b"loaders do not look into a picture"
OURS = ("file", "age_group", "gender", "race")


def labels_of(dataset: Dataset) -> dict[str, Label]:
    return {one.key: one.label for one in dataset.pictures()}


def fairface(root: Path, rows: Sequence[Sequence[object]], files: Sequence[str] | None = None) -> Dataset:
    write_table(root / "labels.csv", OURS, rows)
    write_zip(root / "train-0.zip", {str(name): PICTURE for name in files or dict.fromkeys(row[0] for row in rows)})
    return open_dataset("fairface", root)


@pytest.mark.parametrize(
    ("group", "interval"),
    [("0-2", (0, 2)), ("3-9", (3, 9)), ("10-19", (10, 19)), ("60-69", (60, 69)), ("more than 70", (70, 100)), ("70+", (70, 100))],
)
def test_an_age_group_is_an_interval(tmp_path: Path, group: str, interval: tuple[int, int]) -> None:
    dataset = fairface(tmp_path, [("1.webp", group, "Female", "Black")])
    assert labels_of(dataset) == {"1.webp": Label(age=interval, gender=FEMALE, group="Black")}
    assert dataset.licence == "CC-BY-4.0"
    assert not dataset.left_out.named


def test_the_authors_own_tables_of_fairface_are_read(tmp_path: Path) -> None:
    columns = ("file", "age", "gender", "race", "service_test")
    write_table(tmp_path / "fairface_label_train.csv", columns, [("train/1.jpg", "50-59", "Male", "East Asian", "True")])
    write_table(tmp_path / "fairface_label_val.csv", columns, [("val/1.jpg", "3-9", "Female", "Indian", "False")])
    members = {f"{part}/1.jpg": encoded(picture(seed), ".jpg") for seed, part in enumerate(("train", "val"))}
    write_files(tmp_path / "fairface-img-margin025-trainval", members)
    train, val = open_dataset("fairface", tmp_path), open_dataset("fairface_val", tmp_path)
    assert labels_of(train) == {"train/1.jpg": Label(age=(50, 59), gender=MALE, group="East Asian")}
    assert labels_of(val) == {"val/1.jpg": Label(age=(3, 9), gender=FEMALE, group="Indian")}
    assert [one.read() for dataset in (train, val) for one in dataset.pictures()] == list(members.values())


def test_faces_to_train_on_are_not_taken_for_the_validation_part(tmp_path: Path) -> None:
    fairface(tmp_path, [("1.webp", "0-2", "Female", "Black")])
    with pytest.raises(TrainingError, match=r"fairface_label_val\.csv cannot be read \(No such file or directory\)$"):
        open_dataset("fairface_val", tmp_path)


def test_a_picture_of_another_part_is_not_taken_for_a_missing_one(tmp_path: Path) -> None:
    rows = [("train/1.jpg", "3-9", "Male", "White"), ("train/2.jpg", "3-9", "Male", "White")]
    write_table(tmp_path / "fairface_label_train.csv", ("file", "age", "gender", "race"), rows)
    write_files(tmp_path, {"train/1.jpg": PICTURE, "val/2.jpg": PICTURE})
    dataset = open_dataset("fairface", tmp_path)
    assert list(labels_of(dataset)) == ["train/1.jpg"]
    assert dataset.left_out.named == ["train/2.jpg: file is missing"]


@pytest.mark.parametrize("loose", [True, False])
def test_pictures_lie_in_zips_or_in_folders(tmp_path: Path, loose: bool) -> None:  # noqa: FBT001 - a case
    write_table(tmp_path / "labels.csv", ("file", "age", "gender", "race"), [("a.png", 25, "female", "Indian")])
    (write_files(tmp_path, {"pictures/a.png": PICTURE}) if loose else write_zip(tmp_path / "all.zip", {"some/folder/a.png": PICTURE}))
    (one,) = open_dataset("utkface", tmp_path).pictures()
    assert one.read() == PICTURE
    assert one.label == Label(age=(25, 25), gender=FEMALE, group="Indian")


def test_the_authors_names_of_utkface_are_read(tmp_path: Path) -> None:
    names = {
        "0_0_4_20170109142408075.jpg.chip.jpg": Label(age=(0, 0), gender=MALE, group="Other"),
        "100_1_2_20170109142408075.jpg": Label(age=(100, 100), gender=FEMALE, group="Asian"),
        "61_1_20170109142408075.jpg.chip.jpg": "name is not [age]_[gender]_[race]_[date]",
        "24_0_1_2_20170116220224657.jpg": "name is not [age]_[gender]_[race]_[date]",
        "53__0_20170116184028385.jpg": "unknown gender ('')",
        "53_2_0_20170116184028385.jpg": "unknown gender ('2')",
        "53_1_5_20170116184028385.jpg": "unknown race label ('5')",
        "101_1_0_20170116184028385.jpg": "age outside 0..100 (101)",
        "-1_1_0_20170116184028385.jpg": "unknown age ('-1')",
        "²_1_0_20170116184028385.jpg": "unknown age ('²')",
    }
    dataset = open_dataset("utkface", write_files(tmp_path, dict.fromkeys(names, PICTURE)))
    assert labels_of(dataset) == {name: said for name, said in names.items() if isinstance(said, Label)}
    assert sorted(dataset.left_out.named) == sorted(f"{name}: {said}" for name, said in names.items() if isinstance(said, str))
    assert dataset.left_out.reasons["unknown gender"] == 2


def test_rows_that_say_too_little_or_what_cannot_be_are_named(tmp_path: Path) -> None:
    rows = [
        ("1.png", "20-29", "male", "White"),
        ("2.png", "20-30", "male", "White"),
        ("3.png", "20-29", "x", "White"),
        ("4.png", "20-29"),
        ("", "20-29", "male", "White"),
        ("../../secret.png", "20-29", "male", "White"),
    ]
    dataset = fairface(tmp_path / "in", rows, ["1.png", "2.png", "3.png", "4.png"])
    write_files(tmp_path, {"secret.png": PICTURE})
    assert list(labels_of(dataset)) == ["1.png"]
    assert dataset.left_out.named == [
        "2.png: unknown age group ('20-30')",
        "3.png: unknown gender ('x')",
        "4.png: incomplete row",
        ": file is missing",
        "../../secret.png: file is missing",
    ]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("x" * 100_000 + ".png", "20-29", "male", "White"), f"{'x' * 299}…"),
        (("a\nb.png", "20-29", "male", "White"), "a\ufffdb.png: name is too long or not printable (7 characters)"),
        (("2.png", "20-29", "male", "x" * 100_000), f"2.png: unknown race label ('{'x' * 271}…"),
        (("2.png", "20-29", "male", "White | 99%"), "2.png: unknown race label ('White | 99%')"),
        (("2.png", "20-29", "male", "White\n## All"), "2.png: unknown race label ('White\\n## All')"),
    ],
)
def test_a_cell_that_would_swell_an_array_or_break_a_table_costs_its_row(tmp_path: Path, row: tuple[str, ...], said: str) -> None:
    dataset = fairface(tmp_path, [("1.png", "20-29", "male", "White"), row], ["1.png", "2.png"])
    assert list(labels_of(dataset)) == ["1.png"]
    assert dataset.left_out.named == [said]


def test_a_file_with_two_rows_counts_once_where_they_agree_and_not_at_all_where_not(tmp_path: Path) -> None:
    twice = ("1.png", "20-29", "male", "White")
    rows = [twice, twice, ("2.png", "20-29", "male", "White"), ("2.png", "20-29", "female", "White")]
    rows += [("3.png", "0-2", "male", "White"), ("3.png", "0-2", "?", "White"), ("4.png", "0-2", "male", "Black")]
    dataset = fairface(tmp_path, rows)
    assert list(labels_of(dataset)) == ["1.png", "4.png"]
    assert dataset.left_out.reasons == {"listed twice": 4, "unknown gender": 1}
    assert len(labels_of(dataset)) + dataset.left_out.reasons.total() == len(rows)


def test_a_name_that_several_files_have_is_not_guessed_at(tmp_path: Path) -> None:
    write_table(tmp_path / "labels.csv", OURS, [("1.png", "0-2", "male", "White"), ("2.png", "0-2", "male", "White")])
    write_zip(tmp_path / "a.zip", {"1.png": PICTURE, "2.png": PICTURE})
    write_zip(tmp_path / "b.zip", {"1.png": PICTURE})
    dataset = open_dataset("fairface", tmp_path)
    assert list(labels_of(dataset)) == ["2.png"]
    assert dataset.left_out.named == ["1.png: several files of that name (1.png, 1.png)"]


def test_a_truncated_zip_costs_only_its_pictures(tmp_path: Path) -> None:
    whole = write_zip(tmp_path / "whole.zip", {"1.png": PICTURE})
    (tmp_path / "cut.zip").write_bytes(write_zip(tmp_path / "2" / "cut.zip", {"2.png": PICTURE}).read_bytes()[:-40])
    (tmp_path / "2" / "cut.zip").unlink()
    write_table(tmp_path / "labels.csv", OURS, [("1.png", "0-2", "male", "White"), ("2.png", "0-2", "male", "White")])
    dataset = open_dataset("fairface", tmp_path)
    assert list(labels_of(dataset)) == ["1.png"]
    assert dataset.left_out.named == ["cut.zip: zip cannot be read (BadZipFile)", "2.png: file is missing"]
    assert whole.exists()


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_that_is_cut_or_changed_anywhere_never_ends_the_reading(tmp_path: Path, packing: int) -> None:
    with zipfile.ZipFile(tmp_path / "1.zip", "w", packing) as archive:
        for name in ("a/1.png", "2.png"):
            archive.writestr(name, PICTURE)
    content = (tmp_path / "1.zip").read_bytes()
    outcomes: set[object] = set()
    for place in range(0, len(content), 2):
        harmed = [content[:place] + bytes([content[place] ^ bits]) + content[place + 1 :] for bits in (0x01, 0xFF)]
        for version in (content[:place], *harmed):
            (tmp_path / "1.zip").write_bytes(version)
            files = PictureFiles(tmp_path)
            for name in ("1.png", "2.png"):
                try:
                    outcomes.add(files.find([name]).read() == PICTURE)
                except UnusableError as error:
                    outcomes.add(error.reason)
    assert outcomes >= {True, "file is missing", "cannot be read"}
    assert False not in outcomes  # a checksum stands over each picture


def test_a_member_that_unpacks_to_very_much_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "1.zip", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("1.png", "w") as member:
        for _ in range(65):
            member.write(bytes(2**20))
    with pytest.raises(UnusableError, match="file is too large"):
        PictureFiles(tmp_path).find(["1.png"]).read()


def test_a_file_that_is_gone_or_closed_to_us_is_named_when_it_is_read(tmp_path: Path) -> None:
    write_files(tmp_path, {"1.png": PICTURE})
    found = PictureFiles(tmp_path).find(["1.png"])
    (tmp_path / "1.png").unlink()
    with pytest.raises(UnusableError, match=r"cannot be read \(FileNotFoundError\)"):
        found.read()


@pytest.mark.timeout(20)  # a pipe that is opened is waited for
@pytest.mark.parametrize("name", ["30_1_0_2.jpg", "pictures.zip"])
@pytest.mark.parametrize("kind", ["pipe", "link to a device"])
def test_what_is_no_regular_file_is_named_and_never_opened(tmp_path: Path, name: str, kind: str) -> None:
    write_files(tmp_path, {"20_1_0_1.jpg": PICTURE})
    os.mkfifo(tmp_path / name) if kind == "pipe" else (tmp_path / name).symlink_to("/dev/zero")
    dataset = open_dataset("utkface", tmp_path)
    assert list(labels_of(dataset)) == ["20_1_0_1.jpg"]
    assert dataset.left_out.named == [f"{name}: not a regular file"]


def test_a_file_that_has_grown_is_read_no_further_than_the_limit(tmp_path: Path) -> None:
    write_files(tmp_path, {"1.png": PICTURE})
    found = PictureFiles(tmp_path).find(["1.png"])
    os.truncate(tmp_path / "1.png", 65 * 2**20)
    with pytest.raises(UnusableError, match="file is too large"):
        found.read()


def test_a_link_that_leads_nowhere_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    write_files(tmp_path, {"20_1_0_1.jpg": PICTURE})
    (tmp_path / "30_1_0_2.jpg").symlink_to(tmp_path / "away.jpg")
    dataset = open_dataset("utkface", tmp_path)
    assert list(labels_of(dataset)) == ["20_1_0_1.jpg"]
    assert dataset.left_out.named == ["30_1_0_2.jpg: cannot be read (FileNotFoundError)"]


def test_the_digest_of_the_content_changes_with_labels_and_pictures_only(tmp_path: Path) -> None:
    row = ("1.png", "20-29", "male", "White")
    first = fairface(tmp_path / "a", [row])
    assert fairface(tmp_path / "b", [row]).content == first.content
    assert fairface(tmp_path / "c", [("1.png", "20-29", "female", "White")]).content != first.content
    write_zip(tmp_path / "b" / "train-0.zip", {"1.png": encoded(picture(1))})
    assert open_dataset("fairface", tmp_path / "b").content != first.content


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_that_is_missing_or_empty_is_one_clear_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(TrainingError, match=r"^there is no folder \S+ with \w+ in it$"):
        open_dataset(name, tmp_path / "away")
    with pytest.raises(TrainingError, match=r"^[^\n]+$") as failure:
        open_dataset(name, tmp_path)
    assert str(tmp_path) in str(failure.value)


def test_what_else_makes_a_data_set_unusable_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"^there is no data set fairfaces; there are adience, appa_real, "):
        open_dataset("fairfaces", tmp_path)
    write_table(tmp_path / "labels.csv", OURS[:3], [("1.png", "0-2", "male")])
    with pytest.raises(TrainingError, match=r"expected the columns file, age_group, gender, race; race is missing$"):
        open_dataset("fairface", tmp_path)
    write_table(tmp_path / "labels.csv", OURS, [("1.png", "0-2", "male", "White")])
    with pytest.raises(TrainingError, match=r"no picture of fairface can be used; left out: file is missing 1$"):
        open_dataset("fairface", tmp_path)
    (tmp_path / "labels.csv").write_bytes(b"file,age_group,gender,race\n" + b'"' + b"x" * 200_000)
    with pytest.raises(TrainingError, match="is no table"):
        open_dataset("fairface", tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_is_closed_to_us_is_one_clear_line(tmp_path: Path) -> None:
    write_table(tmp_path / "labels.csv", OURS, [("1.png", "0-2", "male", "White")])
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(TrainingError, match=r"closed cannot be read \(Permission denied\)"):
        open_dataset("fairface", tmp_path)
