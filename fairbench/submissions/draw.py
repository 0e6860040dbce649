"""Which images are asked again, and how many it takes."""

from __future__ import annotations

import hashlib
import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

FALSE_SHARE = 0.01
"""share of false outcomes that a spot check is meant to catch."""
CHANCE = 0.95
"""chance to catch that share."""
DEFAULT_IMAGES = 300


def images_needed(tolerated: int = 0) -> int:
    """How many images, asked again, catch a share of ``FALSE_SHARE`` false outcomes with a chance of ``CHANCE``.

    The images are drawn without replacement, which only raises the chance above that of the binomial law used here.

    Args:
        tolerated: differences that are put down to another machine.

    >>> images_needed(0), images_needed(1)
    (299, 473)
    """
    count = math.ceil(math.log(1 - CHANCE) / math.log(1 - FALSE_SHARE))
    while binom.cdf(tolerated, count, FALSE_SHARE) > 1 - CHANCE:
        count += 1
    return count


def drawn(seed: int, purpose: str, positions: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Some of the positions, ascending, decided by the seed alone; all of them if there are no more.

    The order is that of a hash, so that no version of a library changes the draw.

    Args:
        seed: of the draw.
        purpose: what is drawn for, as the name of a condition.
        positions: (n,) to draw from.
        count: how many.

    >>> drawn(7, "clean", np.arange(1000), 3)
    array([367, 670, 866])
    """

    def place(position: int) -> bytes:
        return hashlib.sha256(f"{seed}/{purpose}/{position}".encode()).digest()

    chosen = sorted((int(position) for position in positions), key=place)[:count]
    return np.array(sorted(chosen), dtype=np.int64)
