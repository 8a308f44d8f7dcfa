"""Tests of training do not time either: a slow machine fails none of them."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("headcount", deadline=None)
settings.load_profile("headcount")
