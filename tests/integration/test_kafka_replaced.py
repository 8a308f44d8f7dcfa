"""A real topic is deleted and made anew under a worker, or while none lives: what was open is stored, and the new one is worked."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from pipeline.adapters.postgres.deadletters import Which
from pipeline.engine import Engine
from pipeline.reopening import reopening
from pipeline.settings import Settings
from services.brain import Brain
from services.deadletters import Place, open_desk
from services.positions import showing_positions
from services.topics import apply_topics
from services.wiring import Told, open_column, open_place, open_worker
from tests.contract.samples import query
from tests.people import HueClassifier, HueDetector, Person, records, segments
from tests.servers.topics import delete, deleted
from tests.workbench import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pipeline.adapters.postgres.database import Database
    from pipeline.types import Record
    from services.wiring import Place as ColumnPlace
    from tests.servers.kafka import KafkaCluster

PATIENCE_S = 60
PEOPLE = (Person(hue=0, from_frame=5, to_frame=70, x=10, speed=3), Person(hue=2, from_frame=10, to_frame=70, x=230, y=150, speed=-3))
OLD, NEW = UUID(int=1), UUID(int=2)  # cameras


@dataclass
class Shop:
    """A column on a topic of its own."""

    server: KafkaCluster
    settings: Settings
    database: Database
    place: ColumnPlace
    notices: list[str] = field(default_factory=list)

    def make_anew(self) -> None:
        delete(self.server, self.settings.kafka_topic)
        apply_topics(self.settings)

    def send(self, items: Sequence[Record], partition: int = 0) -> None:
        with open_column(self.place, self.settings, writes_log=True) as column:
            for record in items:
                column.log.append(partition, record)

    @contextmanager
    def worker(self) -> Iterator[None]:
        """Have a worker work meanwhile, as `headcount worker` does."""
        stop = threading.Event()

        def work() -> None:
            with (
                open_column(self.place, self.settings, writes_log=False) as column,
                showing_positions(column),
                open_worker(column, brain, stop, slot="a", told=Told(notice=self.notices.append)) as worker,
            ):
                worker.run()

        brain = Brain(engine=Engine(HueDetector(), self.settings), classifier=HueClassifier())
        with ThreadPoolExecutor(1) as pool:
            working = pool.submit(reopening, work, stop, self.notices.append)
            try:
                yield
            finally:
                stop.set()
            working.result(PATIENCE_S)

    def ask(self, statement: str) -> list[tuple[object, ...]]:
        return [tuple(row) for row in query(self.database, statement)]

    def wait(self, statement: str, expected: Sequence[tuple[object, ...]]) -> None:
        until(lambda: self.ask(statement) == expected)


def until(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not met():
        assert time.monotonic() < deadline, "it never comes"
        time.sleep(0.1)


@pytest.fixture
def shop(kafka_server: KafkaCluster, database: Database, database_url: str, tmp_path: Path) -> Iterator[Shop]:
    settings = Settings(
        data_dir=tmp_path,
        database_url=database_url,
        kafka_bootstrap=kafka_server.bootstrap,
        kafka_topic=f"replaced-{uuid4().hex[:8]}",
        kafka_lag_group=f"lag-{uuid4().hex[:8]}",
        kafka_partitions=2,
        kafka_replication=1,
        commit_segments=2,
        renew_s=0.5,
        lanes=2,
    )
    with (
        deleted(kafka_server, settings.kafka_topic),
        deleted(kafka_server, f"{settings.kafka_topic}-deadletters"),
        open_place(settings, print, kept=True) as place,
    ):
        apply_topics(settings)
        yield Shop(kafka_server, settings, database, place)


def street(folder: Path, camera: UUID) -> list[Record]:
    return records(segments(folder / f"{camera}.mp4", PEOPLE, 80, camera))


POSITIONS = "SELECT next_offset FROM log_partition WHERE partition = 0 ORDER BY log_id"
OPEN = "SELECT partition, camera_id FROM camera_state"
VISITS = "SELECT camera_id, count(*) FROM visit GROUP BY camera_id ORDER BY camera_id"
BOTH = [(OLD, 2), (NEW, 2)]


def test_a_worker_closes_the_old_topic_and_opens_the_new_one(shop: Shop, tmp_path: Path) -> None:
    shop.send(street(tmp_path, OLD)[:2])
    with shop.worker():
        shop.wait(POSITIONS, [(2,)])
        assert shop.ask(OPEN) == [(0, OLD)]
        shop.make_anew()
        shop.wait(VISITS, [(OLD, 2)])
        shop.send(street(tmp_path, NEW))
        shop.wait(POSITIONS, [(2,), (5,)])
    assert shop.ask(VISITS) == BOTH
    assert shop.ask(OPEN) == []
    assert shop.ask("SELECT count(DISTINCT name), count(DISTINCT log_uid) FROM log") == [(1, 2)]
    assert sum("made anew" in notice for notice in shop.notices) == 1


def test_the_next_worker_closes_what_was_replaced_while_none_lived(shop: Shop, tmp_path: Path) -> None:
    shop.send(street(tmp_path, OLD)[:2])
    with shop.worker():
        shop.wait(POSITIONS, [(2,)])
    assert shop.ask(OPEN) == [(0, OLD)]
    shop.make_anew()
    shop.send(street(tmp_path, NEW))
    with shop.worker():
        shop.wait(POSITIONS, [(2,), (5,)])
        shop.wait(VISITS, BOTH)
    assert shop.ask(OPEN) == []


def test_what_cannot_be_used_is_found_by_its_place_and_positions_are_shown(shop: Shop) -> None:
    shop.send([UNREADABLE] * 3, partition=1)
    with shop.worker():
        shop.wait("SELECT next_offset FROM log_partition WHERE partition = 1", [(3,)])
    with open_desk(shop.settings, print) as desk:
        assert desk.newest(Which(), 10, None).counts == {"bad_header": 3}
        assert desk.show(Place(partition=1, offset=2)).kept.record == UNREADABLE
    with shop.worker():
        until(lambda: shown(shop) == {0: 0, 1: 3})


def shown(shop: Shop) -> dict[int, int]:
    admin = shop.server.admin()
    try:
        found = admin.list_group_offsets(shop.settings.kafka_lag_group)[shop.settings.kafka_lag_group]
    finally:
        admin.close()
    return {place.partition: offset.offset for place, offset in found.items()}
