"""The models that a Triton inference server serves; the only importer of its client."""

from __future__ import annotations

from pipeline.adapters.triton.classifier import TritonClassifier
from pipeline.adapters.triton.client import TritonClient
from pipeline.adapters.triton.contract import known_answers

__all__ = ["TritonClassifier", "TritonClient", "known_answers"]
