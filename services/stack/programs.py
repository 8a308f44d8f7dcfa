"""Fetches the programs of the stack, Kafka's jars and Triton's environment, once; imports settings and errors only."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ConfigurationError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pipeline.settings import Settings

KAFKA_VERSION = "4.3.1"
TRITON_VERSION = "2.51"  # what nvidia-pytriton 0.7.0 carries
HERE = Path(__file__).parent
_JAVA_MAJOR = 17
_FETCH_TIMEOUT_S = 900.0
_JAVA_ADVICE = "Debian, Ubuntu: apt-get install openjdk-17-jre-headless maven"


class Programs:
    """The folder in which the programs lie; several processes may use it at once.

    Args:
        folder: Is made where it is missing.
        notice: Told, in one line, before something is fetched.
    """

    def __init__(self, folder: Path, notice: Callable[[str], None]) -> None:
        self._folder = folder.absolute()
        self._notice = notice

    def kafka_jars(self) -> Path:
        """Return the folder with Kafka's jars, after Maven has fetched them where they were missing.

        Raises:
            ConfigurationError: Java or Maven is missing or too old.
            TransientError: Maven could not fetch them.
        """
        require_java()
        return self._once(f"kafka-{KAFKA_VERSION}", self._fetch_kafka)

    def triton_environment(self) -> Path:
        """Return the virtual environment that holds Triton, after pip has made it where it was missing.

        Raises:
            ConfigurationError: This Python cannot make virtual environments, or Triton has no backend for it.
            TransientError: Pip could not fetch what it needs.
        """
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        locked = hashlib.sha256(_lock().read_bytes()).hexdigest()[:8]  # another lock, or another Python: another environment
        return self._once(f"triton-{TRITON_VERSION}-python{version}-{locked}", self._fetch_triton)

    def _fetch_kafka(self, folder: Path) -> None:
        maven = require_maven()
        self._notice(f"fetching Kafka {KAFKA_VERSION}, 44 MB, once")
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
        self._fetch("Kafka", [maven, "--quiet", "--batch-mode", "--file", str(HERE / "pom.xml"), *goal])

    def _fetch_triton(self, folder: Path) -> None:
        self._notice(f"fetching Triton {TRITON_VERSION}, 97 MB, once")
        made = _run([sys.executable, "-m", "venv", str(folder)])
        if made.returncode:
            raise ConfigurationError(f"{sys.executable} cannot make a virtual environment (Debian, Ubuntu: apt-get install python3-venv)")
        install = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
        self._fetch("Triton", [*install, "--no-deps", "--require-hashes", "--only-binary=:all:", "--requirement", str(_lock())])

    def _fetch(self, name: str, command: Sequence[str]) -> None:
        try:
            ended = _run(command)
        except subprocess.TimeoutExpired:
            raise TransientError(f"{name} was not fetched within {_FETCH_TIMEOUT_S / 60:.0f} minutes; try again") from None
        if ended.returncode:
            log = self._folder / f"{name.lower()}-fetch.log"
            log.write_text(ended.stdout)
            raise TransientError(f"cannot fetch {name}: {_complaint(ended.stdout)}; try again with a network at hand, or see {log}")

    def _once(self, name: str, make: Callable[[Path], None]) -> Path:
        """Make a folder unless it is there; it appears under its name only when it is whole."""
        target = self._folder / name
        if target.is_dir():
            return target
        self._folder.mkdir(parents=True, exist_ok=True)
        with _locked(self._folder / f"{name}.lock"):
            if not target.is_dir():
                fresh = target.with_name(f"{name}.new")
                shutil.rmtree(fresh, ignore_errors=True)
                fresh.mkdir(mode=0o755)
                make(fresh)
                fresh.rename(target)
        return target


def programs_of(settings: Settings, notice: Callable[[str], None]) -> Programs:
    """Return the programs where the settings keep them."""
    return Programs(settings.programs_dir or settings.data_dir / "programs", notice)


def require_maven() -> str:
    """Return the path of Maven.

    Raises:
        ConfigurationError: There is none.
    """
    maven = shutil.which("mvn")
    if maven is None:
        raise ConfigurationError(f"Maven, which fetches Kafka, is not installed ({_JAVA_ADVICE})")
    return maven


def require_java() -> int:
    """Check that a Java runs here that Kafka runs on, and return its major version.

    Raises:
        ConfigurationError: There is none, or it is too old.
    """
    java = shutil.which("java")
    said = _run([java, "-version"]).stdout if java else ""
    found = re.search(r'version "(\d+)', said)
    if found is None:
        raise ConfigurationError(f"Java {_JAVA_MAJOR}, which Kafka needs, is not installed ({_JAVA_ADVICE})")
    if int(found[1]) < _JAVA_MAJOR:
        raise ConfigurationError(f"Kafka needs Java {_JAVA_MAJOR} or later, and {java} is {found[1]} ({_JAVA_ADVICE})")
    return int(found[1])


def _lock() -> Path:
    return HERE / "triton.lock"


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - the programs are Java, Maven and pip
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        timeout=_FETCH_TIMEOUT_S,
    )


def _complaint(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("[ERROR]", "ERROR:"))]
    line = (errors or lines or ["it does not say why"])[0]
    return re.sub(r"\w+://\S+", "<address>", line)[:300]  # an index's address may hold a password


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
