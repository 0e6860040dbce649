"""What of a cell is there already, read from the files in its folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from fairbench.evaluation.records import RECORD_NAME
from fairbench.protocol.conditions import lacking

TRAINING_NAME = "training.json"


def is_trained(folder: Path) -> bool:
    """Whether the weights are there."""
    return (folder / TRAINING_NAME).exists()


def recorded_conditions(folder: Path) -> set[str] | None:
    """The conditions in the record of a folder, unchecked; None if there is no record that can be read."""
    try:
        return set(json.loads((folder / RECORD_NAME).read_bytes())["conditions"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_done(folder: Path, asked: Sequence[str], *, only_train: bool) -> bool:
    """Whether nothing is left to do.

    Args:
        folder: of the cell.
        asked: names of the conditions that the record must hold.
        only_train: whether the weights suffice.
    """
    if only_train:
        return is_trained(folder)
    found = recorded_conditions(folder)
    return found is not None and not lacking(asked, found)
