"""A model is replaced on a real Triton while lanes ask it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.adapters.triton import TritonClassifier, TritonClient, known_answers
from pipeline.adapters.triton.control import ModelControl
from pipeline.adapters.triton.failures import AwayError
from pipeline.errors import ConfigurationError, TransientError
from pipeline.settings import Settings
from services import models
from tests.clocks import RealClock
from tests.contract.classifier import noise
from tests.servers.process import wait_until
from tests.triton_models import MODEL, ModelFolder, answer_fewer_years, answer_nan, answer_otherwise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray
    from onnx import ModelProto

    from pipeline.adapters.triton.client import Answer
    from tests.servers.triton import TritonServers

LANES = 3


@dataclass
class Traffic:
    """Lanes that classify without a pause, and what answered them."""

    classifier: TritonClassifier
    names: list[str] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def lane(self) -> None:
        crops = noise(70)  # two requests: one version must answer both
        while not self.over.is_set():
            try:
                self.names.append(self.classifier.classify(crops).model)
            except Exception as error:  # noqa: BLE001 - the test looks at it
                self.errors.append(error)

    @contextmanager
    def flowing(self) -> Iterator[Traffic]:
        """Let it flow during the block, which begins when each lane had an answer or two."""
        with ThreadPoolExecutor(LANES) as pool:
            lanes = [pool.submit(self.lane) for _ in range(LANES)]
            self.go_on()
            try:
                yield self
            finally:
                self.over.set()
            for lane in lanes:
                lane.result()

    def go_on(self) -> None:
        """Wait for some more answers, of what is asked from now on."""
        wanted = len(self.names) + 3 * LANES
        wait_until(lambda: len(self.names) >= wanted or bool(self.errors), "lanes are answered")


@dataclass(frozen=True)
class Place:
    """A Triton with a repository that a test may change."""

    folder: ModelFolder
    client: TritonClient  # of the lanes
    own: TritonClient  # of who loads: a command, which waits for no lane
    settings: Settings

    def traffic(self) -> Traffic:
        known = known_answers(self.folder.repository, MODEL)
        return Traffic(TritonClassifier(self.client, MODEL, known=known, clock=RealClock()))

    def load(self) -> models.Loading:
        return models.load(self.own, MODEL, self.settings)


@pytest.fixture(scope="module")
def shared(triton_servers: TritonServers, server_dir: Path) -> Iterator[Place]:
    folder = ModelFolder.in_repository(Path(mkdtemp(prefix="models-", dir=server_dir)))
    with triton_servers(folder.repository) as triton:
        client = TritonClient(triton.url, timeout_s=20.0, in_flight=LANES)
        own = TritonClient(triton.url, timeout_s=20.0, in_flight=1)
        yield Place(folder, client, own, Settings(model_repository=folder.repository))
        own.close()
        client.close()


@pytest.fixture
def place(shared: Place) -> Iterator[Place]:
    """One Triton for these tests; each finds version 1 served, as the repository says."""
    yield shared
    ModelControl(shared.client).unload(MODEL)
    shared.folder.keep_first()
    ModelControl(shared.client).load(MODEL)
    assert ModelControl(shared.client).ready(MODEL) == ("1",)


def named(version: int) -> str:
    return f"{MODEL}:{version}/tight-1"


def test_a_new_version_takes_over_and_no_request_is_lost(place: Place) -> None:
    with place.traffic().flowing() as traffic:
        place.folder.add(2)
        assert place.load() == models.Loading(model=MODEL, before="1", now="2")
        traffic.go_on()
    assert traffic.errors == []
    assert set(traffic.names) == {named(1), named(2)}
    assert traffic.names[-1] == named(2)
    assert ModelControl(place.client).ready(MODEL) == ("2",)


def test_loading_again_changes_nothing(place: Place) -> None:
    assert place.load() == models.Loading(model=MODEL, before="1", now="1")
    place.folder.add(2)
    place.folder.add(7)
    assert place.load() == models.Loading(model=MODEL, before="1", now="7")
    assert place.load() == models.Loading(model=MODEL, before="7", now="7")


def test_a_version_that_is_taken_away_gives_the_one_before_back(place: Place) -> None:
    place.folder.add(2)
    place.load()
    with place.traffic().flowing() as traffic:
        place.folder.remove(2)
        assert place.load() == models.Loading(model=MODEL, before="2", now="1")
        traffic.go_on()
    assert traffic.errors == []
    assert traffic.names[-1] == named(1)


@pytest.mark.parametrize(
    ("change", "words"),
    [(None, "load failed"), (answer_fewer_years, "age_probs: expected"), (answer_nan, "NaN"), (answer_otherwise, "self-test")],
    ids=["garbage", "another shape", "NaN", "other answers"],
)
def test_a_broken_version_judges_nobody_and_the_old_one_goes_on(
    place: Place, change: Callable[[ModelProto], None] | None, words: str
) -> None:
    with place.traffic().flowing() as traffic:
        if change is None:
            place.folder.add_bytes(2, b"no network" * 100)
        else:
            place.folder.add(2, change)
        with pytest.raises(ConfigurationError, match=rf"^no new version of {MODEL} is served, 1 goes on: .*{words}") as raised:
            place.load()
        traffic.go_on()
    assert "\n" not in str(raised.value)
    assert traffic.errors == []
    assert set(traffic.names) == {named(1)}
    assert ModelControl(place.client).ready(MODEL) == ("1",)
    place.folder.remove(2)
    place.folder.add(2)
    assert place.load().now == "2", "what was mended is taken"


class BusyClient(TritonClient):
    """Whose inferences are never answered in time."""

    def infer(self, model: str, version: str, inputs: Mapping[str, NDArray[Any]]) -> Answer:
        del model, version, inputs
        raise AwayError("Triton is too slow")


def test_a_version_that_cannot_be_tested_now_is_not_served_and_nobody_is_told_to_mend_it(place: Place) -> None:
    place.folder.add(2)
    busy = BusyClient(place.client.address, timeout_s=20.0, in_flight=1)
    with pytest.raises(TransientError, match=f"^version 2 of {MODEL} could not be tested, 1 goes on: Triton is too slow; load it again$"):
        models.load(busy, MODEL, place.settings)
    busy.close()
    assert ModelControl(place.client).ready(MODEL) == ("1",)
    assert place.load().now == "2"


def test_a_version_that_others_loaded_is_refused_where_it_is_broken(place: Place) -> None:
    """Plainly loaded it is served at once, and the old one is gone."""
    classifier = place.traffic().classifier
    classifier.classify(noise(1))
    place.folder.add(2, answer_nan)
    ModelControl(place.client).load(MODEL)
    wait_until(lambda: ModelControl(place.client).ready(MODEL) == ("2",), "the old version is unloaded")
    with pytest.raises(ConfigurationError, match=rf"the model {MODEL}:2/tight-1 at Triton is broken .*NaN"):
        classifier.classify(noise(1))


def test_the_newest_that_passes_is_taken_where_several_are_served(place: Place) -> None:
    place.folder.add(2)
    place.folder.add(3, answer_fewer_years)
    ModelControl(place.client).load_newest(MODEL, 3)
    assert place.traffic().classifier.classify(noise(1)).model == named(2)


def test_the_list_says_what_can_judge(place: Place) -> None:
    place.folder.add(2, answer_nan)
    ModelControl(place.client).load_newest(MODEL, 2)
    first, second = (each for each in models.versions(place.client, place.settings) if each.served)
    assert (first.version, first.served, first.trouble, first.golden) == ("1", True, "", False)
    assert first.latency_s is not None
    assert (second.version, second.served, second.golden, second.latency_s) == ("2", True, True, None)
    assert "NaN" in second.trouble


def test_a_model_of_which_nothing_is_served_is_loaded(place: Place) -> None:
    ModelControl(place.client).unload(MODEL)
    assert place.load() == models.Loading(model=MODEL, before="", now="1")
    with pytest.raises(ConfigurationError, match="failed to load 'nobody'"):
        models.load(place.client, "nobody", place.settings)
