"""What the actors of tests/integration/test_ray.py do; imported in their processes."""

from __future__ import annotations

import ctypes
from functools import partial
from typing import TYPE_CHECKING

from pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    import threading

    from pipeline.adapters.ray import Begin
    from pipeline.vitals import Vitals

_FOR_EVER_S = 3600


def begin(slot: str) -> Begin:
    """Return the work that the slot is named after."""
    return partial(_WORK[slot.partition("-")[0]], slot)


def _good(slot: str, stop: threading.Event, vitals: Vitals) -> None:
    vitals.notice(f"{slot} works")
    stop.wait()


def _misconfigured(slot: str, stop: threading.Event, vitals: Vitals) -> None:
    del slot, stop, vitals
    raise ConfigurationError("the model is broken")


def _dying(slot: str, stop: threading.Event, vitals: Vitals) -> None:
    del slot, stop, vitals
    raise ZeroDivisionError


def _greedy(slot: str, stop: threading.Event, vitals: Vitals) -> None:
    del slot, stop, vitals
    ctypes.PyDLL(None).sleep(_FOR_EVER_S)  # holds the interpreter's lock


_WORK = {"good": _good, "misconfigured": _misconfigured, "dying": _dying, "greedy": _greedy}
