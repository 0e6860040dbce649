"""Corrupt images as CIFAR-10-C does: 19 types, 5 severities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairbench.data.corruptions import blur, colour, digital, noise, spatter, weather
from fairbench.data.corruptions.constants import CONSTANTS, CONSTANTS_NAME, GENERATOR
from fairbench.data.corruptions.draws import Draws, Images
from fairbench.data.corruptions.frost_textures import FROST_TEXTURES
from fairbench.data.corruptions.rounding import as_bytes, as_unit
from fairbench.errors import unknown_name
from fairbench.protocol.corruptions import CORRUPTIONS, SEVERITIES, SMALLEST_SIDE

_TOGETHER = 128
"""Images that are worked on at a time: few enough for the caches, many enough to hide the cost of a call."""

_APPLY: Mapping[str, Callable[..., Images]] = MappingProxyType(
    {
        "gaussian_noise": noise.gaussian_noise,
        "shot_noise": noise.shot_noise,
        "impulse_noise": noise.impulse_noise,
        "defocus_blur": blur.defocus_blur,
        "glass_blur": blur.glass_blur,
        "motion_blur": blur.motion_blur,
        "zoom_blur": blur.zoom_blur,
        "snow": weather.snow,
        "frost": weather.frost,
        "fog": weather.fog,
        "brightness": colour.brightness,
        "contrast": digital.contrast,
        "elastic_transform": digital.elastic_transform,
        "pixelate": digital.pixelate,
        "jpeg_compression": digital.jpeg_compression,
        "speckle_noise": noise.speckle_noise,
        "gaussian_blur": blur.gaussian_blur,
        "spatter": spatter.spatter,
        "saturate": colour.saturate,
    }
)


def corrupt(
    images: NDArray[np.uint8], name: str, severity: int, seed: int = 0, indices: Sequence[int] | NDArray | None = None
) -> NDArray[np.uint8]:
    """The images under a common corruption.

    What an image becomes depends on itself and on (seed, its index, name, severity) alone: neither the batch it comes
    in nor its place there changes it. A grey image is corrupted as one of three equal channels would be, but gets its
    noise once. ``saturate`` leaves grey images alone at severities 1 to 3.

    Args:
        images: (N, H, W, C) with C = 1 or 3, or (N, H, W); uint8, at least 28 pixels a side.
        name: one of ``CORRUPTIONS``.
        severity: 1 to 5.
        seed: of everything that is drawn.
        indices: (N,) positions of the images in the whole split, at least 0; None is 0..N-1.

    Returns:
        New images of the same shape, uint8.

    Raises:
        UsageError: for an unknown name.
        ValueError: for images, a severity or indices that are not as said above.

    Source: Hendrycks & Dietterich, Benchmarking Neural Network Robustness to Common Corruptions and Perturbations,
    ICLR 2019; constants of CIFAR-10-C.
    """
    if name not in CORRUPTIONS:
        raise unknown_name("corruption", name, CORRUPTIONS)
    pixels = _checked_images(images)
    _check_severity(severity)
    places = _checked_indices(indices, len(pixels))
    result = np.empty_like(pixels)
    for start in range(0, len(pixels), _TOGETHER):
        part = slice(start, start + _TOGETHER)
        x = np.ascontiguousarray(as_unit(pixels[part]).transpose(0, 3, 1, 2))
        draws = Draws(seed, places[part], name, severity)
        result[part] = as_bytes(_APPLY[name](x, CONSTANTS[name][severity - 1], draws)).transpose(0, 2, 3, 1)
    return result.reshape(images.shape)


def corruption_settings(name: str, severity: int, seed: int) -> dict[str, Any]:
    """What a record says of images that ``corrupt`` made."""
    settings = {
        "corruption": name,
        "severity": severity,
        "constants": CONSTANTS_NAME,
        "images_from": GENERATOR,
        "seed": seed,
    }
    return settings | ({"textures": FROST_TEXTURES} if name == "frost" else {})


def _checked_images(images: Any) -> NDArray[np.uint8]:
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
        came = images.dtype if isinstance(images, np.ndarray) else type(images).__name__
        raise ValueError(f"expected a numpy array of uint8, got {came}; keep the bytes of the images")
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] not in (1, 3)):
        raise ValueError(f"expected images of shape (N, H, W) or (N, H, W, 1 or 3), got {images.shape}")
    height, width = images.shape[1:3]
    if min(height, width) < SMALLEST_SIDE:
        raise ValueError(f"expected images of at least {SMALLEST_SIDE} pixels a side, got {width}x{height}")
    return images if images.ndim == 4 else images[..., np.newaxis]


def _check_severity(severity: Any) -> None:
    if isinstance(severity, bool) or not isinstance(severity, int | np.integer) or severity not in SEVERITIES:
        raise ValueError(f"expected a severity from 1 to 5, got {severity!r}")


def _checked_indices(indices: Any, count: int) -> list[int]:
    places = np.arange(count) if indices is None else np.asarray(indices)
    if places.shape != (count,) or (count and (places.dtype.kind not in "iu" or places.min() < 0)):
        raise ValueError(f"expected {count} indices, integers of at least 0, got {places.dtype} of {places.shape}")
    return places.tolist()
