"""What the figures say about where a model may be relied on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from training.evaluation.intervals import Figure
from training.evaluation.report import Report, Section
from training.valid_range import hard_ages, least_pose, least_quality, smallest_face_px, weakest


def section(name: str, gender: float, one_off: float = 0.9) -> Section:
    figures = {"gender_accuracy": gender, "groups_one_off": one_off}
    return Section(
        name=name, n=100, figures={key: Figure(value=value, low=value, high=value, n=100) for key, value in figures.items()}, confusions={}
    )


def report(*sizes: Section, qualities: tuple[Section, ...] = ()) -> Report:
    return Report(
        model="model:1/tight-1",
        sha256="0" * 64,
        crop_recipe="tight-1",
        dataset="fairface",
        part="validation",
        keys_sha256="0" * 64,
        knows_age=True,
        knows_gender=True,
        overall=section("all", 0.95),
        by_gender=(),
        by_group=(),
        by_age=(),
        by_size=sizes,
        by_pose=(),
        by_sharpness=(),
        by_quality=qualities,
        calibrations={},
        density=None,
    )


@pytest.mark.parametrize(
    ("sizes", "smallest"),
    [
        ([("112", 0.95, 0.9), ("64", 0.94, 0.9), ("32", 0.901, 0.86), ("24", 0.89, 0.9)], 32),
        ([("112", 0.95, 0.9), ("64", 0.94, 0.84), ("32", 0.95, 0.9)], 112),  # what comes after a loss does not count
        ([("112", 0.95, 0.9), ("32", 0.95, 0.9), ("64", 0.95, 0.9)], 32),  # whatever their order
    ],
)
def test_faces_may_be_as_small_as_little_is_lost(sizes: list[tuple[str, float, float]], smallest: int) -> None:
    assert smallest_face_px([report(*(section(*size) for size in sizes))]) == smallest


def test_of_too_few_faces_no_size_is_claimed() -> None:
    def few(name: str) -> Section:
        return replace(section(name, 0.9), figures={})

    assert smallest_face_px([report(few("112"), few("24"))]) is None
    assert smallest_face_px([report(few("112"), section("64", 0.95), section("24", 0.95))]) == 24
    assert smallest_face_px([replace(report(section("112", 0.95), section("24", 0.95)), overall=few("all"))]) is None, "no loss can be told"


def test_the_strictest_report_counts() -> None:
    good = report(section("112", 0.95), section("24", 0.95))
    bad = report(section("112", 0.95), section("24", 0.5))
    assert smallest_face_px([good, bad]) == 112
    assert smallest_face_px([report()]) is None


def test_crops_may_be_as_bad_as_little_is_lost() -> None:
    few = Section(name="0.1 to 0.2", n=3, figures={}, confusions={})
    good, worse = section("0.2 to 1", 0.95), section("0.05 to 0.1", 0.91)
    assert least_quality([report(qualities=(section("0 to 0.05", 0.8), worse, few, good))]) == 0.05
    assert least_quality([report(qualities=(few, good)), report(qualities=(worse, good))]) == 0.2, "of few faces nothing is known"
    assert least_quality([report()]) is None


def test_ages_that_are_judged_badly_and_poses_that_are_are_told() -> None:
    found = replace(
        report(),
        by_age=(section("20-29", 0.95, 0.95), section("60-69", 0.95, 0.84), section("70+", 0.95, 0.7)),
        by_pose=(section("0 to 0.1", 0.8), section("0.1 to 0.25", 0.94), section("0.25 to 1", 0.96)),
    )
    assert [each.name for each in hard_ages(found)] == ["60-69", "70+"]
    assert least_pose([found]) == 0.1
    assert least_pose([report()]) is None


def test_the_weakest_of_several_is_named() -> None:
    found = weakest([section("one", 0.9), section("other", 0.8), section("third", 0.85)], "gender_accuracy")
    assert found is not None
    assert (found.name, found.figure.value) == ("other", 0.8)


def test_of_one_nothing_is_the_weakest() -> None:
    few = replace(section("few", 0.1), figures={})
    assert weakest([section("one", 0.9), few], "gender_accuracy") is None
