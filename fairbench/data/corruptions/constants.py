"""How strong each severity is: the constants of CIFAR-10-C (Hendrycks & Dietterich 2019), weaker than ImageNet-C's.

Lengths are in pixels of a 32 x 32 image and are kept for other sizes, except where a share of the side is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

CONSTANTS_NAME = "CIFAR-10-C"

GENERATOR = "fairbench generator, version 1"
"""What records and manifests say; the version rises whenever the same call would give other bytes."""

CONSTANTS: Mapping[str, tuple[Any, Any, Any, Any, Any]] = MappingProxyType(
    {
        # standard deviation
        "gaussian_noise": (0.04, 0.06, 0.08, 0.09, 0.10),
        # photons of a white pixel
        "shot_noise": (500, 250, 100, 75, 50),
        # share of the values
        "impulse_noise": (0.01, 0.02, 0.03, 0.05, 0.07),
        # radius of the disk, deviation of its soft edge
        "defocus_blur": ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1.0, 0.2), (1.5, 0.1)),
        # deviation of the blur before and after, rounds of shuffling (by one pixel at all severities)
        "glass_blur": ((0.05, 1), (0.25, 1), (0.4, 1), (0.25, 2), (0.4, 2)),
        # radius, deviation
        "motion_blur": ((6, 1.0), (6, 1.5), (6, 2.0), (8, 2.0), (9, 2.5)),
        # end of the zooms 1, 1.01, 1.02, ... that are averaged, as numpy.arange counts them
        "zoom_blur": (1.06, 1.11, 1.16, 1.21, 1.26),
        # mean and deviation of the flakes, zoom, threshold, radius and deviation of the motion, share of the image
        "snow": (
            (0.1, 0.2, 1.0, 0.6, 8, 3.0, 0.95),
            (0.1, 0.2, 1.0, 0.5, 10, 4.0, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4.0, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6.0, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12.0, 0.8),
        ),
        # share of the image, share of the texture
        "frost": ((1.0, 0.2), (1.0, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
        # thickness, decay of the plasma from one scale to the next
        "fog": ((0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75)),
        # added to the value of HSV
        "brightness": (0.05, 0.1, 0.15, 0.2, 0.3),
        # factor on the distance to the mean
        "contrast": (0.75, 0.5, 0.4, 0.3, 0.15),
        # strength and smoothness of the displacement, shift of the affine map's corners; shares of the side
        "elastic_transform": (
            (0.0, 0.0, 0.08),
            (0.05, 0.2, 0.07),
            (0.08, 0.06, 0.06),
            (0.1, 0.04, 0.05),
            (0.1, 0.03, 0.03),
        ),
        # share of the side that is left
        "pixelate": (0.95, 0.9, 0.85, 0.75, 0.65),
        # quality
        "jpeg_compression": (80, 65, 58, 50, 40),
        # standard deviation as a share of the value
        "speckle_noise": (0.06, 0.1, 0.12, 0.16, 0.2),
        # standard deviation
        "gaussian_blur": (0.4, 0.6, 0.7, 0.8, 1.0),
        # mean and deviation of the liquid, its smoothness, threshold, strength (mud: softness), whether it is mud
        "spatter": (
            (0.62, 0.1, 0.7, 0.7, 0.5, False),
            (0.65, 0.1, 0.8, 0.7, 0.5, False),
            (0.65, 0.3, 1.0, 0.69, 0.5, False),
            (0.65, 0.1, 0.7, 0.69, 0.6, True),
            (0.65, 0.1, 0.5, 0.68, 0.6, True),
        ),
        # factor on the saturation of HSV, and what is added to it
        "saturate": ((0.3, 0.0), (0.1, 0.0), (1.5, 0.0), (2.0, 0.1), (2.5, 0.2)),
    }
)
