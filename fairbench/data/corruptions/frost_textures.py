"""Ice on a dark window: the textures of ``frost``, drawn by code, because the published ones are photographs."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

TEXTURES = 5
FROST_TEXTURES = "5 ice textures drawn by fairbench, version 1"
"""What a record says of them."""

_SIDE = 256
_FERNS_A_SIDE = 12
_BRANCH_ANGLE = np.pi / 3
_TINT = np.array([1.25, 1.05, 0.9])
"""Powers of red, green and blue: thin ice is bluish, thick ice is white."""


@cache
def frost_textures() -> NDArray[np.float32]:
    """All textures, (5, 3, 256, 256) in [0, 1]; they repeat without a seam.

    They are dark over more than half of their area, as a window by night is. Only then does the published series of
    constants change images more with every step: from the third to the fourth the texture keeps its share, while the
    image loses of its own.
    """
    return np.stack([_texture(np.random.default_rng(number)) for number in range(TEXTURES)])


def _texture(random: np.random.Generator) -> NDArray[np.float32]:
    ice = np.zeros((_SIDE, _SIDE))
    for place in np.ndindex(_FERNS_A_SIDE, _FERNS_A_SIDE):
        points = _fern((place + random.uniform(0, 1, 2)) * _SIDE / _FERNS_A_SIDE, random)
        cells = np.floor(points).astype(np.int64) % _SIDE
        ice += np.bincount(cells[:, 0] * _SIDE + cells[:, 1], minlength=_SIDE**2).reshape(_SIDE, _SIDE)
    sharp = ndimage.gaussian_filter(ice, 0.7, mode="wrap")
    haze = ndimage.gaussian_filter(ice, 3.0, mode="wrap")
    grain = ndimage.gaussian_filter(random.standard_normal(ice.shape), 0.6, mode="wrap")
    thickness = sharp * (1 + 0.8 * grain) + 0.3 * haze + 0.15 * grain
    brightness = np.clip(1.05 * (1 - np.exp(-np.maximum(thickness - 0.2, 0))), 0, 1)
    return np.stack([brightness**power for power in _TINT]).astype(np.float32)


def _fern(origin: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    """Points (n, 2) of a needle with needles to both sides, shorter towards its tip."""
    heading, length = random.uniform(0, 2 * np.pi), random.uniform(16, 50)
    points = [_needle(origin, heading, length)]
    for distance in np.arange(2, length, 4.0):
        root = origin + distance * _direction(heading)
        for side in (-1, 1):
            reach = 0.35 * (length - distance) * random.uniform(0.5, 1)
            points.append(_needle(root, heading + side * _BRANCH_ANGLE, reach))
    return np.concatenate(points)


def _needle(root: NDArray[np.float64], heading: float, length: float) -> NDArray[np.float64]:
    return root + np.arange(0, length, 0.4)[:, None] * _direction(heading)


def _direction(heading: float) -> NDArray[np.float64]:
    return np.array([np.sin(heading), np.cos(heading)])
