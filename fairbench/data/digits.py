"""The 1797 handwritten digits that scikit-learn carries, 8x8 grey (Alpaydin & Kaynak 1998)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from fairbench.data.dataset import Arrays, RawDataset
from fairbench.data.held_out import class_ranks, shipped_ranks


def read(_place: Path | str) -> RawDataset:
    """Both splits; the bundle has no test split, ours is the same 45 images of each class for everybody."""
    ink, target = load_digits(return_X_y=True)
    # The bundle counts ink from 0 to 16.
    images = np.rint(np.asarray(ink) * (255 / 16)).astype(np.uint8).reshape(-1, 1, 8, 8)
    labels = np.asarray(target, dtype=np.int64)
    in_test = np.isin(class_ranks(labels), shipped_ranks("digits").test)
    return RawDataset(
        tuple(str(digit) for digit in range(10)),
        Arrays(images[~in_test], labels[~in_test]),
        Arrays(images[in_test], labels[in_test]),
    )
