"""A record that kills whoever opens it: the partition goes on without it, and nobody else is blamed.

A death is an exception that nothing catches: what it leaves behind is what stands in the database. `.` is a record, `!` one that kills.
"""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engine import Engine
from pipeline.errors import ConfigurationError, DatabaseUnavailableError, LogUnavailableError
from pipeline.lane import Lane
from pipeline.record import to_record
from pipeline.settings import Settings
from pipeline.turns import Turns
from pipeline.types import Segment, SegmentKind
from tests.clocks import SteppedClock
from tests.fake_database import LANDED, LOST, MemoryClaims, MemoryFacts
from tests.people import HueClassifier, HueDetector
from tests.workbench import Bench, HoledLog

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Iterator

    from pipeline.engine import Take
    from pipeline.types import Attributes, CameraState, Claim, Record, StoredRecord, UInt8

CAMERA = UUID(int=1)
MOST_DEATHS = 6  # three until the lane is careful, three until the record is left alone
BATCH = 4


class DeathError(BaseException):
    """The process is gone."""


class DeadlyEngine(Engine):
    """Dies of some records, and remembers what it has opened."""

    def __init__(self, settings: Settings, deadly: Collection[int]) -> None:
        super().__init__(HueDetector(), settings)
        self.opened: list[int] = []
        self._deadly = deadly

    def _look(self, take: Take, state: CameraState, segment: Segment, stored: StoredRecord) -> CameraState:
        self.opened.append(stored.offset)
        if stored.offset in self._deadly:
            raise DeathError
        return super()._look(take, state, segment, stored)


def garbage(sequence: int, kind: SegmentKind = SegmentKind.GOP) -> Record:
    """Return a record whose video cannot be read: it leaves a dead letter with its offset, whoever opens it."""
    payload = b"no video" if kind is SegmentKind.GOP else b""
    return to_record(Segment(camera_id=CAMERA, session=1, sequence=sequence, kind=kind, captured_us=sequence, payload=payload))


class Scene:
    """A partition, and the processes that die at it one after the other."""

    def __init__(self, log: str, settings: Settings | None = None) -> None:
        self.bench = Bench(settings=settings or Settings(commit_segments=BATCH), log=HoledLog())
        self.deadly = [offset for offset, mark in enumerate(log) if mark == "!"]
        self.engine = DeadlyEngine(self.bench.settings, self.deadly)
        self.incarnations = 0
        self.deaths = 0
        for offset in range(len(log)):
            self.bench.log.append(0, garbage(offset))

    def new_lane(self, slot: str = "a") -> Lane:
        """Start a process in a slot, after the end of all others, and claim the partition."""
        self.bench.database.workers.clear()
        self.incarnations += 1
        worker = f"{slot}:{self.incarnations}"
        self.bench.claims = MemoryClaims(self.bench.database, worker)
        self.bench.facts = MemoryFacts(self.bench.database, worker)
        (claim,) = self.bench.claims.acquire()
        return self.lane_of(claim)

    def lane_of(self, claim: Claim) -> Lane:
        return Lane(claim, replace(self.bench.equipment, engine=self.engine))

    def live(self, lane: Lane) -> bool:
        """Work until there is nothing to do; say whether the process lived."""
        try:
            while lane.has_work():
                lane.work()
        except DeathError:
            self.deaths += 1
            return False
        return True

    def work_to_the_end(self) -> None:
        while not self.live(self.new_lane()):
            assert self.deaths < 100, "the partition never gets on"

    @property
    def killers(self) -> list[int]:
        """Offsets that were set aside unopened, as often as that was written."""
        return [letter.offset for letter in self.bench.database.dead_letters if letter.reason == "killed_worker"]

    @property
    def stored(self) -> list[int]:
        return sorted(letter.offset for letter in self.bench.database.dead_letters)

    @property
    def row(self) -> tuple[int, int | None, int]:
        partition = self.bench.database.partitions[0]
        return partition.crashes, partition.suspect_offset, partition.suspect_count


