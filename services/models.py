"""`headcount models`: which versions Triton serves, and loading a new one while traffic runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pipeline.adapters.triton.contract import known_answers, verify
from pipeline.adapters.triton.control import ModelControl
from pipeline.adapters.triton.health import probe
from pipeline.errors import ConfigurationError, HeadcountError, TransientError
from services.brain import model_repository

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.adapters.golden import Golden
    from pipeline.adapters.triton import TritonClient
    from pipeline.adapters.triton.control import KnownVersion
    from pipeline.settings import Settings

_OLD_AND_NEW = 2  # versions that are served while the new one is tested


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionStatus:
    """One version of a model, as Triton and a test of ours see it."""

    model: str
    version: str
    state: str  # Triton's word; READY is served
    latency_s: float | None  # of one inference of one crop; None: it was not asked, or did not answer
    golden: bool  # its golden picture lies on this machine, and was asked
    trouble: str  # why it cannot judge; empty: it can

    @property
    def served(self) -> bool:
        """Whether Triton answers for it."""
        return self.state == "READY"

    def document(self) -> dict[str, Any]:
        """Return what --json writes."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """What came of loading a model; versions are "" where none was served."""

    model: str
    before: str
    now: str

    def document(self) -> dict[str, Any]:
        """Return what --json writes."""
        return asdict(self)


def versions(client: TritonClient, settings: Settings) -> tuple[VersionStatus, ...]:
    """Return every version that Triton knows of, by model and number; those that are served are tested by real inferences.

    Raises:
        HeadcountError: Triton does not answer, or refuses.
    """
    return tuple(_status(client, known, model_repository(settings)) for known in ModelControl(client).known())


def load(client: TritonClient, model: str, settings: Settings) -> Loading:
    """Load the newest version that lies in Triton's repository, and serve it alone if it passes the test.

    Until then the one before is served beside it. Workers ask for that one by its number as long as it is there, so that
    they meet the new one only after it has passed.

    Raises:
        ConfigurationError: The new version cannot be loaded, or fails the test; the one before goes on serving.
        TransientError: Triton does not answer, or not in time for the test; the one before goes on serving.
    """
    control = ModelControl(client)
    served = control.ready(model)
    if not served:
        return _load_first(client, model, settings)
    before = served[-1]
    try:
        control.load_newest(model, _OLD_AND_NEW)
    except ConfigurationError as error:  # Triton leaves what it serves as it is
        raise _no_new(model, before, error) from None
    now = control.ready(model)[-1]
    try:
        verify(client, model, now, _known(settings, model).get(now))
    except TransientError as error:  # a busy Triton, or a network that its process dies of: nobody can tell now
        _take_back(control, model, before)
        raise TransientError(f"version {now} of {model} could not be tested, {before} goes on: {error}; load it again") from None
    except HeadcountError as error:
        _take_back(control, model, before)
        raise _no_new(model, before, error) from None
    control.load_newest(model, 1)
    return Loading(model=model, before=before, now=now)


def _no_new(model: str, before: str, error: HeadcountError) -> ConfigurationError:
    return ConfigurationError(f"no new version of {model} is served, {before} goes on: {error}; mend its folder or take it away")


def _take_back(control: ModelControl, model: str, before: str) -> None:
    try:
        control.load_only(model, [before])
    except TransientError:
        raise
    except HeadcountError as error:
        raise ConfigurationError(f"neither a new version of {model} nor {before} can be served: {error}") from None


def _load_first(client: TritonClient, model: str, settings: Settings) -> Loading:
    control = ModelControl(client)
    control.load(model)
    now = control.ready(model)[-1]
    try:
        verify(client, model, now, _known(settings, model).get(now))
    except ConfigurationError:
        control.unload(model)
        raise
    return Loading(model=model, before="", now=now)


def _known(settings: Settings, model: str) -> Mapping[str, Golden]:
    return known_answers(model_repository(settings), model)


def _status(client: TritonClient, known: KnownVersion, repository: Path) -> VersionStatus:
    latency_s, golden, trouble = None, False, known.reason.partition("\n")[0]  # a traceback follows: it is in Triton's log
    if known.ready:
        try:
            answers = known_answers(repository, known.model)
            golden = known.version in answers
            verify(client, known.model, known.version, answers.get(known.version))
            latency_s = probe(client, known.model, known.version)
        except HeadcountError as error:
            trouble = str(error)
    return VersionStatus(model=known.model, version=known.version, state=known.state, latency_s=latency_s, golden=golden, trouble=trouble)
