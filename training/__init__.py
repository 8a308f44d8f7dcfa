"""Labelled faces -> networks -> ONNX -> evaluation -> model card: what makes the models of `triton_models/` (docs/training.md)."""
