"""Tests of two models on the same images, and the correction for making many of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom


def sign_flip(differences: ArrayLike) -> float:
    """The exact two-sided p-value of "each difference is as likely as its opposite".

    With one seed per method the differences are -1, 0 and 1 and the test is McNemar's. With several, the difference of
    an image is the number of the first method's seeds that get it right minus that of the second's, so that an image
    counts once however many seeds there are.

    Args:
        differences: (N,) integers, one per image.

    Returns:
        In (0, 1]; 1 if all differences are 0.

    Raises:
        ValueError: if they are not a vector of integers.

    Source: Q. McNemar, Psychometrika 1947; exact form: the sign test on the images where two models differ.
    """
    values = np.asarray(differences)
    if values.ndim != 1 or not np.issubdtype(values.dtype, np.integer):
        raise ValueError(f"expected a vector of integers, got shape {values.shape} of {values.dtype}")
    sizes = np.bincount(np.abs(values).astype(np.int64))
    # chances[i] is that of the sum -reach + i when every sign is a fair coin.
    chances, reach = np.ones(1), 0
    for size in np.flatnonzero(sizes[1:]) + 1:
        images = int(sizes[size])
        steps = np.zeros(2 * int(size) * images + 1)
        steps[:: 2 * int(size)] = binom.pmf(np.arange(images + 1), images, 0.5)
        chances, reach = np.convolve(chances, steps), reach + int(size) * images
    distance = abs(int(values.sum()))
    below = float(chances[: reach - distance + 1].sum())
    return min(1.0, 2 * below) if distance else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values made larger so that all tests together err with the chance that one of them alone would.

    Args:
        p_values: of all tests of one family, in [0, 1].

    Returns:
        Adjusted p-values in the same order.

    Raises:
        ValueError: if one is not in [0, 1].

    Source: S. Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    values = np.asarray(p_values, dtype=np.float64)
    if values.size and not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"expected p-values in [0, 1], got {values.min()}..{values.max()}")
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted.tolist()
