"""Classifies crops at a Triton server."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import structlog

from pipeline.adapters.model_config import CONTRACT_INPUTS, model_name
from pipeline.adapters.triton.breaker import CircuitBreaker
from pipeline.adapters.triton.contract import ask, verify
from pipeline.adapters.triton.failures import AwayError, NotServedError
from pipeline.errors import ConfigurationError
from pipeline.types import Attributes, check_array

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline.adapters.golden import Golden
    from pipeline.adapters.triton.client import TritonClient
    from pipeline.adapters.triton.contract import Served
    from pipeline.ports import Clock
    from pipeline.types import UInt8

_log = structlog.get_logger()
_REPLACEMENTS = 3  # of a version, within one call


class TritonClassifier:
    """A `ports.Classifier`; safe to use from several threads.

    It asks by number for the version that it has tested, as long as that is served; then for the newest one that passes the
    test. So one version answers a whole call, and a version that is broken judges nobody. Nothing is asked before the first
    `check` or `classify`, and after Triton was away it is tested again: it may be another one.

    Args:
        client: Shared by all that ask; whoever made it closes it.
        model: The model's name there.
        known: Golden pictures by version.
        clock: For the pauses while Triton is away.
        beat: Told before each request, by the thread that asks: a slow Triton is no thread that hangs.
    """

    def __init__(
        self, client: TritonClient, model: str, *, known: Mapping[str, Golden], clock: Clock, beat: Callable[[], None] = lambda: None
    ) -> None:
        self._client = client
        self._model = model
        self._known = known
        self._beat = beat
        self._breaker = CircuitBreaker(clock)
        self._settling = threading.Lock()
        self._served: Served | None = None

    @property
    def name(self) -> str:
        """Model, version and crop recipe that answered last; the version is "?" until one has."""
        served = self._served
        return served.name if served is not None else model_name(self._model, "?")

    def check(self) -> None:
        """Find a version that passes the test.

        Raises:
            TransientError: Triton does not answer, or does not serve the model now.
            ConfigurationError: No version that it serves passes.
        """
        with self._breaker.passing():
            self._settle()

    def classify(self, crops: UInt8) -> Attributes:
        """Classify (n, 112, 112, 3) uint8 RGB crops, n of 0 or more.

        Raises:
            ValueError: The crops have another shape or type.
            TransientError: Triton does not answer, or does not serve the model now.
            ConfigurationError: What it serves is broken, and would answer the same again.
        """
        check_array("crops", crops, (None, *CONTRACT_INPUTS[0].dims), np.uint8)
        if len(crops) == 0:
            return Attributes(age_probs=np.zeros((0, 101), np.float32), gender_probs=np.zeros((0, 2), np.float32), model=self.name)
        with self._breaker.passing():
            return self._classify(crops)

    def _classify(self, crops: UInt8) -> Attributes:
        for _ in range(_REPLACEMENTS):
            served = self._served or self._settle()
            try:
                return self._ask(served, crops)
            except NotServedError:
                self._forget(served)
            except AwayError:
                self._forget(served)
                raise
        raise NotServedError(f"the model {self._model} at Triton is replaced again and again")

    def _ask(self, served: Served, crops: UInt8) -> Attributes:
        starts = range(0, len(crops), served.max_batch_size)
        parts = []
        for start in starts:
            self._beat()
            parts.append(ask(self._client, served, crops[start : start + served.max_batch_size]))
        return Attributes(
            age_probs=np.concatenate([part.age_probs for part in parts]),
            gender_probs=np.concatenate([part.gender_probs for part in parts]),
            model=served.name,
        )

    def _settle(self) -> Served:
        """Take the newest version that passes; one thread looks for all, and the others wait for it no longer than for an answer."""
        if not self._settling.acquire(timeout=self._client.timeout_s):
            raise AwayError(f"Triton at {self._client.address} is slow to show which version of {self._model} it serves")
        try:
            if self._served is None:
                self._served = self._newest_that_passes()
                _log.info("model_version", model=self._served.name)
            return self._served
        finally:
            self._settling.release()

    def _newest_that_passes(self) -> Served:
        refused: list[ConfigurationError] = []
        for version in self._client.versions(self._model):
            self._beat()
            try:
                served = verify(self._client, self._model, version, self._known.get(version))
            except NotServedError:
                continue
            except ConfigurationError as error:
                refused.append(error)
                _log.warning("model_version_refused", error=str(error))
            else:
                return served
        raise (
            refused[0]
            if refused
            else NotServedError(f"Triton serves no version of the model {self._model}; load one: headcount models load {self._model}")
        )

    def _forget(self, served: Served) -> None:
        if self._served is served:
            self._served = None
