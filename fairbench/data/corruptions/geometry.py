"""Where pixels come from: zooming, motion along a line, sampling between pixels."""

from __future__ import annotations

import math
from functools import cache
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from numpy.typing import NDArray

from fairbench.data.corruptions.draws import Images

_NEGLIGIBLE = 1e-6


def clipped_zoom(x: Images, factor: float) -> Images:
    """The middle of each image, enlarged bilinearly to the size of the whole.

    Args:
        x: (N, C, H, W).
        factor: at least 1.
    """
    rows, columns = (_zoom_matrix(side, factor) for side in x.shape[2:])
    return rows @ x @ columns.T


@cache
def _zoom_matrix(side: int, factor: float) -> NDArray[np.float32]:
    """(side, side): what each pixel of the zoomed line takes from each pixel of the line."""
    kept = math.ceil(side / factor)
    enlarged = round(kept * factor)
    first, trimmed = (side - kept) // 2, (enlarged - side) // 2
    positions = first + (trimmed + np.arange(side)) * (kept - 1) / (enlarged - 1)
    distance = np.abs(positions[:, None] - np.arange(side))
    return np.maximum(1 - distance, 0).astype(np.float32)


def motion_blur_along(x: Images, radius: int, deviation: float, degrees: NDArray[np.floating]) -> Images:
    """Each pixel mixed with those ahead of it on a line; their weights fall as one half of a Gaussian.

    Args:
        x: (N, C, H, W); the border repeats its pixel.
        radius: 2 * radius + 1 pixels are mixed.
        deviation: of the Gaussian, in pixels.
        degrees: (N,) direction for each image, 0 is to the right and 90 is downwards.
    """
    weights = np.exp(-(np.arange(2 * radius + 1) ** 2) / (2 * deviation**2))
    weights = weights[weights > _NEGLIGIBLE * weights.sum()]
    weights = (weights / weights.sum()).astype(np.float32)
    reach, height, width = len(weights), *x.shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
    directions = [(math.sin(math.radians(angle)), math.cos(math.radians(angle))) for angle in degrees.tolist()]
    blurred = np.zeros_like(x)
    for step, weight in enumerate(weights):
        # Half a pixel counts down, as in the program that made the published files.
        ahead = np.array([[math.ceil(step * part - 0.5) for part in direction] for direction in directions], dtype=int)
        ahead = ahead.reshape(-1, 2) + reach
        blurred += weight * windows[np.arange(len(x)), :, ahead[:, 0], ahead[:, 1]]
    return blurred


def sample(
    x: Images, columns: NDArray[np.floating], rows: NDArray[np.floating], *, border: Literal["mirror", "symmetric"]
) -> Images:
    """Bilinear samples of the images.

    Args:
        x: (N, C, H, W).
        columns: (N, H, W), where each pixel comes from, in pixels.
        rows: (N, H, W).
        border: ``mirror`` reflects about the border pixel, ``symmetric`` about its outer edge.
    """
    height, width = x.shape[2:]
    if border == "mirror":
        grid = np.stack([2 * columns / (width - 1) - 1, 2 * rows / (height - 1) - 1], axis=-1)
    else:
        grid = np.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], axis=-1)
    sampled = F.grid_sample(
        torch.from_numpy(np.ascontiguousarray(x)),
        torch.from_numpy(grid.astype(np.float32)),
        mode="bilinear",
        padding_mode="reflection",
        align_corners=border == "mirror",
    )
    return sampled.numpy()
