"""The 1797 handwritten digits that scikit-learn carries, 8x8 grey (Alpaydin & Kaynak 1998)."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

import numpy as np

from fairbench.data.dataset import Arrays, RawDataset
from fairbench.data.held_out import class_ranks, shipped_ranks
from fairbench.errors import UsageError


def read(_place: Path | str) -> RawDataset:
    """Both splits; the bundle has no test split, ours is the same 45 images of each class for everybody."""
    table = _table()
    # The bundle counts ink from 0 to 16.
    images = np.rint(table[:, :-1] * (255 / 16)).astype(np.uint8).reshape(-1, 1, 8, 8)
    labels = table[:, -1].astype(np.int64)
    in_test = np.isin(class_ranks(labels), shipped_ranks("digits").test)
    return RawDataset(
        tuple(str(digit) for digit in range(10)),
        Arrays(images[~in_test], labels[~in_test]),
        Arrays(images[in_test], labels[in_test]),
    )


def _table() -> np.ndarray:
    """(1797, 65): 64 pixels and the digit, from the library's file; to import the library would take a second."""
    package = importlib.util.find_spec("sklearn")
    if package is None or package.origin is None:
        raise UsageError("the digits come with scikit-learn, which is not installed; pip install scikit-learn")
    with gzip.open(Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz") as stream:
        return np.loadtxt(stream, delimiter=",")
