"""The reader of a data set: one of ours, or code of another package, which can be wrong in any way."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np

from fairbench.data.catalogue import dataset_names, dataset_origin, source_of
from fairbench.data.dataset import Arrays, RawDataset
from fairbench.errors import FairbenchError, UsageError
from fairbench.extensions import BUILT_IN


def read_raw(name: str, place: Path | str) -> RawDataset:
    """What the reader of a data set gives.

    Args:
        name: as in ``load_dataset``.
        place: as ``locate`` found it.

    Raises:
        UsageError: if another package's reader cannot be loaded, fails, or gives something else than a ``RawDataset``
            of bytes; and whatever our own readers refuse.
    """
    reader = source_of(name).reader
    origin = dataset_origin(name) if name in dataset_names() else BUILT_IN
    if origin == BUILT_IN:
        return importlib.import_module(reader).read(place)
    where = f"data set {name} of {origin}"
    try:
        raw = importlib.import_module(reader).read(place)
    except FairbenchError:
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(f"{where}: its reader {reader} failed: {type(error).__name__}: {error}") from error
    if not isinstance(raw, RawDataset):
        raise UsageError(
            f"{where}: its reader gave a {type(raw).__name__}, expected a {RawDataset.__module__}.RawDataset"
        )
    for split, arrays in (("train", raw.train), ("test", raw.test)):
        _check_bytes(arrays, f"{where}, {split}")
    return raw


def _check_bytes(arrays: Arrays, where: str) -> None:
    images, labels = np.asarray(arrays.images), np.asarray(arrays.labels)
    if images.ndim != 4 or images.dtype != np.uint8:
        raise UsageError(f"{where}: images are {images.dtype} {images.shape}, expected (N, C, H, W) of uint8, 0 to 255")
    if labels.ndim != 1 or labels.dtype != np.int64:
        raise UsageError(f"{where}: labels are {labels.dtype} {labels.shape}, expected (N,) of int64")
