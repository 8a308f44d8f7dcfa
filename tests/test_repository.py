"""What is tracked can be given away: no address of a machine or a registry, no lock without hashes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MACHINE_PATH = re.compile(r"(?<![\w.~/-])/(?:root|work|home)/[\w.-]+")
ADDRESS = re.compile(r"--(?:extra-)?index-url|--find-links|pythonhosted|pypi[./]")


def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout: there is no .git to list the tracked files")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_no_tracked_text_names_a_machine_or_a_registry() -> None:
    found = []
    for path in tracked():
        text = path.read_text(encoding="utf-8", errors="ignore")
        if path != Path(__file__) and "\0" not in text:
            found += [f"{path.relative_to(ROOT)}: {match[0]}" for pattern in (MACHINE_PATH, ADDRESS) for match in pattern.finditer(text)]
    assert not found


@pytest.mark.parametrize(("lock", "least"), [("requirements.lock", 30), ("requirements-train.lock", 60), ("services/stack/triton.lock", 6)])
def test_every_locked_package_has_a_version_and_a_hash(lock: str, least: int) -> None:
    entries = re.split(r"\n(?=[a-z0-9])", (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", ""))
    assert len(entries) >= least
    assert all(re.match(r"[\w.-]+==[\w.+-]+ .*--hash=sha256:[0-9a-f]{64}", entry) for entry in entries)


def test_the_lock_holds_each_dependency_that_is_asked_for() -> None:
    asked = set(re.findall(r'^  "([\w.-]+)[><=]', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE))
    assert asked
    assert asked <= names_in(ROOT / "requirements.lock")


def test_what_trains_has_the_same_versions_and_torch() -> None:
    (extra,) = re.findall(r"^train = \[(.*)\]", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    serving, training = (versions_in(ROOT / lock) for lock in ("requirements.lock", "requirements-train.lock"))
    assert set(re.findall(r'"([\w-]+)', extra)) <= {name for name, _ in training}
    shared = {name for name, _ in serving} & {name for name, _ in training}
    assert {each for each in serving if each[0] in shared} == {each for each in training if each[0] in shared}


def names_in(lock: Path) -> set[str]:
    return {name for name, _ in versions_in(lock)}


def versions_in(lock: Path) -> set[tuple[str, str]]:
    return set(re.findall(r"^([\w.-]+)==([\w.+-]+)", lock.read_text(encoding="utf-8"), re.MULTILINE))
