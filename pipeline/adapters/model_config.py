"""What a model's folder in a Triton repository promises: its `config.pbtxt` and its newest version.

Strict: a field that is not understood is refused, for what we skip Triton would serve.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.adapters.pbtxt import Message, parse
from pipeline.errors import ConfigurationError
from pipeline.stages.align import CROP_RECIPE

if TYPE_CHECKING:
    from pathlib import Path

CONFIG_NAME = "config.pbtxt"

_FIELDS = {"name", "backend", "max_batch_size", "input", "output", "instance_group", "dynamic_batching", "parameters"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """An input or output of a model, without its batch dimension."""

    name: str
    data_type: str  # "TYPE_UINT8", "TYPE_FP32"
    dims: tuple[int, ...]


CONTRACT_INPUTS = (Port(name="face", data_type="TYPE_UINT8", dims=(112, 112, 3)),)
CONTRACT_OUTPUTS = (Port(name="age_probs", data_type="TYPE_FP32", dims=(101,)), Port(name="gender_probs", data_type="TYPE_FP32", dims=(2,)))


def model_name(model: str, version: int | str) -> str:
    """Return who judges, as it stands in the visits: the same wherever the model runs."""
    return f"{model}:{version}/{CROP_RECIPE}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """What Triton, the network and we must agree on."""

    name: str
    version: int  # the newest
    max_batch_size: int
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    crop_recipe: str


def read_model_config(repository: Path, model: str) -> ModelConfig:
    """Read a model's production configuration and find its newest version.

    Raises:
        ConfigurationError: There is no such model, or its configuration cannot be used.
    """
    if model not in models(repository):
        there = ", ".join(models(repository)) or "none"
        raise ConfigurationError(f"HEADCOUNT_MODEL: there is no model {model!r} in {repository} (there: {there})")
    try:
        return _config(repository / model)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"the model {model} has no usable {CONFIG_NAME}: {error}") from None


def models(repository: Path) -> tuple[str, ...]:
    """Return the names of the models in a repository, sorted."""
    return tuple(sorted(path.parent.name for path in repository.glob(f"*/{CONFIG_NAME}")))


def _config(folder: Path) -> ModelConfig:
    message = parse((folder / CONFIG_NAME).read_text("utf-8"))
    if unknown := sorted(message.fields.keys() - _FIELDS):
        raise ValueError(f"unknown fields {', '.join(unknown)}")
    if message.text("name") != folder.name:
        raise ValueError(f"it names the model {message.text('name')!r}")
    parameters = {entry.text("key"): entry.messages("value")[0].text("string_value") for entry in message.messages("parameters")}
    max_batch_size = message.number("max_batch_size")
    if max_batch_size < 1 or "crop_recipe" not in parameters:
        raise ValueError("expected a max_batch_size of 1 or more and the parameter crop_recipe")
    return ModelConfig(
        name=folder.name,
        version=_newest_version(folder),
        max_batch_size=max_batch_size,
        inputs=_ports(message, "input"),
        outputs=_ports(message, "output"),
        crop_recipe=parameters["crop_recipe"],
    )


def _ports(message: Message, field: str) -> tuple[Port, ...]:
    return tuple(
        Port(name=port.text("name"), data_type=port.text("data_type"), dims=port.numbers("dims")) for port in message.messages(field)
    )


def _newest_version(folder: Path) -> int:
    versions = [int(path.name) for path in folder.iterdir() if path.is_dir() and path.name.isdecimal()]
    if not versions:
        raise ValueError("expected a folder with a version, such as 1/")
    return max(versions)
