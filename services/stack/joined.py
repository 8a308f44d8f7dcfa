"""The settings of a command that uses the stack that is up: its Kafka, its Triton and its database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import ConfigurationError, HeadcountError
from services.stack.state import EMBEDDED, StackFolder

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.settings import Settings
    from services.stack.state import StackState


class StackLostError(HeadcountError):
    """The stack has ended while a command used it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A stack that is used."""

    settings: Settings
    require_workers: Callable[[], None]  # raises where the stack has ended


def at_stack(settings: Settings) -> Joined:
    """Return what it takes to use the stack of the data folder.

    Raises:
        ConfigurationError: It is not up, or it was started with servers that these settings do not name.
    """
    folder = StackFolder(settings.data_dir)
    state = folder.living()
    if state is None:
        raise ConfigurationError(f"no stack is up in {settings.data_dir}; start it with: headcount stack up")

    def require_workers() -> None:
        if not folder.is_up():
            raise StackLostError("the stack has ended; start it again with: headcount stack up, and run the same command: it goes on")

    return Joined(settings=_joined(settings, state), require_workers=require_workers)


def with_stack(settings: Settings) -> Settings:
    """Return the settings with the servers of the stack, where one is up in the data folder and none are named."""
    state = StackFolder(settings.data_dir).living() if settings.kafka_bootstrap is None else None
    return settings if state is None or not state.own_kafka else _joined(settings, state)


def _joined(settings: Settings, state: StackState) -> Settings:
    _require(settings.database_url is None, state.database == EMBEDDED, "HEADCOUNT_DATABASE_URL")
    _require(settings.kafka_bootstrap is None, state.own_kafka, "HEADCOUNT_KAFKA_BOOTSTRAP")
    _require(settings.triton_url is None, state.own_triton, "HEADCOUNT_TRITON_URL")
    changes: dict[str, object] = {"kafka_bootstrap": state.kafka, "triton_url": state.triton}
    if state.own_kafka:
        changes |= {"kafka_replication": 1, "kafka_tls": False, "kafka_ca_file": None}
    return settings.model_copy(update=changes)


def _require(unset: bool, own: bool, variable: str) -> None:  # noqa: FBT001 - both are facts about one variable
    """Check that a variable is set where the stack was started with it, and only there."""
    if unset and not own:
        raise ConfigurationError(f"the stack was started with {variable}: set it here too")
    if own and not unset:
        raise ConfigurationError(f"the stack was started without {variable}: unset it here, or start the stack with it")
