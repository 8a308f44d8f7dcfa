"""Each visit names the versions of the model that judged it, also where one was replaced while the face was in view."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engine import Engine
from pipeline.settings import Settings
from pipeline.stages.fuse import add
from pipeline.types import FuseSums, StoredRecord
from tests.people import HueClassifier, HueDetector, Person, records, segments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.types import Attributes, CameraState, Record, UInt8, Visit

CAMERA = UUID(int=1)
OLD, NEW = "faces:1/tight-1", "faces:2/tight-1"


@dataclass
class ReplacedModel:
    """A `Classifier` whose version is set from outside; it notes who answered for whom."""

    name: str = OLD
    judged: list[tuple[int, str]] = field(default_factory=list)  # hue and version, crop by crop

    def classify(self, crops: UInt8) -> Attributes:
        self.judged += [(int(crop.reshape(-1, 3).mean(axis=0).argmax()), self.name) for crop in crops]
        return replace(HueClassifier().classify(crops), model=self.name)

    def versions_of(self, hue: int) -> str:
        return "+".join(dict.fromkeys(version for whose, version in self.judged if whose == hue))


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """Eight seconds: the green one stays from the first to the last, the red one passes early, the blue one late."""
    people = [
        Person(hue=0, from_frame=3, to_frame=25, x=10, speed=4),
        Person(hue=1, from_frame=1, to_frame=78, x=120, y=150, speed=0),
        Person(hue=2, from_frame=50, to_frame=75, x=230, y=20, speed=-4),
    ]
    return records(segments(tmp_path_factory.mktemp("street") / "street.mp4", people, 80, CAMERA))


def visits(taken: Sequence[Record], model: ReplacedModel, replaced_at: int) -> dict[int, Visit]:
    """Analyse record by record, the model replaced before one of them; return each hue's visit."""
    engine = Engine(HueDetector(), Settings())
    states: Mapping[UUID, CameraState] = {}
    found: dict[int, Visit] = {}
    for offset, record in enumerate(taken):
        if offset == replaced_at:
            model.name = NEW
        seen = engine.observe(states, [StoredRecord(partition=0, offset=offset, record=record)])
        conclusion = engine.conclude(seen, model.classify(seen.crops))
        states = conclusion.states
        found |= {HueClassifier.AGES.index(round(visit.age or 0)): visit for visit in conclusion.result.visits}
    return found


def test_a_visit_names_those_that_judged_it(street: list[Record]) -> None:
    named = set()
    for replaced_at in range(len(street) + 1):
        model = ReplacedModel()
        found = visits(street, model, replaced_at)
        assert {hue: visit.model for hue, visit in found.items()} == {hue: model.versions_of(hue) for hue in range(3)}
        named |= {(hue, visit.model) for hue, visit in found.items()}
    assert {(1, OLD), (1, NEW), (1, f"{OLD}+{NEW}"), (0, OLD), (2, NEW)} <= named


@given(st.lists(st.sampled_from([OLD, NEW, "faces:10/tight-1", "faces:12/tight-1"]), max_size=12))
def test_each_version_is_named_once_in_the_order_of_its_first_answer(models: list[str]) -> None:
    sums = FuseSums()
    for model in models:
        sums = add(sums, age_probs=np.eye(101, dtype=np.float32)[30], p_female=0.5, quality=0.5, model=model)
    assert sums.model == "+".join(dict.fromkeys(models))