@pytest.mark.parametrize("log", ["!", "!..", "..!", "......!..", ".......!", "........!........"])
def test_a_record_that_kills_is_left_alone_after_six_deaths(log: str) -> None:
    scene = Scene(log)
    scene.work_to_the_end()
    assert scene.killers == scene.deadly
    assert scene.deaths == MOST_DEATHS
    assert scene.engine.opened.count(scene.deadly[0]) == MOST_DEATHS
    assert scene.stored == list(range(len(log)))
    assert scene.row == (0, None, 0)


def test_deaths_at_a_quiet_partition_say_nothing_about_the_records_that_come_later() -> None:
    scene = Scene("..")
    scene.work_to_the_end()
    for _ in range(5):
        assert scene.live(scene.new_lane())  # and is killed while it waits
    assert scene.row == (0, None, 0)
    assert scene.bench.notices == []


def test_a_careful_lane_that_comes_to_the_end_of_the_log_is_careful_no_more() -> None:
    scene = Scene("..")
    scene.bench.database.partitions[0].crashes = 4
    assert scene.live(scene.new_lane())
    assert scene.row == (0, None, 0)


def test_it_is_said_which_record_and_how_it_came_to_it() -> None:
    scene = Scene(".!.")
    scene.work_to_the_end()
    assert scene.bench.notices == [
        *(f"partition 0: {n} workers in a row died before a commit; its records are opened one by one" for n in (3, 4, 5)),
        "partition 0: 3 workers died of record 1; it is set aside unopened",
    ]


def test_the_header_of_a_record_that_kills_is_read() -> None:
    scene = Scene("!")
    scene.work_to_the_end()
    (letter,) = scene.bench.database.dead_letters
    assert (letter.camera_id, letter.session, letter.sequence, letter.captured_us) == (CAMERA, 1, 0, 0)
    assert [minute for result in scene.bench.database.results for minute in result.coverage] == []


def test_a_repeat_of_it_is_a_repeat() -> None:
    scene = Scene("!")
    scene.bench.log.append(0, garbage(0))
    scene.deadly.append(1)
    scene.work_to_the_end()
    assert (scene.killers, scene.deaths) == ([0], MOST_DEATHS)


def test_records_before_it_cost_no_deaths_of_their_own() -> None:
    """A commit of one record must not end the care: the next batch would die again, and so for each record before the culprit."""
    scene = Scene("...!")
    for _ in range(3):
        assert not scene.live(scene.new_lane())
    lane = scene.new_lane()
    lane.work()
    assert (scene.row, scene.stored) == ((3, None, 0), [0])
    assert not scene.live(lane)
    assert (scene.row, scene.stored) == ((3, 3, 1), [0, 1, 2])


def test_care_ends_after_as_many_records_as_a_batch_holds() -> None:
    scene = Scene("." * 11)
    scene.bench.database.partitions[0].crashes = 3
    lane = scene.new_lane()
    sizes = []
    while lane.has_work():
        before = lane.claim.next_offset
        lane.work()
        sizes.append(lane.claim.next_offset - before)
    assert sizes == [1] * BATCH + [4, 3]
    assert scene.row == (0, None, 0)


def test_two_claims_that_died_are_no_reason_for_care() -> None:
    scene = Scene("." * 4)
    scene.bench.database.partitions[0].crashes = 2
    assert scene.new_lane().work() is not None
    assert scene.bench.database.positions == [4]
    assert scene.row == (0, None, 0)


def test_deaths_between_careful_commits_begin_the_count_anew() -> None:
    """The next claim knows nothing of what the last one has passed: it goes through a whole batch."""
    scene = Scene("." * 9)
    scene.bench.database.partitions[0].crashes = 3
    lane = scene.new_lane()
    for _ in range(BATCH - 1):
        lane.work()
    assert scene.row[0] == 3
    lane = scene.new_lane()
    assert scene.row[0] == 4
    for _ in range(BATCH):
        assert scene.row[0] == 4
        lane.work()
    assert scene.row == (0, None, 0)


