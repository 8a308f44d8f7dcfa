"""Runs workers as Ray actors: Ray starts, spreads, watches and restarts them; nothing of a picture passes through it.

The only importer of Ray. Ray reads its environment when it is imported, so it is imported where it is first needed.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import socket
import threading
import time
import traceback
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from pipeline.adapters.ray_folder import RayFolder
from pipeline.errors import ClusterLostError, ConfigurationError, HeadcountError
from pipeline.ports import Absence
from pipeline.vitals import Vitals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pipeline.health import Health

Begin: TypeAlias = "Callable[[threading.Event, Vitals], None]"  # works until the event is set

_OBJECT_STORE_BYTES = 80 * 2**20  # hardly more than Ray's least: only words pass
_STARTS = 3  # a raylet gives up after 15 s without a word of its agents: github.com/ray-project/ray/issues/65983
_PROBE_S = 2.0
_JOIN_S = 10.0
_GONE_S = 5.0  # workers of a Ray that was shut down end by themselves, soon
_POLL_S = 0.1
_LAST_WORDS_S = 1.0  # a worker that fails is heard for so long; with less a broken one would be started again and again, at once


class WorkerActor:
    """A worker in a process of its own. Its thread starts here, because Ray runs a constructor again and nothing else.

    Args:
        begin: A pickled `Begin`: what it needs is imported in the worker's thread, so that the actor answers meanwhile.
    """

    def __init__(self, begin: bytes) -> None:
        self._stop = threading.Event()
        self._vitals = Vitals()
        threading.Thread(target=self._live, args=(begin,), name="worker", daemon=True).start()

    def _live(self, begin: bytes) -> None:
        """Work; the process ends with its work, unless starting it again would not help."""
        try:
            pickle.loads(begin)(self._stop, self._vitals)  # noqa: S301 - the driver's own, over Ray's authenticated channel
        except ConfigurationError as error:
            self._vitals.fail(str(error))
        except BaseException as error:  # noqa: BLE001 - whatever it was: a process without its worker must not look alive
            traceback.print_exc()
            self._vitals.notice(_last_words(error))
            time.sleep(_LAST_WORDS_S)
            os._exit(1)
        else:
            self._vitals.end()

    def health(self) -> Health:
        """Return what the worker has done."""
        return self._vitals.health()

    def stop(self) -> None:
        """Let the worker end after the batches in hand."""
        self._stop.set()


class RayCrew:
    """Implements `pipeline.ports.Crew`.

    Args:
        begin: Given a slot, returns what works in it; pickled on its way to the worker's process.
        address: Of a cluster to join, from one of its nodes; None: a Ray of our own, on this machine's loopback.
        data_dir: Holds the sessions of a Ray of our own, in its folder `ray`.
        workers: At most so many run at once.
    """

    def __init__(self, begin: Callable[[str], Begin], *, address: str | None, data_dir: Path, workers: int) -> None:
        self._begin = begin
        self._address = address
        self._data_dir = data_dir
        self._workers = workers
        self._actors: dict[str, Any] = {}
        self._processes: set[int] = set()  # of the workers, so far
        self._asked: dict[str, Any] = {}  # slot -> the answer that is on its way
        self._doors: list[tuple[socket.AddressFamily, Any]] = []  # where the cluster must listen while it lives
        self._head = ""
        self._stack = ExitStack()
        self._folder: RayFolder | None = None

    def __enter__(self) -> Self:
        try:
            if self._address is None:
                self._folder = self._stack.enter_context(RayFolder(self._data_dir))
            self._connect()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._disconnect()
        deadline = time.monotonic() + _GONE_S
        while self._folder is not None and any(map(_runs, self._processes)) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        self._stack.close()

    @property
    def head(self) -> str:
        """Address of the cluster's head, host:port."""
        return self._head

    def start(self, slot: str) -> None:
        """Start a worker in a slot (see `pipeline.ports.Crew`)."""
        import ray  # noqa: PLC0415 - see above

        self._probe()
        actor = ray.remote(WorkerActor).options(num_cpus=1, max_restarts=-1, max_concurrency=4, scheduling_strategy="SPREAD")
        self._actors[slot] = actor.remote(pickle.dumps(self._begin(slot)))

    def ask(self, timeout_s: float) -> Mapping[str, Health | Absence]:
        """Return each slot's health (see `pipeline.ports.Crew`)."""
        import ray  # noqa: PLC0415 - see above

        self._probe()
        self._asked = {slot: self._asked.get(slot) or actor.health.remote() for slot, actor in self._actors.items()}
        answered, _ = ray.wait(list(self._asked.values()), num_returns=len(self._asked), timeout=timeout_s) if self._asked else ([], [])
        arrived = {slot for slot, answer in self._asked.items() if answer in answered}
        return {slot: self._answer(slot) if slot in arrived else Absence.SILENT for slot in self._actors}

    def _answer(self, slot: str) -> Health | Absence:
        import ray  # noqa: PLC0415 - see above

        try:
            health: Health = ray.get(self._asked.pop(slot))
        except ray.exceptions.ActorDiedError:
            raise ClusterLostError("the Ray cluster has lost its workers") from None
        except ray.exceptions.RayError:
            return Absence.RESTARTING
        self._processes.add(health.pid)
        return health

    def replace(self, slot: str) -> None:
        """End a worker that hangs, and start another one in its slot (see `pipeline.ports.Crew`)."""
        import ray  # noqa: PLC0415 - see above

        self._asked.pop(slot, None)
        with suppress(ray.exceptions.RayError):  # it, or the cluster, has gone meanwhile: the next question tells
            ray.kill(self._actors[slot], no_restart=False)

    def stop(self, slots: Sequence[str], timeout_s: float) -> Mapping[str, Health]:
        """Let workers end in good order (see `pipeline.ports.Crew`)."""
        last: dict[str, Health] = {}
        deadline = time.monotonic() + timeout_s
        with suppress(ClusterLostError):
            while time.monotonic() < deadline and not all(slot in last and last[slot].ended for slot in slots):
                answers = self.ask(_PROBE_S)
                heard = {slot: answer for slot in slots if not isinstance(answer := answers[slot], Absence)}
                for slot, answer in heard.items():
                    if slot not in last or last[slot].incarnation != answer.incarnation:
                        self._actors[slot].stop.remote()  # one that dies meanwhile comes again, and does not know
                last |= heard
                time.sleep(_POLL_S)
        for slot in slots:
            self._end(slot)
        return last

    def _end(self, slot: str) -> None:
        import ray  # noqa: PLC0415 - see above

        self._asked.pop(slot, None)
        with suppress(ray.exceptions.RayError, ValueError):  # of a cluster that is gone
            ray.kill(self._actors.pop(slot), no_restart=True)

    def rebuild(self) -> None:
        """Build the place anew (see `pipeline.ports.Crew`)."""
        self._disconnect()
        self._connect()

    def _connect(self) -> None:
        before = signal.getsignal(signal.SIGTERM)
        try:
            context = self._join() if self._folder is None else self._begin_own(self._folder)
        finally:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, before)  # Ray sets its own
        self._head = context["gcs_address"]
        host, _, port = self._head.rpartition(":")
        self._doors = [(socket.AF_INET, (host, int(port))), (socket.AF_UNIX, context["raylet_socket_name"])]

    def _join(self) -> Mapping[str, str]:
        """Join a cluster that others keep; its operator has said how to authenticate (RAY_AUTH_MODE, RAY_AUTH_TOKEN_PATH)."""
        host, _, port = (self._address or "").rpartition(":")
        if not (host and port.isdecimal()) or "/" in host:
            raise ConfigurationError(f"--address: expected host:port of a Ray cluster's head, or local; got {self._address!r}")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_JOIN_S).close()  # Ray would try for minutes
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or "it does not answer"
            raise ClusterLostError(f"no Ray cluster can be reached at {self._address}: {reason}") from None
        return self._init(address=self._address)

    def _begin_own(self, folder: RayFolder) -> Mapping[str, str]:
        os.environ.update(folder.environment)
        for _ in range(_STARTS - 1):
            with suppress(ClusterLostError):
                return self._start(folder)
        return self._start(folder)

    def _start(self, folder: RayFolder) -> Mapping[str, str]:
        try:
            return self._init(
                address="local",  # else Ray joins the cluster that RAY_ADDRESS names
                num_cpus=self._workers,
                object_store_memory=_OBJECT_STORE_BYTES,
                include_dashboard=False,
                _temp_dir=str(folder.path),
            )
        except ClusterLostError:
            folder.end_processes()
            raise

    def _init(self, **options: Any) -> Mapping[str, str]:  # noqa: ANN401 - Ray's own
        import ray  # noqa: PLC0415 - see above
        from ray._private import worker  # noqa: PLC0415 - as above

        worker._worker_logs_enabled = False  # noqa: SLF001 - else Ray prints to stdout what it knows of deaths, amid our JSON
        try:
            context: Any = ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
        except Exception as error:  # noqa: BLE001 - Ray raises that class itself where a node does not come up in time
            place = f"the Ray cluster at {self._address}" if self._address else "Ray (headcount run --no-ray does without it)"
            raise ClusterLostError(f"{place} cannot be used: {_first_line(error)}") from None
        address_info: Mapping[str, str] = context.address_info
        return address_info

    def _disconnect(self) -> None:
        import ray  # noqa: PLC0415 - see above

        self._doors = []
        self._actors.clear()
        self._asked.clear()
        ray.shutdown()

    def _probe(self) -> None:
        """Knock where the cluster listens: Ray itself takes a quarter of a minute to notice that a raylet is gone, and longer.

        Raises:
            ClusterLostError: Nobody is there.
        """
        if not self._doors:  # a rebuild has failed, and at the first call Ray would begin a cluster of its own, open to everybody
            raise self._gone()
        for family, door in self._doors:
            self._knock(family, door)

    def _knock(self, family: socket.AddressFamily, door: Any) -> None:  # noqa: ANN401 - as the family wants it
        with closing(socket.socket(family, socket.SOCK_STREAM)) as knock:
            knock.settimeout(_PROBE_S)
            try:
                knock.connect(door)
            except TimeoutError:
                return  # busy, not gone
            except OSError:
                raise self._gone() from None

    def _gone(self) -> ClusterLostError:
        at = f" at {self._address}" if self._address else ""
        return ClusterLostError(f"the Ray cluster{at} is gone")


def _last_words(error: BaseException) -> str:
    """Return why a worker ends; of an error that is not ours only its class and place, for its text may hold anything."""
    if isinstance(error, HeadcountError):
        return f"a worker ends: {error}"
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"a worker fails: {type(error).__name__} at {os.path.basename(where.filename)}:{where.lineno}"  # noqa: PTH119 - a name is wanted


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _runs(process: int) -> bool:
    try:
        return bool(Path(f"/proc/{process}/cmdline").read_bytes())  # empty: it has ended, and nobody has asked how
    except OSError:
        return False
