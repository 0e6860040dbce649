"""Spatter: drops of water or of mud on the lens."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fairbench.data.corruptions.colour import shade
from fairbench.data.corruptions.draws import Draws, Images
from fairbench.data.corruptions.smoothing import smoothed

_WATER = (175 / 255, 238 / 255, 238 / 255)
_MUD = (63 / 255, 42 / 255, 20 / 255)
_EMBOSS = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], dtype=np.float32)
_WEAK_EDGE, _STRONG_EDGE = 50, 150
_FARTHEST = 20.0
_APART = 1000.0
"""Distance between the images of a batch, farther than any edge within one."""
_PLANE = (1, 2)


def spatter(x: Images, constants: tuple[float, float, float, float, float, bool], draws: Draws) -> Images:
    """Smooth random liquid above a threshold: pale turquoise water that catches light at its rim, or brown mud."""
    mean, deviation, smoothness, threshold, strength, is_mud = constants
    channels, height, width = x.shape[1:]
    liquid = np.float32(mean) + np.float32(deviation) * draws.normal(height, width)
    liquid = smoothed(liquid, smoothness)
    liquid[liquid < threshold] = 0
    if is_mud:
        mask = (liquid > threshold).astype(np.float32)
        mask = smoothed(mask, strength)[:, None]
        mask[mask < 0.8] = 0
        return x * (1 - mask) + shade(_MUD, channels) * mask
    return x + np.float32(strength) * _water(liquid)[:, None] * shade(_WATER, channels)


def _water(liquid: Images) -> Images:
    """How much light the water adds, (N, H, W) in [0, 1] with maximum 1 wherever there is water."""
    levels = np.floor(np.clip(liquid, 0, 1) * np.float32(255))
    distance = np.minimum(_distance_to(edges(levels)), _FARTHEST)
    distance = equalised(np.floor(_box_mean(distance) + 1e-4).astype(np.uint8))
    embossed = np.clip(_correlate(distance.astype(np.float32), _EMBOSS), 0, 255)
    light = levels * np.floor(_box_mean(embossed) + np.float32(0.5))
    brightest = light.max(axis=_PLANE, keepdims=True)
    return np.divide(light, brightest, out=np.zeros_like(light), where=brightest > 0)


def edges(levels: Images) -> NDArray[np.bool_]:
    """Canny's edges: Sobel gradients, thinned across the edge, kept where they hang together with a strong one.

    Args:
        levels: (N, H, W) grey levels 0..255.
    """
    across = _sobel(levels, axis=2)
    down = _sobel(levels, axis=1)
    size = np.abs(across) + np.abs(down)
    candidate = (size > _WEAK_EDGE) & _is_ridge(size, across, down)
    in_plane = np.zeros((3, 3, 3), dtype=bool)
    in_plane[1] = True
    labelled: Any = ndimage.label(candidate, structure=in_plane)
    parts, count = labelled
    is_strong = np.zeros(count + 1, dtype=bool)
    is_strong[parts[candidate & (size > _STRONG_EDGE)]] = True
    is_strong[0] = False
    return is_strong[parts]


def _sobel(levels: Images, axis: int) -> Images:
    slope = np.asarray(ndimage.correlate1d(levels, [-1, 0, 1], axis=axis, mode="nearest"))
    return np.asarray(ndimage.correlate1d(slope, [1, 2, 1], axis=3 - axis, mode="nearest"))


def _is_ridge(size: Images, across: Images, down: Images) -> NDArray[np.bool_]:
    """Whether the gradient is at its largest along its own direction, one of four."""
    padded = np.pad(size, ((0, 0), (1, 1), (1, 1)))
    height, width = size.shape[1:]

    def beside(row: int, column: int) -> Images:
        return padded[:, 1 + row : 1 + row + height, 1 + column : 1 + column + width]

    flat = np.abs(down) < np.abs(across) * np.tan(np.pi / 8)
    steep = np.abs(down) > np.abs(across) * np.tan(3 * np.pi / 8)
    falling = (across < 0) == (down < 0)
    horizontal = (size > beside(0, -1)) & (size >= beside(0, 1))
    vertical = (size > beside(-1, 0)) & (size >= beside(1, 0))
    diagonal = (size > beside(-1, -1)) & (size > beside(1, 1))
    other_diagonal = (size > beside(-1, 1)) & (size > beside(1, -1))
    return np.where(flat, horizontal, np.where(steep, vertical, np.where(falling, diagonal, other_diagonal)))


def _distance_to(edge: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Distance of each pixel to the nearest edge of its image; at least ``_APART`` where it has none."""
    if not edge.any():
        return np.full(edge.shape, _APART)
    return np.asarray(ndimage.distance_transform_edt(~edge, sampling=(_APART, 1, 1)))


def equalised(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Grey levels (N, H, W) with a flat histogram, image by image; an image of one level stays as it is."""
    count, pixels = len(levels), levels[0].size if len(levels) else 1
    flat = levels.reshape(count, pixels).astype(np.int64)
    histogram = np.bincount((flat + 256 * np.arange(count)[:, None]).ravel(), minlength=256 * count)
    below = histogram.reshape(count, 256).cumsum(axis=1)
    lowest = np.take_along_axis(below, flat.min(axis=1, keepdims=True, initial=255), axis=1)
    table = np.rint((below - lowest) * (255 / np.maximum(pixels - lowest, 1)))
    table = np.where(lowest == pixels, np.arange(256), np.maximum(table, 0)).astype(np.uint8)
    return np.take_along_axis(table, flat, axis=1).reshape(levels.shape)


def _box_mean(planes: Images) -> Images:
    return _correlate(planes, np.ones((3, 3))) / 9


def _correlate(planes: Images, kernel: NDArray[np.floating]) -> Images:
    return np.asarray(ndimage.correlate(planes, kernel[None], mode="mirror"))
