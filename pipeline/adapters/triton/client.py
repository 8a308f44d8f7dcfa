"""A connection to Triton: what it serves, and inferences, in our types and errors."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from pipeline.adapters.model_config import Port
from pipeline.adapters.triton.failures import AwayError, NotServedError, to_ours
from pipeline.errors import HeadcountError
from pipeline.metrics import TRITON_IN_FLIGHT, Outcome, count_inference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

T = TypeVar("T")

_CHANNEL = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # By default a server that was away for a minute is looked for again after two.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # A machine that vanished closes no connection; while calls wait, one that answers no ping is opened anew.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a version of a model said; the arrays cannot be written."""

    version: str
    outputs: Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """What Triton's configuration of a model says."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    max_batch_size: int
    crop_recipe: str | None


class TritonClient:
    """One connection; a process has one, and its threads share it: Triton's client and gRPC's channel allow that.

    Args:
        address: HOST:PORT of Triton's gRPC.
        timeout_s: The deadline of each request.
        in_flight: So many inferences at once; whoever comes then waits for its turn, at most as long.
    """

    def __init__(self, address: str, *, timeout_s: float, in_flight: int) -> None:
        self.address = address
        self.timeout_s = timeout_s
        self._turns = threading.BoundedSemaphore(in_flight)
        self._client = InferenceServerClient(address, channel_args=list(_CHANNEL))

    def close(self) -> None:
        """End the connection, for good."""
        self._client.close()
        del self._client  # it closes once more when it is collected, which fails noisily where the interpreter is going down

    def infer(self, model: str, version: str, inputs: Mapping[str, NDArray[Any]]) -> Answer:
        """Run a model on a batch.

        Args:
            model: Its name.
            version: "": whichever Triton chooses.
            inputs: By name; the first dimension is the batch.

        Raises:
            AwayError: There was no answer within the deadline.
            NotServedError: There is no such model or version now.
            ConfigurationError: Triton refuses the request.
        """
        tensors = [_tensor(name, array) for name, array in inputs.items()]
        with self._turn(), _counted():
            result = self.call(lambda client: client.infer(model, tensors, model_version=version, client_timeout=self.timeout_s))
        response = result.get_response()
        outputs = {output.name: result.as_numpy(output.name) for output in response.outputs}
        return Answer(version=response.model_version, outputs=outputs)

    def describe(self, model: str, version: str = "") -> ServedModel:
        """Return what Triton's configuration says of a model that it serves.

        Raises:
            HeadcountError: As `infer`.
        """
        document = self.configuration(model, version)
        parameters = document.get("parameters", {})
        return ServedModel(
            inputs=_ports(document, "input"),
            outputs=_ports(document, "output"),
            max_batch_size=int(document.get("max_batch_size", 0)),
            crop_recipe=parameters.get("crop_recipe", {}).get("string_value"),
        )

    def configuration(self, model: str, version: str = "") -> dict[str, Any]:
        """Return Triton's own document of a model's configuration, to be changed and given back to it.

        Raises:
            HeadcountError: As `infer`.
        """
        answer = self.call(lambda client: client.get_model_config(model, version, as_json=True, client_timeout=self.timeout_s))
        document: dict[str, Any] = answer["config"]
        return document

    def versions(self, model: str) -> tuple[str, ...]:
        """Return the versions that are served now, the newest first.

        Raises:
            HeadcountError: As `infer`.
        """
        answer = self.call(lambda client: client.get_model_metadata(model, client_timeout=self.timeout_s))
        return tuple(sorted(answer.versions, key=int, reverse=True))

    def call(self, ask: Callable[[Any], T]) -> T:
        """Use Triton's own client; its errors become ours."""
        try:
            return ask(self._client)
        except InferenceServerException as error:
            raise to_ours(error, self.address) from None

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._turns.acquire(timeout=self.timeout_s):
            raise AwayError(f"Triton at {self.address} is too slow: no request came back for {self.timeout_s:g} s; give it more to run on")
        try:
            with TRITON_IN_FLIGHT.track_inprogress():
                yield
        finally:
            self._turns.release()


@contextmanager
def _counted() -> Iterator[None]:
    began, outcome = perf_counter(), Outcome.REFUSED
    try:
        yield
        outcome = Outcome.OK
    except AwayError:
        outcome = Outcome.AWAY
        raise
    except NotServedError:
        outcome = Outcome.NOT_SERVED
        raise
    except HeadcountError:
        raise
    finally:
        count_inference(outcome, perf_counter() - began)


def _tensor(name: str, array: NDArray[Any]) -> InferInput:
    tensor = InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    return tensor.set_data_from_numpy(np.ascontiguousarray(array))


def _ports(document: dict[str, Any], side: str) -> tuple[Port, ...]:
    return tuple(
        Port(name=port["name"], data_type=port["data_type"], dims=tuple(int(size) for size in port["dims"]))
        for port in document.get(side, ())
    )
