"""The parts that a recipe's data sets become together."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

from rich.console import Console

from tests.training.albums import encoded, picture, write_files, write_table
from training.parts import open_parts

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

COUNT = 40


def test_a_face_is_not_learnt_whose_copy_is_a_validation_face_of_another_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADCOUNT_DETECTOR", "mtcnn")  # the one that comes with the product
    for name, column, age in (("fairface", "age_group", "20-29"), ("utkface", "age", "25")):
        seeds = {f"{name}-{number}.png": number + 1000 * (name == "utkface") for number in range(COUNT)}
        write_table(tmp_path / name / "labels.csv", ("file", column, "gender", "race"), [(file, age, "male", "White") for file in seeds])
        write_files(tmp_path / name, {file: encoded(picture(seed, 64, (8, 8, 56, 56))) for file, seed in seeds.items()})

    def parts(*names: str) -> tuple[set[str], set[str]]:
        train, validation = open_parts(names, tmp_path, tmp_path / "aligned", Console(file=StringIO()))
        return set(train.keys.tolist()), set(validation.keys.tolist())

    fairface, utkface = parts("fairface"), parts("utkface")
    assert parts("fairface", "utkface") == (fairface[0] | utkface[0], fairface[1] | utkface[1])
    copied, learnt = min(fairface[1]), max(utkface[0])
    (tmp_path / learnt).write_bytes((tmp_path / copied).read_bytes())
    train, validation = parts("fairface", "utkface")
    assert train == (fairface[0] | utkface[0]) - {learnt}
    assert copied in validation
