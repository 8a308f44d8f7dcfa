"""What all networks owe the loop and the exporter; that they are the published ones is in test_networks_published.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import pytest
import torch

from training.errors import TrainingError
from training.export import export
from training.golden import parity_crops
from training.networks import open_network
from training.networks.base import AGES, Network, Targets, normalised
from training.recipe import load_recipe, recipe_names

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

SMALL: dict[str, dict[str, Any]] = {
    "dex": {"side_px": 32, "width": 0.125, "dropout": 0.0},
    "face_attributes": {"widths": [16, 16], "blocks": [1, 1], "stem": 16, "dropout": 0.0},
    "generation": {"side_px": 80, "width": 0.1, "dropout": 0.0},
    "googlenet_gender": {"side_px": 80, "width": 0.125},
    "identity": {"people": 2, "width": 0.25, "dropout": 0.0},
    "levi_hassner": {"side_px": 64, "width": 0.25},
    "levi_hassner_modified": {"side_px": 64, "width": 0.25},
}
SIDES_PX = {"face_attributes": 48}
COUNT = 16


def small(name: str) -> Network:
    torch.manual_seed(3)
    return open_network(name, SMALL[name])


def side_px(name: str) -> int:
    return SIDES_PX.get(name, small(name).side_px)


def some_faces(name: str) -> Tensor:
    """Return noise that somebody could learn by heart, (16, 3, side, side)."""
    dice = torch.Generator().manual_seed(5)
    blocks = torch.randint(0, 256, (COUNT, 8, 8, 3), generator=dice, dtype=torch.uint8)
    coarse = torch.nn.functional.interpolate(normalised(blocks), size=(side_px(name),) * 2, mode="bilinear")
    return coarse.contiguous(memory_format=torch.channels_last)


def some_targets() -> Targets:
    """Return the labels of 16 faces: groups and exact ages, both genders, three people."""
    places = torch.arange(COUNT)
    low = torch.tensor([1, 3, 10, 20, 30, 44, 50, 60])[places % 8]
    high = torch.tensor([1, 9, 19, 29, 39, 44, 59, 100])[places % 8]
    return Targets(age_low=low, age_high=high, gender=places // 2 % 2, person=places % 3)


def total(parts: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(parts.values())).sum()


@pytest.fixture(params=sorted(SMALL))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_loss_moves_every_parameter(name: str) -> None:
    network = small(name).train()
    total(dict(network.losses(network(some_faces(name)), some_targets()))).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    still = [label for label, parameter in network.named_parameters() if parameter.grad is None or not parameter.grad.abs().sum() > 0]
    assert not still


def test_answers_are_probabilities(name: str) -> None:
    network = small(name).eval()
    with torch.no_grad():
        answers = network.decode(network(some_faces(name)) * 30)  # ever so sure of itself
    assert answers["age_probs"].shape == (COUNT, AGES)
    assert answers["gender_probs"].shape == (COUNT, 2)
    for probs in answers.values():
        assert (probs >= 0).all()
        torch.testing.assert_close(probs.sum(dim=1), torch.ones(COUNT), atol=1e-5, rtol=0)


def test_sixteen_faces_can_be_learnt_by_heart(name: str) -> None:
    network, faces, targets = small(name), some_faces(name), some_targets()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.001)
    for _ in range(20):
        for _ in range(20):
            optimizer.zero_grad()
            total(dict(network.train().losses(network(faces), targets))).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimizer.step()
        if all(right.all() for right in learnt(answers(network, faces), targets)):
            return
    pytest.fail("not learnt in 400 steps")


@torch.no_grad()
def answers(network: Network, faces: Tensor) -> dict[str, Tensor]:
    """Return what a network answers, without dropout but with the batch's own statistics, which a few steps do not teach."""
    for module in network.eval().modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.train()
    return dict(network.decode(network(faces)))


def learnt(found: dict[str, Tensor], targets: Targets) -> list[Tensor]:
    """Return, for each answer that a network gives rather than leaves even, which faces it is right about."""
    right = []
    if "person_probs" in found:
        right.append(found["person_probs"].argmax(dim=1) == targets.person)
    if np.ptp(found["age_probs"].numpy()) > 0:
        years = torch.arange(AGES)
        near = (years >= targets.age_low[:, None] - 5) & (years <= targets.age_high[:, None] + 5)  # bins are up to so much wider
        right.append((found["age_probs"] * near).sum(dim=1) > 0.5)
    if np.ptp(found["gender_probs"].numpy()) > 0:
        right.append(found["gender_probs"].argmax(dim=1) == targets.gender)
    return right


@pytest.mark.parametrize("name", sorted(SMALL.keys() - {"face_attributes"}))  # test_export.py exports that one
def test_what_is_exported_answers_as_torch_does_at_any_batch(name: str, tmp_path: Path) -> None:
    export(small(name), tmp_path / "model.onnx")  # compares both
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    for count in (1, 5):
        for probs in session.run(None, {"face": parity_crops()[:count]}):
            assert len(probs) == count
            np.testing.assert_allclose(probs.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("recipe_name", recipe_names())
def test_each_recipe_opens_its_network_at_each_of_its_resolutions(recipe_name: str) -> None:
    recipe = load_recipe(recipe_name)
    network = open_network(recipe.network, recipe.options).eval()
    for stage in recipe.stages:
        with torch.no_grad():
            answers = network.decode(network(torch.zeros(2, 3, stage.side_px, stage.side_px)))
        assert answers["age_probs"].shape == (2, AGES)


def test_networks_that_see_one_resolution_are_trained_on_the_one_that_they_are_served_with() -> None:
    for recipe in map(load_recipe, set(recipe_names()) - {"smoke"}):
        assert recipe.stages[-1].side_px == open_network(recipe.network, recipe.options).side_px


@pytest.mark.parametrize(
    ("wanted", "options", "complaint"),
    [
        ("resnet", {}, "there is no network resnet; there are dex, face_attributes, generation"),
        ("dex", {"depth": 3}, "network dex: .*unexpected keyword argument 'depth'"),
        ("levi_hassner", {"side_px": 4}, "network levi_hassner: .*"),
    ],
)
def test_a_network_that_cannot_be_had_is_named_in_one_line(wanted: str, options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(TrainingError, match=complaint) as caught:
        open_network(wanted, options)
    assert "\n" not in str(caught.value)
