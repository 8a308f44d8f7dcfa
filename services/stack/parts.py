"""Makes the parts of a stack: PostgreSQL, Kafka, Triton, the workers and the ingest, in this order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.adapters.kafka.plan import message_max_bytes
from pipeline.errors import TransientError
from pipeline.resources import resource
from services.stack.checks import IngestCheck, StackDatabase, TritonCheck, WorkerCheck, check_kafka
from services.stack.child import Child, Command
from services.stack.kafka import KafkaNode
from services.stack.part import Part
from services.stack.plan import HEADCOUNT, without_settings
from services.stack.postgres import EmbeddedRunner
from services.stack.programs import programs_of
from services.stack.state import INGEST, POSTGRES
from services.stack.triton import TritonServer
from services.topics import apply_topics, require_topics

if TYPE_CHECKING:
    from services.stack.part import Say
    from services.stack.plan import Plan
    from services.stack.state import StackFolder

KAFKA, TRITON, WORKER = "kafka", "triton", "worker"
PARTS = (POSTGRES, KAFKA, TRITON, WORKER, INGEST)
_START_S = 180.0  # on a machine that is busy with other things
_KAFKA_PROPERTIES = {"log.retention.check.interval.ms": "60000"}  # its own five minutes would be much of a short retention


def parts_of(plan: Plan, folder: StackFolder, notice: Say) -> list[Part]:
    """Return the parts in the order in which they are started."""
    database = StackDatabase(plan.settings, notice)
    parts = [_postgres(plan, folder, database), _kafka(plan, folder), _triton(plan, folder), _worker(plan, folder, database)]
    return [*parts, _ingest(plan, folder, database)] if plan.has_sources else parts


def _postgres(plan: Plan, folder: StackFolder, database: StackDatabase) -> Part:
    if database.server is None:
        return Part(name=POSTGRES, check=database.check, settle=database.migrate, address="your own")
    runner = EmbeddedRunner(database.server, plan.settings.data_dir)
    return Part(
        name=POSTGRES,
        runner=runner,
        prepare=runner.prepare,
        check=database.check,
        settle=database.migrate,
        last_words=folder.log(POSTGRES).last_words,
        address="a socket",
    )


def _kafka(plan: Plan, folder: StackFolder) -> Part:
    address = plan.settings.kafka_bootstrap or ""
    if not plan.own_kafka:
        return Part(name=KAFKA, check=lambda: check_kafka(plan), settle=lambda _: require_topics(plan.settings), address=address)
    broker = _Broker(plan, folder)
    return Part(
        name=KAFKA,
        runner=Child(broker.command, folder.log(KAFKA)),
        prepare=broker.prepare,
        check=lambda: check_kafka(plan),
        settle=broker.settle,
        last_words=folder.log(KAFKA).last_words,
        address=address,
        grace_s=_START_S,
    )


def _triton(plan: Plan, folder: StackFolder) -> Part:
    address = plan.settings.triton_url or ""
    if not plan.own_triton:
        return Part(name=TRITON, check=TritonCheck(plan), address=address)
    server = _Models(plan, folder)
    return Part(
        name=TRITON,
        runner=Child(server.command, folder.log(TRITON)),
        prepare=server.prepare,
        check=TritonCheck(plan),
        last_words=folder.log(TRITON).last_words,
        address=address,
    )


def _worker(plan: Plan, folder: StackFolder, database: StackDatabase) -> Part:
    under_ray = ("--address", "local") if plan.settings.ray else ()
    words = (*HEADCOUNT, "worker", "--slot", plan.slot, *under_ray)
    process = Child(lambda: Command(words=words, environment=plan.environment()), folder.log(WORKER))
    return Part(
        name=WORKER,
        needs=(POSTGRES, KAFKA, TRITON),
        runner=process,
        check=WorkerCheck(database, process.identity),
        last_words=folder.log(WORKER).last_words,
        address="under Ray" if plan.settings.ray else "one process",
        grace_s=_START_S,
        stop_s=plan.settings.stop_timeout_s + 10.0,  # the batches in hand, and Ray's own end
    )


def _ingest(plan: Plan, folder: StackFolder, database: StackDatabase) -> Part:
    words = (*HEADCOUNT, "ingest", "--slot", plan.slot, "--from", str(folder.sources))
    process = Child(lambda: Command(words=words, environment=plan.environment()), folder.log(INGEST))
    return Part(
        name=INGEST,
        needs=(POSTGRES, KAFKA),
        runner=process,
        check=IngestCheck(database, process.identity),
        last_words=folder.log(INGEST).last_words,
        address="",
        stop_s=plan.settings.stop_timeout_s + 5.0,  # a spool that is sent
        may_finish=True,
    )


class _Broker:
    """The stack's own Kafka, on the loopback."""

    def __init__(self, plan: Plan, folder: StackFolder) -> None:
        self._plan = plan
        self._folder = folder.path / KAFKA
        self._node: KafkaNode | None = None

    def prepare(self, say: Say) -> None:
        """Fetch the program where it is missing, and write the configuration."""
        settings = self._plan.settings
        jars = programs_of(settings, say).kafka_jars()
        ports = (settings.stack_kafka_port, settings.stack_kafka_controller_port)
        say("writing its configuration")
        self._node = KafkaNode(
            jars=jars,
            folder=self._folder,
            ports=(ports,),
            properties=_KAFKA_PROPERTIES,
            record_max_bytes=message_max_bytes(settings),
        )
        self._node.prepare()

    def command(self) -> Command:
        """Return what runs it."""
        assert self._node is not None
        return Command(words=self._node.command(), environment=without_settings(self._node.environment()))

    def settle(self, say: Say) -> None:
        """Make the topics."""
        say("making the topics")
        differing = apply_topics(self._plan.settings).inspection.differing
        if differing:
            raise TransientError(f"{differing[0].place}: {differing[0].setting} is {differing[0].found}, not {differing[0].wanted}")


class _Models:
    """The stack's own Triton, on the loopback."""

    def __init__(self, plan: Plan, folder: StackFolder) -> None:
        self._plan = plan
        self._folder = folder.path / TRITON
        self._server: TritonServer | None = None

    def prepare(self, say: Say) -> None:
        """Fetch the program where it is missing, and lay out its backends."""
        settings = self._plan.settings
        environment = programs_of(settings, say).triton_environment()
        say("laying out its backends")
        self._server = TritonServer(
            environment_dir=environment,
            folder=self._folder,
            repository=settings.model_repository or resource("triton_models"),
            model=settings.model,
            http_port=settings.stack_triton_http_port,
            grpc_port=settings.stack_triton_grpc_port,
            metrics_port=settings.stack_triton_metrics_port,
        )
        self._server.prepare()

    def command(self) -> Command:
        """Return what runs it."""
        assert self._server is not None
        return Command(words=self._server.command(), environment=without_settings(self._server.environment()))
