"""How the stack's programs are fetched: once, whole or not at all, and with a clear word where it cannot be."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import ConfigurationError, TransientError
from pipeline.settings import load_settings
from services.stack.programs import KAFKA_VERSION, Programs, programs_of, require_java

if TYPE_CHECKING:
    from pathlib import Path

JAVA_17 = """echo 'openjdk version "17.0.15" 2025-04-15' >&2"""
JAVA_11 = """echo 'openjdk version "11.0.2" 2019-01-15' >&2"""
# Takes the folder from its last argument, as the goal gives it, and writes down that it ran.
MAVEN = """
for last; do :; done
echo jar > "${last#-DoutputDirectory=}/kafka.jar"
echo ran >> "$(dirname "$0")/runs"
"""
MAVEN_FAILS = """
for last; do :; done
echo half > "${last#-DoutputDirectory=}/half.jar"
echo 'Downloading'
echo '[ERROR] Could not transfer artifact from https://user:secret@mirror.example/maven2: Unknown host'
exit 1
"""


class Machine:
    """A folder of programs that stands for what is installed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.told: list[str] = []
        self.programs = Programs(folder / "programs", self.told.append)

    def install(self, name: str, script: str) -> None:
        path = self._folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    @property
    def maven_runs(self) -> int:
        return len((self._folder / "runs").read_text().splitlines())


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    for name in ("dirname", "sh"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    monkeypatch.setenv("PATH", str(tmp_path))
    return Machine(tmp_path)


def test_jars_are_fetched_once_and_announced(machine: Machine) -> None:
    machine.install("java", JAVA_17)
    machine.install("mvn", MAVEN)
    with ThreadPoolExecutor() as pool:
        folders = {future.result() for future in [pool.submit(machine.programs.kafka_jars) for _ in range(4)]}
    (folder,) = folders
    assert (folder.name, (folder / "kafka.jar").read_text()) == (f"kafka-{KAFKA_VERSION}", "jar\n")
    assert machine.maven_runs == 1
    assert machine.told == [f"fetching Kafka {KAFKA_VERSION}, 44 MB, once"]


def test_what_was_fetched_by_half_is_not_taken_for_whole(machine: Machine) -> None:
    machine.install("java", JAVA_17)
    machine.install("mvn", MAVEN_FAILS)
    with pytest.raises(TransientError, match=r"cannot fetch Kafka: \[ERROR\] Could not transfer.*Unknown host") as caught:
        machine.programs.kafka_jars()
    assert "secret" not in str(caught.value)
    machine.install("mvn", MAVEN)
    folder = machine.programs.kafka_jars()
    assert [path.name for path in folder.iterdir()] == ["kafka.jar"]


def test_a_machine_without_java_or_maven_is_told_what_to_install(machine: Machine) -> None:
    with pytest.raises(ConfigurationError, match=r"Java 17, which Kafka needs, is not installed.*apt-get install"):
        machine.programs.kafka_jars()
    machine.install("java", JAVA_17)
    with pytest.raises(ConfigurationError, match=r"Maven, which fetches Kafka, is not installed.*apt-get install"):
        machine.programs.kafka_jars()


def test_a_java_that_is_too_old_is_named(machine: Machine) -> None:
    machine.install("java", JAVA_11)
    with pytest.raises(ConfigurationError, match=r"Kafka needs Java 17 or later, and .*java is 11"):
        require_java()


def test_programs_lie_in_the_data_folder_unless_the_settings_say_where(tmp_path: Path) -> None:
    for settings in (load_settings(data_dir=tmp_path), load_settings(data_dir="/nowhere", programs_dir=tmp_path / "programs")):
        (tmp_path / "programs" / f"kafka-{KAFKA_VERSION}").mkdir(parents=True, exist_ok=True)
        assert programs_of(settings, print).kafka_jars() == tmp_path / "programs" / f"kafka-{KAFKA_VERSION}"
