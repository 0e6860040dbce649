"""Blur: Gaussian, out of focus, through frosted glass, while zooming in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fairbench.data.corruptions.draws import Draws, Images
from fairbench.data.corruptions.geometry import clipped_zoom, motion_blur_along
from fairbench.data.corruptions.rounding import as_bytes, as_rounded_bytes, as_unit
from fairbench.data.corruptions.smoothing import smoothed


def gaussian_blur(x: Images, deviation: float, _draws: Draws | None = None) -> Images:
    """A Gaussian cut off at four deviations; the border repeats its pixel."""
    return smoothed(x, deviation)


def defocus_blur(x: Images, constants: tuple[float, float], _draws: Draws) -> Images:
    """The mean over a disk with a soft edge; the border mirrors without repeating its pixel."""
    kernel = disk(*constants)
    margin = len(kernel) // 2
    padded = np.pad(x, ((0, 0), (0, 0), (margin, margin), (margin, margin)), mode="reflect")
    height, width = x.shape[2:]
    blurred = np.zeros_like(x)
    for row, column in zip(*np.nonzero(kernel), strict=True):
        blurred += kernel[row, column] * padded[:, :, row : row + height, column : column + width]
    return blurred


def disk(radius: float, edge: float) -> NDArray[np.float32]:
    """The pixels within a radius of the centre, smoothed by a Gaussian of three taps; odd side, sums to 1."""
    half = int(np.ceil(radius)) + 1
    offsets = np.arange(-half, half + 1)
    inside = (offsets[:, None] ** 2 + offsets**2 <= radius**2).astype(np.float64)
    taps = np.exp(-(np.array([-1.0, 0.0, 1.0]) ** 2) / (2 * edge**2))
    smooth = ndimage.correlate1d(inside, taps / taps.sum(), axis=0, mode="constant")
    smooth = ndimage.correlate1d(smooth, taps / taps.sum(), axis=1, mode="constant")
    return (smooth / smooth.sum()).astype(np.float32)


def glass_blur(x: Images, constants: tuple[float, int], draws: Draws) -> Images:
    """Blur, let pixels take the colour of a neighbour above or to the left, blur again.

    As in the published files, a pixel takes over its neighbour's colour and the neighbour keeps it, and the first two
    rows and columns stay as they are.
    """
    deviation, rounds = constants
    shuffled = as_bytes(gaussian_blur(x, deviation))
    for _ in range(rounds):
        shuffled = _shuffled(shuffled, draws)
    return gaussian_blur(as_unit(shuffled), deviation)


def _shuffled(pixels: NDArray[np.uint8], draws: Draws) -> NDArray[np.uint8]:
    height, width = pixels.shape[2:]
    up, left = (draws.below(2, 1, height - 2, width - 2).astype(bool) for _ in range(2))
    here, above = pixels[:, :, 2:, :], pixels[:, :, 1:-1, :]
    result = pixels.copy()
    result[:, :, 2:, 2:] = np.where(
        up, np.where(left, above[..., 1:-1], above[..., 2:]), np.where(left, here[..., 1:-1], here[..., 2:])
    )
    return result


def zoom_blur(x: Images, end: float, _draws: Draws) -> Images:
    """The mean of the image and of its zooms by 1, 1.01, 1.02, ..."""
    factors = np.arange(1, end, 0.01).tolist()
    total = x.copy()
    for factor in factors:
        total += clipped_zoom(x, factor)
    return total / np.float32(len(factors) + 1)


def motion_blur(x: Images, constants: tuple[int, float], draws: Draws) -> Images:
    """A movement in a direction between -45 and 45 degrees."""
    radius, deviation = constants
    return as_unit(as_rounded_bytes(motion_blur_along(x, radius, deviation, 90 * draws.uniform() - 45)))
