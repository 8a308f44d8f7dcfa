"""Hypothesis without deadlines: a busy machine is no failure."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("headcount", deadline=None)
settings.load_profile("headcount")
