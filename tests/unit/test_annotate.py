from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stages.fuse import Fused
from services.annotate import Label, draw, labels_text

FEMALE = Fused(age=34.4, age_low=28.0, age_high=41.0, age_band="30-39", band_probs=(), p_female=0.97, gender="female")


@pytest.mark.parametrize(
    ("labels", "number", "text"),
    [
        (FEMALE, 4, "#4 female 0.97, 34 (28-41)"),
        (Fused(age=50.0, age_low=40.0, age_high=60.0, p_female=0.1, gender="male"), 1, "#1 male 0.90, 50 (40-60)"),
        (Fused(age=50.0, age_low=40.0, age_high=60.0, p_female=0.5, gender="unknown"), 1, "#1 unknown, 50 (40-60)"),
        (Fused(), 7, "#7 unknown"),
    ],
)
def test_a_label_says_who_and_how_sure(labels: Fused, number: int, text: str) -> None:
    assert labels_text(labels, number) == text


def test_the_picture_itself_is_left_alone_and_only_the_box_is_drawn() -> None:
    picture = np.zeros((120, 160, 3), np.uint8)
    drawn = draw(picture, [Label(xyxy=(40, 30, 80, 90), text="")])
    assert picture.max() == 0
    rows, columns = np.nonzero(drawn.any(axis=2))
    assert (columns.min(), rows.min(), columns.max(), rows.max()) == pytest.approx((40, 30, 80, 90), abs=2)
    assert drawn[50:70, 50:70].max() == 0


def test_two_tracks_have_two_colours_and_an_uncounted_face_is_gray() -> None:
    picture = np.zeros((120, 160, 3), np.uint8)
    tops = [draw(picture, [Label(xyxy=(40, 30, 80, 90), text="", number=number)])[30, 60] for number in (1, 2, None)]
    assert tops[0].tolist() != tops[1].tolist()
    assert len(set(tops[2].tolist())) == 1


@given(st.tuples(*[st.floats(-500, 500)] * 4), st.text(max_size=30))
def test_what_lies_outside_the_picture_is_drawn_without_fail(xyxy: tuple[float, float, float, float], text: str) -> None:
    picture = np.zeros((60, 80, 3), np.uint8)
    assert draw(picture, [Label(xyxy=xyxy, text=text, number=1)]).shape == picture.shape
