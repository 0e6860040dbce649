"""``predictions.npz``: what the model answered for every test image under every condition."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fairbench.errors import UsageError
from fairbench.files import replacing

PREDICTIONS_NAME = "predictions.npz"
NOT_EVALUATED = -1
_UNIX = 3
_CURE = "restore it, or evaluate again with --fresh"


@dataclass(frozen=True)
class Predictions:
    """Answers image by image."""

    labels: NDArray[np.int16]
    """(N,)."""
    by_condition: Mapping[str, NDArray[np.int16]]
    """condition -> (N,) answers, -1 where an image was not evaluated."""


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write the answers; the same answers give the same bytes.

    Args:
        path: the file, usually ``predictions.npz``.
        predictions: every condition as long as the labels.

    Raises:
        UsageError: if the file cannot be written.
    """
    columns = list(predictions.by_condition.values())
    arrays = {
        "labels": np.asarray(predictions.labels, dtype="<i2"),
        "predictions": np.array(columns, dtype="<i2").reshape(-1, len(predictions.labels)).T,
        "conditions": np.array(list(predictions.by_condition), dtype="<U32"),
    }
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy")  # made by hand it carries a fixed date
            entry.create_system = _UNIX
            archive.writestr(entry, content.getvalue())


def read_predictions(path: Path) -> Predictions:
    """The answers in a file.

    Args:
        path: the file, or the folder that holds ``predictions.npz``.

    Raises:
        UsageError: if it is missing or damaged.
    """
    file = path / PREDICTIONS_NAME if path.is_dir() else path
    try:
        with zipfile.ZipFile(file) as archive:
            labels, table, names = (_array(archive, name) for name in ("labels", "predictions", "conditions"))
    except OSError as error:
        raise UsageError(f"cannot read {file}: {(error.strerror or str(error)).lower()}; {_CURE}") from None
    except (ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise UsageError(f"{file} is damaged ({error}); {_CURE}") from None
    problem = _problem(labels, table, names)
    if problem:
        raise UsageError(f"{file} is damaged ({problem}); {_CURE}")
    return Predictions(labels, {str(name): table[:, column].copy() for column, name in enumerate(names)})


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    return np.lib.format.read_array(io.BytesIO(archive.read(f"{name}.npy")), allow_pickle=False)


def _problem(labels: np.ndarray, table: np.ndarray, names: np.ndarray) -> str:
    if labels.dtype != np.int16 or table.dtype != np.int16 or names.dtype.kind != "U":
        return f"expected int16 answers and names, got {labels.dtype}, {table.dtype}, {names.dtype}"
    if labels.ndim != 1 or names.ndim != 1 or table.shape != (len(labels), len(names)):
        return f"{table.shape} answers do not fit {labels.shape} labels and {names.shape} conditions"
    if (labels < 0).any() or (table < NOT_EVALUATED).any():
        return "a class below 0"
    return "" if len(set(names.tolist())) == len(names) else "a condition is there twice"
