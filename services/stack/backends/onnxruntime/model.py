"""A Python backend for Triton under the name `onnxruntime`: serves any ONNX model with one input on the processor.

Triton's own backend of that name is not in the wheel that brings the server. Runs inside Triton's stub, in Triton's
environment: imports nothing of ours.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOOK_S = 1.0
_STUCK_S = 90.0  # longer than a server may be stopped, as a debugger does, with an answer on its way
_TAKEN = b"used_dltensor"  # NumPy's name for a capsule whose array somebody else gives back; Python keeps the pointer
_name_capsule = ctypes.pythonapi.PyCapsule_SetName
_name_capsule.argtypes = (ctypes.py_object, ctypes.c_char_p)


class TritonPythonModel:
    """One instance of a model; Triton finds the class by its name."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the version's network and keep the names of its tensors."""
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
        config = json.loads(args["model_config"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # instances are Triton's way to use more cores
        options.log_severity_level = 3
        path = Path(args["model_repository"]) / args["model_version"] / "model.onnx"
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._input = config["input"][0]["name"]
        self._outputs = [output["name"] for output in config["output"]]

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer the requests that Triton has put into one batch, each with its own share."""
        # DLPack both ways: under NumPy 2 the plain accessors of 2.51 give empty tensors, without an error.
        batches = [np.from_dlpack(pb_utils.get_input_tensor_by_name(request, self._input)) for request in requests]
        answers = self._session.run(self._outputs, {self._input: np.concatenate(batches)})
        ends = np.cumsum([len(batch) for batch in batches])[:-1]
        shares = zip(*(np.split(answer, ends) for answer in answers), strict=True)
        return [self._response(share) for share in shares]

    def _response(self, arrays: Sequence[np.ndarray[Any, Any]]) -> Any:  # noqa: ANN401 - Triton's module has no types
        return pb_utils.InferenceResponse([_tensor(name, array) for name, array in zip(self._outputs, arrays, strict=True)])


def _tensor(name: str, array: np.ndarray[Any, Any]) -> Any:  # noqa: ANN401 - as above
    """Hand an array to Triton, which names a capsule that it has taken otherwise than NumPy, and NumPy would complain of each."""
    capsule = np.ascontiguousarray(array).__dlpack__()
    tensor = pb_utils.Tensor.from_dlpack(name, capsule)
    _name_capsule(capsule, _TAKEN)
    return tensor


def _end_with(server: int) -> None:
    """End this process when Triton is gone: a stub whose server was killed would wait for it for ever.

    The kernel's signal at a parent's death is of no use: it comes when the thread ends that loaded the model.
    """
    while os.getppid() == server:
        faulthandler.dump_traceback_later(_STUCK_S, exit=True)  # the stub may wait for the server with Python's lock in its hand
        time.sleep(_LOOK_S)
    os._exit(1)
