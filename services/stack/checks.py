"""Asks each part of a stack something real, to know whether it is well."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import TYPE_CHECKING

from pipeline.adapters.kafka.cluster import cluster_of
from pipeline.adapters.kafka.diagnose import look
from pipeline.adapters.postgres.database import Database
from pipeline.adapters.postgres.embedded import KEPT_DATABASE, EmbeddedPostgres
from pipeline.adapters.postgres.migrate import migrate
from pipeline.adapters.postgres.status import PostgresStatus
from pipeline.adapters.triton import TritonClient
from pipeline.adapters.triton.health import check_models, probe
from pipeline.errors import ConfigurationError, LogUnavailableError, TransientError
from services.stack.processes import process

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.settings import Settings
    from services.stack.part import Say
    from services.stack.plan import Plan
    from services.stack.processes import Identity

_LOOK_S = 3.0


class StackDatabase:
    """The stack's database: the embedded one, or the user's own.

    Args:
        settings: Say which.
        notice: Told what the embedded one has to say.
    """

    def __init__(self, settings: Settings, notice: Say) -> None:
        self._settings = settings
        self.server = None if settings.database_url is not None else EmbeddedPostgres(settings.data_dir, notice)

    def check(self) -> None:
        """Ask it something."""
        with closing(Database(self._url(), pool_size=1)) as database, database.transaction():
            pass

    def migrate(self, say: Say) -> None:
        """Bring its tables up to date."""
        say("bringing the tables up to date")
        migrate(self._url())

    def ask(self, holds: Callable[[PostgresStatus], bool]) -> bool:
        """Say whether something holds of the rows."""
        with closing(Database(self._url(), pool_size=1)) as database:
            return holds(PostgresStatus(database, ttl_s=self._settings.claim_ttl_s))

    def _url(self) -> str:
        if self.server is not None:
            return self.server.url(KEPT_DATABASE)
        assert self._settings.database_url is not None
        return self._settings.database_url.get_secret_value()


def check_kafka(plan: Plan) -> None:
    """Ask the brokers what they hold.

    Raises:
        LogUnavailableError: They do not answer, or one of our own says what it should not.
        ConfigurationError: The user's brokers need other settings.
    """
    try:
        look(cluster_of(plan.settings), within_s=_LOOK_S)
    except ConfigurationError as error:
        if plan.own_kafka:  # nobody can have set it wrongly: it is starting, or another program has taken its place
            raise LogUnavailableError(str(error)) from None
        raise


class TritonCheck:
    """Has the loaded models answer. One of our own server whose process has died is loaded anew; others' are left as they are."""

    def __init__(self, plan: Plan) -> None:
        self._own = plan.own_triton
        self._model = plan.settings.model
        self._client = TritonClient(plan.settings.triton_url or "", timeout_s=plan.settings.triton_timeout_s, in_flight=1)

    def __call__(self) -> None:
        """Run an inference.

        Raises:
            TransientError: Something does not answer.
        """
        if not self._own:
            probe(self._client, self._model, "")
            return
        models = check_models(self._client)
        ill = [health for health in models if not health.well]
        if ill:
            raise TransientError(f"model {ill[0].model}, version {ill[0].version}: {ill[0].trouble}")
        if self._model not in {health.model for health in models}:
            raise TransientError(f"the model {self._model} is not loaded")


class WorkerCheck:
    """Sees in the database whether a worker of this very process shows itself: one that was killed seems to live for a while."""

    def __init__(self, database: StackDatabase, leader: Callable[[], Identity | None]) -> None:
        self._database = database
        self._leader = leader

    def __call__(self) -> None:
        """Look.

        Raises:
            TransientError: None shows itself.
        """
        leader = self._leader()
        here = socket.gethostname()
        if leader is None or not self._database.ask(lambda rows: any(_is_in_session(pid, leader.pid) for pid in rows.living_on(here))):
            raise TransientError("no worker shows itself")


def _is_in_session(pid: int, session: int) -> bool:
    found = process(pid)
    return found is not None and found.session == session and not found.has_ended


class IngestCheck:
    """Sees in the database whether a camera is fed, once; then that the process lives is enough."""

    def __init__(self, database: StackDatabase, process: Callable[[], Identity | None]) -> None:
        self._database = database
        self._process = process
        self._seen: Identity | None = None

    def __call__(self) -> None:
        """Look.

        Raises:
            TransientError: It feeds none yet.
        """
        now = self._process()
        if now == self._seen:
            return
        if not self._database.ask(lambda status: status.cameras_fed() > 0):
            raise TransientError("it feeds no camera yet")
        self._seen = now
