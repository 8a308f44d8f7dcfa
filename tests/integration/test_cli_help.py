"""Each command explains itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from services.cli import app

if TYPE_CHECKING:
    from typer import Typer


def commands_of(typer: Typer) -> list[str]:
    return [command.name or command.callback.__name__ for command in typer.registered_commands if command.callback is not None]


COMMANDS = commands_of(app)
GROUPS = [group.name for group in app.registered_groups if group.name]
IN_GROUPS = [
    f"{group.name} {command}" for group in app.registered_groups if group.typer_instance for command in commands_of(group.typer_instance)
]


def test_the_commands_are_these() -> None:
    assert COMMANDS == ["run", "ingest", "worker", "analyze", "status", "sql", "doctor"]


@pytest.mark.parametrize("command", COMMANDS + IN_GROUPS)
def test_a_command_has_help_with_an_example(command: str) -> None:
    shown = CliRunner().invoke(app, [*command.split(), "--help"])
    assert shown.exit_code == 0
    assert f"Example: headcount {command}" in shown.output


def test_without_a_command_there_is_help() -> None:
    shown = CliRunner().invoke(app, [])
    assert all(command in shown.output for command in COMMANDS + GROUPS)


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_of_commands_names_them(group: str) -> None:
    shown = CliRunner().invoke(app, [group, "--help"])
    assert shown.exit_code == 0
    own = [command.removeprefix(f"{group} ") for command in IN_GROUPS if command.startswith(f"{group} ")]
    assert own
    assert all(command in shown.output for command in own)


@pytest.mark.parametrize(
    "arguments",
    [["run"], ["run", "film.mp4", "--demo"], ["run", "--demo", "--pace"], ["ingest"], ["run", "film.mp4", "--fps", "0"], ["nonsense"]],
)
def test_a_wrong_call_exits_with_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, arguments).exit_code == 2
