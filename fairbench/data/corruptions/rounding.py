"""From numbers in [0, 1] to bytes and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SLACK = 1e-3
"""In grey levels: a whole number that rounding pushed just below itself counts as itself."""


def as_bytes(x: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Clipped to [0, 1] and cut off, not rounded, to whole grey levels: so the published files were made."""
    return (np.clip(x, 0, 1) * np.float32(255) + np.float32(_SLACK)).astype(np.uint8)


def as_rounded_bytes(x: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Clipped to [0, 1] and rounded to whole grey levels, for steps that other programs do on bytes."""
    return (np.clip(x, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def as_unit(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Grey levels as numbers in [0, 1]."""
    return pixels.astype(np.float32) / np.float32(255)
