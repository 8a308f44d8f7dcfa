"""The positions are shown again and again, and who cannot be told keeps nobody from working."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from pipeline.errors import ConfigurationError, LogUnavailableError
from services.positions import keep_showing

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


def shown(outcomes: list[Exception | None]) -> list[float]:
    """Show as often as there are outcomes; return the pauses."""
    left, pauses = deque(outcomes), list[float]()

    def show() -> None:
        outcome = left.popleft()
        if outcome is not None:
            raise outcome

    keep_showing(show, waiting(pauses, lambda: not left))
    return pauses


def waiting(pauses: list[float], over: Callable[[], bool]) -> Callable[[float], bool]:
    def wait(seconds: float) -> bool:
        pauses.append(seconds)
        return over()

    return wait


def test_they_are_shown_every_15_seconds() -> None:
    assert shown([None] * 4) == [15.0] * 4


def test_trouble_is_said_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    away = LogUnavailableError("the brokers do not answer")
    assert len(shown([away, away, ConfigurationError("no permission"), ZeroDivisionError(), None, None, away])) == 7
    said = [record.getMessage() for record in caplog.records if record.name == "services.positions"]
    assert [word for line in said for word in line.split() if word.startswith("positions_")] == [
        "positions_not_shown",
        "positions_shown_again",
        "positions_not_shown",
    ]
