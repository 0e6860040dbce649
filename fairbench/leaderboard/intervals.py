"""Wilson's score interval for a proportion: what a count of correct images says about the accuracy behind it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri


def wilson_interval(correct: ArrayLike, total: ArrayLike, *, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """The interval of accuracies that a two-sided score test would not reject.

    It treats the images as independent draws. For a class that was chosen because it is lowest, use ``extremes``.

    Args:
        correct: images that were classified correctly, in 0..total, any shape.
        total: images that were asked, above 0, of a shape that broadcasts with ``correct``.
        level: coverage, in (0, 1).

    Returns:
        The lower and the upper ends, fractions in [0, 1], of the broadcast shape.

    Raises:
        ValueError: if a total is not above 0, a count is not in 0..total, or the level is not in (0, 1).

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 1927.
    """
    hits, seen = np.broadcast_arrays(np.asarray(correct, dtype=np.float64), np.asarray(total, dtype=np.float64))
    if not 0 < level < 1:
        raise ValueError(f"expected a level in (0, 1), got {level}")
    if np.any(seen <= 0):
        raise ValueError(f"expected totals above 0, got {seen.min():g}; a class without images has no accuracy")
    if np.any((hits < 0) | (hits > seen)):
        raise ValueError("expected counts of correct images in 0..total")
    z = float(ndtri(0.5 + level / 2))
    rate, spread = hits / seen, z * z / seen
    centre = (rate + spread / 2) / (1 + spread)
    half_width = z * np.sqrt(rate * (1 - rate) / seen + spread / (4 * seen)) / (1 + spread)
    # At the borders the exact ends are 0 and 1; rounding must not move them inside.
    low = np.where(hits == 0, 0.0, np.maximum(centre - half_width, 0.0))
    high = np.where(hits == seen, 1.0, np.minimum(centre + half_width, 1.0))
    return low, high
