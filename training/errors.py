"""What goes wrong with data, recipes and checkpoints, said in one line."""

from __future__ import annotations


class TrainingError(Exception):
    """What the user must mend; the message is one line that says where and how."""
