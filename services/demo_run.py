"""`headcount run --demo`: a made clip through the whole column, with its rows kept and a picture to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.analyze import write_picture
from services.demo import make_demo_clip
from services.draw_video import draw_fullest
from services.feed import FeedOptions
from services.follow import follow
from services.run import run

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from pipeline.settings import Settings
    from services.run import RunOptions, RunOutcome

_COMMIT_S = 0.2  # so that the display of so short a clip moves


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOutcome:
    """What the demo came to."""

    run: RunOutcome
    picture: Path | None  # annotated; None where nothing was counted


def run_demo(settings: Settings, console: Console, options: RunOptions) -> DemoOutcome:
    """Make the clip where it is missing, count it into the kept rows, and draw its fullest frame.

    Raises:
        HeadcountError: See `services.run.run`; or scikit-image, which has the photo, is missing.
    """
    folder = settings.data_dir / "demo"
    clip = folder / "demo.mp4"
    console.print("This is a made clip: one photo (Eileen Collins, NASA, public domain) moved through a drawn room. It shows three visits.")
    if not clip.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = clip.with_suffix(".part.mp4")
        make_demo_clip(unfinished)
        unfinished.replace(clip)
    lively = settings.model_copy(update={"commit_s": _COMMIT_S})
    outcome = run(lively, FeedOptions(sources=[str(clip)]), console, options)
    followed = follow(str(clip), settings, lambda _: None, lambda _: None)
    drawn = draw_fullest(str(clip), followed, settings)
    picture = folder / "annotated.png"
    if drawn is not None:
        write_picture(drawn, picture)
    return DemoOutcome(run=outcome, picture=picture if drawn is not None else None)
