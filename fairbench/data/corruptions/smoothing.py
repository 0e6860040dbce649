"""A Gaussian over rows and columns, image by image."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import ndimage

from fairbench.data.corruptions.draws import Images


def smoothed(
    x: Images, deviation: float, *, border: Literal["nearest", "reflect"] = "nearest", cut_off: float = 4.0
) -> Images:
    """The planes of an array under a Gaussian blur.

    Args:
        x: (..., H, W).
        deviation: of the Gaussian, in pixels; 0 changes nothing.
        border: ``nearest`` repeats the border pixel, ``reflect`` mirrors about its outer edge.
        cut_off: where the Gaussian ends, in deviations.
    """
    return np.asarray(ndimage.gaussian_filter(x, deviation, axes=(-2, -1), mode=border, truncate=cut_off))
