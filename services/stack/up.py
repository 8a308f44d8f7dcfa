"""`headcount stack up`: starts the supervisor in the background and waits until everything is healthy."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import ConfigurationError, HeadcountError
from pipeline.settings import PREFIX
from services.clock import SystemClock
from services.stack.display import Display
from services.stack.plan import HEADCOUNT, plan_of
from services.stack.sources import file_of
from services.stack.state import INGEST, SUPERVISOR, StackFolder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from pipeline.settings import Settings
    from services.source_list import ListedSource
    from services.stack.state import PartStatus, StackState

_POLL_S = 0.2
_GIVE_UP_FAILURES = 3  # starts of one part that came to nothing
_LAST_LINES = 15


class NotUpError(HeadcountError):
    """The stack does not come up, or not whole."""


class InterruptedUpError(HeadcountError):
    """The user has pressed Ctrl-C before everything was up."""

    exit_code = 130  # as a shell says of SIGINT


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A stack that is up."""

    state: StackState
    before: bool  # it was up already


def bring_up(settings: Settings, sources: Sequence[ListedSource], console: Console) -> Started:
    """Start a supervisor in the background, unless one runs, and wait until all parts are healthy, or only no camera is there.

    Args:
        settings: Of the stack.
        sources: What its ingest feeds, with passwords.
        console: For the progress.

    Raises:
        ConfigurationError: It is up with other sources, a source can never be fed, or the user must change something else.
        NotUpError: A part does not come up; the supervisor goes on trying.
        InterruptedUpError: Ctrl-C was pressed; a supervisor that was started here ends what it has started.
    """
    folder = StackFolder(settings.data_dir)
    before = folder.is_up()
    if before:
        _require_same_sources(folder, sources)
    else:
        _require_usable(settings, sources)
        plan_of(settings, has_sources=bool(sources))  # raises where settings contradict each other
        folder.make()
    with ctrl_c_heard() as interrupted:
        supervisor = None if before else _start(settings, folder, sources)
        return Started(state=wait_until_up(folder, supervisor, console, interrupted), before=before)


@contextmanager
def ctrl_c_heard() -> Iterator[threading.Event]:
    """Note Ctrl-C while the block runs: as an exception in the middle of a start it would lose sight of the supervisor."""
    heard = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: heard.set())
    try:
        yield heard
    finally:
        signal.signal(signal.SIGINT, before)


def _require_same_sources(folder: StackFolder, sources: Sequence[ListedSource]) -> None:
    try:
        differ = bool(sources) and folder.sources.read_bytes() != file_of(sources)
    except FileNotFoundError:  # its supervisor has begun this very instant, or ends
        differ = True
    if differ:
        raise ConfigurationError("the stack is up with other sources: run headcount stack down first")


def _require_usable(settings: Settings, sources: Sequence[ListedSource]) -> None:
    """Check files, folders and the form of addresses before anything starts; cameras are tried when they are fed."""
    if sources:
        from services.feed import FeedOptions, usable_sources  # noqa: PLC0415 - decoders and models take seconds to import

        _, failures = usable_sources(FeedOptions(sources=(), listed=sources), settings)
        if failures:
            raise failures[0]


def _start(settings: Settings, folder: StackFolder, sources: Sequence[ListedSource]) -> subprocess.Popen[bytes]:
    environment = {**os.environ, f"{PREFIX}DATA_DIR": str(settings.data_dir)}
    if settings.database_url is not None:
        environment[f"{PREFIX}DATABASE_URL"] = settings.database_url.get_secret_value()
    log = folder.log(SUPERVISOR)
    log.shorten()
    output = log.open()
    try:
        supervisor = subprocess.Popen(  # noqa: S603 - ourselves
            [*HEADCOUNT, "stack", "up", "--foreground", *(("--from", "/dev/stdin") if sources else ())],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    finally:
        os.close(output)
    assert supervisor.stdin is not None
    with suppress(BrokenPipeError), supervisor.stdin as pipe:  # one that has ended already is seen to have
        pipe.write(file_of(sources))
    return supervisor


def wait_until_up(
    folder: StackFolder, supervisor: subprocess.Popen[bytes] | None, console: Console, interrupted: threading.Event
) -> StackState:
    """Wait until it is up; of a supervisor that was started just now only its own state counts."""
    clock = SystemClock()
    with Display(console, clock) as display:
        while True:
            if interrupted.is_set():
                raise _interrupted(supervisor)
            if supervisor is not None and supervisor.poll() is not None:
                raise _ended(folder, supervisor.returncode)
            if supervisor is None and not folder.is_up():
                raise NotUpError("the stack has ended meanwhile: see headcount stack logs supervisor")
            state = folder.living()
            if state is not None and (supervisor is None or state.supervisor.pid == supervisor.pid):
                display.show(state)
                if is_complete(folder, state):
                    return state
            time.sleep(_POLL_S)


def is_complete(folder: StackFolder, state: StackState) -> bool:
    """Say whether all is well, but for an ingest whose cameras are away: they come back, and the others count meanwhile.

    Raises:
        NotUpError: A part has failed so often, or in such a way, that it is not waited for.
    """
    failing = [part for part in state.parts if part.refused or part.failures >= _GIVE_UP_FAILURES]
    for part in failing:
        if part.refused or part.name != INGEST:
            raise _lame(folder, part)
    return all(part.is_well or part in failing for part in state.parts)


def _interrupted(supervisor: subprocess.Popen[bytes] | None) -> InterruptedUpError:
    if supervisor is None:
        return InterruptedUpError("interrupted; the stack, which was up before, goes on: headcount stack down ends it")
    supervisor.terminate()
    return InterruptedUpError("interrupted; what was started is being stopped")


def _ended(folder: StackFolder, code: int) -> HeadcountError:
    words = folder.log(SUPERVISOR).last_words()
    if code == ConfigurationError.exit_code:
        return ConfigurationError(words)
    return NotUpError(f"the supervisor ended with code {code}: {words}; see headcount stack logs supervisor")


def _lame(folder: StackFolder, part: PartStatus) -> NotUpError:
    lines = [f"  {line}" for line in folder.log(part.name).tail(_LAST_LINES)] if part.own else []
    more = f"headcount stack logs {part.name} shows more, " if part.own else ""
    advice = f"it is tried again and again; {more}headcount stack down ends it"
    return NotUpError("\n".join([f"{part.name} does not come up: {part.error}", *lines, advice]))
