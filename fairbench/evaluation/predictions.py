"""``predictions.npz``: what the model answered for every test image under every condition."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fairbench.arrays import read_arrays, write_arrays
from fairbench.errors import UsageError

PREDICTIONS_NAME = "predictions.npz"
NOT_EVALUATED = -1
_CURE = "restore it, or evaluate again with --fresh"


@dataclass(frozen=True)
class Predictions:
    """Answers image by image."""

    labels: NDArray[np.int16]
    """(N,)."""
    by_condition: Mapping[str, NDArray[np.int16]]
    """condition -> (N,) answers, -1 where an image was not evaluated."""


def write_predictions(path: Path, predictions: Predictions, *, compressed: bool = False) -> None:
    """Write the answers; the same answers give the same bytes.

    Args:
        path: the file, usually ``predictions.npz``.
        predictions: every condition as long as the labels.
        compressed: a hundred times smaller with all corruptions.

    Raises:
        UsageError: if the file cannot be written.
    """
    columns = list(predictions.by_condition.values())
    arrays = {
        "labels": np.asarray(predictions.labels, dtype="<i2"),
        "predictions": np.array(columns, dtype="<i2").reshape(-1, len(predictions.labels)).T,
        "conditions": np.array(list(predictions.by_condition), dtype="<U32"),
    }
    write_arrays(path, arrays, compressed=compressed)


def pack_predictions(source: Path, target: Path) -> None:
    """Copy a file of answers to where it is kept, compressed.

    Raises:
        UsageError: if it is missing or damaged, or the copy cannot be written.
    """
    write_predictions(target, read_predictions(source), compressed=True)


def read_predictions(path: Path) -> Predictions:
    """The answers in a file.

    Args:
        path: the file, or the folder that holds ``predictions.npz``.

    Raises:
        UsageError: if it is missing or damaged.
    """
    file = path / PREDICTIONS_NAME if path.is_dir() else path
    try:
        labels, table, names = read_arrays(file, ("labels", "predictions", "conditions")).values()
    except OSError as error:
        raise UsageError(f"cannot read {file}: {(error.strerror or str(error)).lower()}; {_CURE}") from None
    except (ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise UsageError(f"{file} is damaged ({error}); {_CURE}") from None
    problem = _problem(labels, table, names)
    if problem:
        raise UsageError(f"{file} is damaged ({problem}); {_CURE}")
    return Predictions(labels, {str(name): table[:, column].copy() for column, name in enumerate(names)})


def _problem(labels: np.ndarray, table: np.ndarray, names: np.ndarray) -> str:
    if labels.dtype != np.int16 or table.dtype != np.int16 or names.dtype.kind != "U":
        return f"expected int16 answers and names, got {labels.dtype}, {table.dtype}, {names.dtype}"
    if labels.ndim != 1 or names.ndim != 1 or table.shape != (len(labels), len(names)):
        return f"{table.shape} answers do not fit {labels.shape} labels and {names.shape} conditions"
    if (labels < 0).any() or (table < NOT_EVALUATED).any():
        return "a class below 0"
    return "" if len(set(names.tolist())) == len(names) else "a condition is there twice"
