"""A real Triton is killed, stopped, emptied and slowed down under those who ask it."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import psutil
import pytest

from pipeline.adapters.triton import TritonClassifier, TritonClient, known_answers
from pipeline.adapters.triton.control import ModelControl
from pipeline.adapters.triton.failures import AwayError, NotServedError
from pipeline.adapters.triton.health import check_models
from pipeline.errors import TransientError
from pipeline.settings import Settings
from services.brain import expect_classifier
from tests.clocks import RealClock
from tests.contract.classifier import assert_alike, noise
from tests.metered import metered
from tests.processes import living, named
from tests.servers.process import wait_until
from tests.triton_models import MODEL, ModelFolder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.triton import Triton, TritonServers

TIMEOUT_S = 1.0
LANES = 6
IN_FLIGHT = 2
# A deadline each: for a turn, for the look at what is served, and for the answer; and what a busy machine adds.
LONGEST_S = 3 * TIMEOUT_S + 3.0
PATIENCE_S = 20.0
MOST_GROWTH_BYTES = 30 * 2**20


@dataclass(frozen=True)
class Place:
    """A Triton that a test may harm, and one who asks it."""

    triton: Triton
    client: TritonClient
    classifier: TritonClassifier

    def answers(self) -> bool:
        """Say whether a crop is classified now; the answer comes in time, whatever it is."""
        began = time.monotonic()
        try:
            self.classifier.classify(noise(1))
        except TransientError:
            return False
        finally:
            assert time.monotonic() - began < LONGEST_S
        return True

    def recovers(self) -> None:
        wait_until(self.answers, "crops are classified again", patience_s=PATIENCE_S)

    def lane(self, seconds: float) -> int:
        """Try as a lane does, for some time, and return how often there was no answer."""
        failures, until = 0, time.monotonic() + seconds
        while time.monotonic() < until:
            failures += not self.answers()
            time.sleep(0.05)
        return failures

    def stubs(self) -> list[psutil.Process]:
        """Return the processes that run the models."""
        return named(living(psutil.Process(self.triton.process.pid).children(recursive=True)), "triton_python")


@pytest.fixture
def place(triton_servers: TritonServers, server_dir: Path) -> Iterator[Place]:
    folder = ModelFolder.in_repository(Path(mkdtemp(prefix="models-", dir=server_dir)))
    with triton_servers(folder.repository) as triton:
        client = TritonClient(triton.url, timeout_s=TIMEOUT_S, in_flight=IN_FLIGHT)
        classifier = TritonClassifier(client, MODEL, known=known_answers(folder.repository, MODEL), clock=RealClock())
        here = Place(triton, client, classifier)
        here.recovers()
        yield here
        client.close()


def test_a_killed_server_is_asked_until_it_is_back(place: Place) -> None:
    before = place.classifier.classify(noise(3))
    place.triton.process.kill()
    assert not place.answers()
    assert not place.answers()
    assert metered("headcount_triton_breaker", state="open") == 1
    assert place.lane(2.0) > 0
    place.triton.process.start()
    place.recovers()
    assert_alike(place.classifier.classify(noise(3)), before)
    assert metered("headcount_triton_breaker", state="closed") == 1


def test_while_a_server_is_stopped_lanes_do_not_each_wait_and_memory_does_not_grow(place: Place) -> None:
    place.triton.process.pause()
    asked, process = metered("headcount_triton_requests_total", outcome="away"), psutil.Process()
    with ThreadPoolExecutor(LANES) as pool:
        lanes = [pool.submit(place.lane, 2.0) for _ in range(LANES)]
        wait_until(lambda: metered("headcount_triton_requests_in_flight") > 0, "a request is under way", patience_s=2.0)
        assert metered("headcount_triton_requests_in_flight") <= IN_FLIGHT
        for lane in lanes:
            lane.result()
        grown_from = process.memory_info().rss
        failures = sum(pool.map(place.lane, [8.0] * LANES))
        grown = process.memory_info().rss - grown_from
    assert failures > LANES * 20, "most are told at once"
    assert metered("headcount_triton_requests_total", outcome="away") - asked <= LANES + 2 * IN_FLIGHT
    assert metered("headcount_triton_requests_in_flight") == 0
    assert grown < MOST_GROWTH_BYTES
    place.triton.process.resume()
    place.recovers()


def test_a_model_whose_process_was_killed_is_healed_each_time(place: Place) -> None:
    """The second time, too: Triton ignores a load with the configuration that is in force."""
    before = place.classifier.classify(noise(3))
    for _ in range(2):
        stubs = place.stubs()
        assert stubs
        for stub in stubs:
            stub.kill()
        with pytest.raises(AwayError, match=r"not healthy|Deadline"):
            place.classifier.classify(noise(3))
        (health,) = check_models(place.client)
        assert (health.model, health.version, health.well, health.healed) == (MODEL, "1", True, True)
        (health,) = check_models(place.client)
        assert (health.well, health.healed) == (True, False)
        place.recovers()
        assert_alike(place.classifier.classify(noise(3)), before)


def test_a_model_whose_process_hangs_is_healed(place: Place) -> None:
    stubs = place.stubs()
    assert stubs
    for stub in stubs:
        stub.suspend()
    assert not place.answers()
    (health,) = check_models(place.client)
    assert (health.well, health.healed) == (True, True)
    place.recovers()
    for stub in stubs:
        os.kill(stub.pid, signal.SIGCONT)


def test_the_health_of_a_server_that_is_gone_is_that_it_is_away(place: Place) -> None:
    place.triton.process.kill()
    with pytest.raises(AwayError):
        check_models(place.client)


def test_a_model_that_is_unloaded_is_waited_for(place: Place) -> None:
    ModelControl(place.client).unload(MODEL)
    away, not_served = (metered("headcount_triton_requests_total", outcome=outcome) for outcome in ("away", "not_served"))
    for _ in range(3):
        with pytest.raises(NotServedError, match="headcount models"):
            place.classifier.classify(noise(1))
    assert check_models(place.client) == ()
    assert metered("headcount_triton_requests_total", outcome="away") == away
    assert metered("headcount_triton_requests_total", outcome="not_served") == not_served + 1, "then it is only asked what it serves"
    assert metered("headcount_triton_breaker", state="closed") == 1
    ModelControl(place.client).load(MODEL)
    place.classifier.classify(noise(1))


def test_more_lanes_than_turns_are_all_served(place: Place) -> None:
    with ThreadPoolExecutor(LANES) as pool:
        assert all(pool.map(lambda _: place.answers(), range(4 * LANES)))


def test_who_starts_before_the_server_says_so_and_goes_on_when_it_comes(place: Place) -> None:
    place.triton.process.kill()
    told: list[str] = []
    settings = Settings(
        triton_url=place.triton.url, triton_timeout_s=TIMEOUT_S, model=MODEL, model_repository=place.triton.server.repository
    )
    classifier = expect_classifier(settings, told.append)
    (notice,) = told
    assert notice.startswith(f"model: Triton at {place.triton.url} does not answer")
    assert classifier.name == f"{MODEL}:?/tight-1"
    place.triton.process.start()
    late = Place(place.triton, place.client, classifier if isinstance(classifier, TritonClassifier) else place.classifier)
    late.recovers()
    assert classifier.name == f"{MODEL}:1/tight-1"
