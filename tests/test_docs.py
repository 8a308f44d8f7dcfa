"""The documentation is complete: what exists is named there, and what is named there exists."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prometheus_client import REGISTRY

from pipeline.settings import PREFIX, Settings

if TYPE_CHECKING:
    from typer.core import TyperCommand as Command

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted(DOCS.rglob("*.md"))]


def named_in(page: str) -> set[str]:
    """Return what a page of docs/ sets in code."""
    return set(re.findall(r"`([^`\n]+)`", (DOCS / page).read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_setting_is_in_the_table_with_its_own_words(name: str) -> None:
    lines = (DOCS / "settings.md").read_text(encoding="utf-8").splitlines()
    (row,) = (line for line in lines if line.startswith(f"| `{PREFIX}{name.upper()}` |"))
    assert row.endswith(f"| {Settings.model_fields[name].description} |")


def test_the_table_of_settings_holds_no_other() -> None:
    documented = {name for name in named_in("settings.md") if name.startswith(PREFIX)}
    assert documented - {f"{PREFIX}CONFIG"} == {PREFIX + name.upper() for name in Settings.model_fields}


def names_in(command: Command) -> set[str]:
    """Return the options of a command, and of a group the names and options of its commands."""
    options = {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
    commands: dict[str, Command] = getattr(command, "commands", {})
    return options.union(commands, *(names_in(sub) for sub in commands.values()))


def test_every_command_is_described_with_its_options() -> None:
    import typer.main  # noqa: PLC0415 - this test alone needs the command line

    from services.cli import app  # noqa: PLC0415 - as above

    command = typer.main.get_command(app)
    options = {name: names_in(sub) for name, sub in getattr(command, "commands", {}).items()}
    sections = dict(
        re.findall(r"^## `headcount (\w+)(.*?)(?=^## |\Z)", (DOCS / "commands.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    )
    assert set(sections) == set(options)
    assert not [f"{name} {option}" for name, named in options.items() for option in named if option not in sections[name]]


def test_every_table_and_view_is_described() -> None:
    from pipeline.adapters.postgres.schema import metadata  # noqa: PLC0415 - this test alone needs the database's client

    migrations = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "migrations").rglob("*.py"))
    views = set(re.findall(r"CREATE (?:OR REPLACE )?VIEW (\w+)", migrations))
    assert views
    assert set(metadata.tables) | views <= named_in("sql.md")


def test_every_metric_is_described() -> None:
    import pipeline.metrics  # noqa: F401, PLC0415 - importing it registers the metrics

    ours = {
        f"{metric.name}_total" if metric.type == "counter" else metric.name
        for metric in REGISTRY.collect()
        if metric.name.startswith("headcount_")
    }
    assert ours
    assert ours == {name for name in named_in("metrics.md") if name.startswith("headcount_")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    paths = re.findall(r"`((?:pipeline|services|tests|docs|migrations|triton_models|adapters)/[\w/.-]*)`", text)
    missing = [path for path in paths if not (ROOT / path).exists() and not (ROOT / "pipeline" / path).exists()]
    assert not missing


def test_the_readme_is_short_and_its_commands_are_what_ci_runs() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 150
    ci = set(re.findall(r"^ *(make [\w-]+)", (ROOT / ".ci/run").read_text(encoding="utf-8"), re.MULTILINE))
    assert ci == {"make servers", "make install-train", "make check", "make test", "make test-train", "make demo"}
    assert all(command in readme for command in ci)


def test_make_lists_each_of_its_targets() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    listed = subprocess.run(["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(phony.split()) == set(re.findall(r"^  make ([\w-]+)", listed, re.MULTILINE))


def test_the_readme_has_no_open_places() -> None:
    assert "<!--" not in (ROOT / "README.md").read_text(encoding="utf-8")
