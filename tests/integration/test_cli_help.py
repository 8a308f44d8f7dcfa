"""Each command explains itself."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from services.cli import app

COMMANDS = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback is not None]


def test_the_commands_are_these() -> None:
    assert COMMANDS == ["run", "ingest", "worker", "analyze", "status", "sql", "doctor"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_help_with_an_example(command: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"])
    assert shown.exit_code == 0
    assert f"Example: headcount {command}" in shown.output


def test_without_a_command_there_is_help() -> None:
    shown = CliRunner().invoke(app, [])
    assert all(command in shown.output for command in COMMANDS)


@pytest.mark.parametrize(
    "arguments",
    [["run"], ["run", "film.mp4", "--demo"], ["run", "--demo", "--pace"], ["ingest"], ["run", "film.mp4", "--fps", "0"], ["nonsense"]],
)
def test_a_wrong_call_exits_with_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, arguments).exit_code == 2