@pytest.mark.parametrize("slots", ["ab", "abc"])
def test_workers_of_other_slots_take_over_what_is_known(slots: str) -> None:
    scene = Scene("..!..")
    while scene.deaths < MOST_DEATHS:
        slot = slots[scene.deaths % len(slots)]
        assert not scene.live(scene.new_lane(slot))
    assert scene.live(scene.new_lane("heir"))
    assert (scene.killers, scene.stored) == ([2], [0, 1, 2, 3, 4])


def test_a_release_keeps_what_is_known_and_adds_nothing() -> None:
    scene = Scene(".!.")
    for _ in range(4):
        assert not scene.live(scene.new_lane())
    assert scene.row == (3, 1, 1)
    for _ in range(5):
        lane = scene.new_lane()
        scene.bench.claims.release(lane.claim)
        assert scene.row == (4, 1, 1)
    scene.work_to_the_end()
    assert (scene.killers, scene.deaths) == ([1], MOST_DEATHS)


def test_who_stops_while_the_model_is_away_was_not_killed() -> None:
    """However often: an orderly end is no death, and the record stays."""
    scene = Scene("...")
    scene.bench.database.partitions[0].crashes = 3

    class Away:
        name = "away"

        def classify(self, crops: UInt8) -> Attributes:
            del crops
            scene.bench.stop.set()
            raise DatabaseUnavailableError("the model server does not answer")

    for _ in range(5):
        lane = Lane(scene.new_lane().claim, replace(scene.bench.equipment, engine=scene.engine, classifier=Away()))
        with pytest.raises(DatabaseUnavailableError):
            lane.work()
        assert scene.row == (3, 0, 0)
        scene.bench.claims.release(lane.claim)
    scene.bench.stop.clear()
    scene.work_to_the_end()
    assert (scene.killers, scene.stored) == ([], [0, 1, 2])


class DeadlyClock(SteppedClock):
    """Whoever sleeps for the second time is killed."""

    def __init__(self) -> None:
        super().__init__()
        self._slept = False

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self._slept:
            raise DeathError
        self._slept = True


class AwayClassifier(HueClassifier):
    """A model whose server is away."""

    def classify(self, crops: UInt8) -> Attributes:
        raise LogUnavailableError(f"{len(crops)} crops wait")


@pytest.mark.parametrize("place", ["model", "shelf"])
def test_who_is_killed_while_it_waits_for_a_server_was_not_killed_by_the_record(place: str) -> None:
    """However often: the record was opened, and did not kill."""
    scene = Scene("...")
    scene.bench.database.partitions[0].crashes = 3
    for deaths in range(1, 6):
        claim = scene.new_lane().claim
        equipment = replace(scene.bench.equipment, engine=scene.engine, clock=DeadlyClock())
        if place == "model":
            equipment = replace(equipment, classifier=AwayClassifier())
        else:
            scene.bench.shelf.refusals = deque([LogUnavailableError("away")] * 3)
        assert not scene.live(Lane(claim, equipment))
        assert scene.row == (2 + deaths, 0, 0)
    scene.bench.shelf.refusals.clear()
    scene.work_to_the_end()
    assert (scene.killers, scene.stored) == ([], [0, 1, 2])


def test_a_broken_model_does_not_empty_the_log() -> None:
    scene = Scene("...")
    scene.bench.database.partitions[0].crashes = 3

    class Broken:
        name = "broken"

        def classify(self, crops: UInt8) -> Attributes:
            raise ConfigurationError(f"{len(crops)} NaN")

    for _ in range(5):
        lane = Lane(scene.new_lane().claim, replace(scene.bench.equipment, engine=scene.engine, classifier=Broken()))
        with pytest.raises(ConfigurationError):
            lane.work()
    scene.work_to_the_end()
    assert (scene.killers, scene.stored) == ([], [0, 1, 2])


