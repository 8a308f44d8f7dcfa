"""Follows faces over frames: births, sights, ends, posters."""

from pipeline.stages.track.colours import coarse_colours
from pipeline.stages.track.follow import Closed, Sight, Step, Verdict, close_all, expire, step

__all__ = ["Closed", "Sight", "Step", "Verdict", "close_all", "coarse_colours", "expire", "step"]