@pytest.mark.parametrize("fate", [LANDED, LOST])
def test_a_lost_connection_is_no_death(fate: str) -> None:
    scene = Scene("...")
    partition = scene.bench.database.partitions[0]
    partition.crashes, partition.suspect_offset, partition.suspect_count = 5, 0, 2
    lane = scene.new_lane()
    scene.bench.facts.broken = deque([fate] * 4)
    assert scene.live(lane)
    assert (scene.killers, scene.stored) == ([], [0, 1, 2])
    assert partition.crashes == 0  # at the end of the log


def test_records_without_video_are_nobodys_suspects() -> None:
    scene = Scene("")
    scene.bench.database.partitions[0].crashes = 3
    for kind in (SegmentKind.GAP, SegmentKind.END):
        scene.bench.log.append(0, garbage(0, kind))
    lane = scene.new_lane()

    def look(point: str) -> None:
        if point == "before_commit":
            assert scene.row == (3, None, 0)

    scene.bench.on_point = look
    assert scene.live(lane)
    assert scene.bench.points.count("before_commit") == 2


class NotedTurns(Turns):
    """Notes who asked to be alone."""

    def __init__(self) -> None:
        super().__init__()
        self.alone: list[bool] = []

    @contextmanager
    def taken(self, stop: threading.Event, beat: Callable[[], None], *, alone: bool) -> Iterator[bool]:
        self.alone.append(alone)
        with super().taken(stop, beat, alone=alone) as came:
            yield came


def test_a_careful_lane_is_alone_until_its_care_ends() -> None:
    scene = Scene("." * 9)
    scene.bench.database.partitions[0].crashes = 3
    turns = NotedTurns()
    assert scene.live(Lane(scene.new_lane().claim, replace(scene.bench.equipment, turns=turns)))
    assert turns.alone == [True] * BATCH + [False] * 2


def test_a_lane_whose_turn_does_not_come_has_opened_nothing() -> None:
    scene = Scene("..")
    scene.bench.database.partitions[0].crashes = 3
    scene.bench.stop.set()
    lane, equipment = scene.new_lane(), scene.bench.equipment
    lane = Lane(lane.claim, equipment)
    with equipment.turns.taken(scene.bench.stop, lambda: None, alone=False):
        assert lane.work() is None
    assert (scene.engine.opened, scene.row) == ([], (3, None, 0))
    assert scene.stored == []


def kill_somewhere(points: st.SearchStrategy[str]) -> st.SearchStrategy[list[tuple[str, int]]]:
    return st.lists(st.tuples(points, st.integers(1, 6)), max_size=2)


@given(
    log=st.text(".!", max_size=12).filter(lambda text: text.count("!") <= 3),
    kills=kill_somewhere(st.sampled_from(["before_commit", "after_commit"])),
    fates=st.lists(st.sampled_from([None, LANDED, LOST]), max_size=4),
)
def test_whatever_happens_each_record_is_stored_once_and_only_killers_are_blamed(
    log: str, kills: list[tuple[str, int]], fates: list[str | None]
) -> None:
    """Up to two kills from outside, at any point: three at the same record could not be told from a record that kills."""
    scene = Scene(log)
    pending = deque(kills)
    while True:
        lane = scene.new_lane()
        scene.bench.facts.broken = deque(filter(None, fates))
        scene.bench.on_point = killing(*pending.popleft()) if pending else lambda _: None
        if scene.live(lane):
            break
        assert scene.deaths < 50
    assert scene.stored == list(range(len(log)))
    assert scene.killers == scene.deadly
    assert scene.deaths <= MOST_DEATHS * len(scene.deadly) + len(kills)


def killing(point: str, time: int) -> Callable[[str], None]:
    left = time

    def at(name: str) -> None:
        nonlocal left
        left -= name == point
        if left == 0 and name == point:
            raise DeathError

    return at
