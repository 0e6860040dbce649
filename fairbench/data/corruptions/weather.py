"""Weather: snow, frost, fog."""

from __future__ import annotations

import numpy as np

from fairbench.data.corruptions.colour import luma
from fairbench.data.corruptions.draws import Draws, Images
from fairbench.data.corruptions.frost_textures import TEXTURES, frost_textures
from fairbench.data.corruptions.geometry import clipped_zoom, motion_blur_along
from fairbench.data.corruptions.plasma import plasma
from fairbench.data.corruptions.rounding import as_bytes, as_rounded_bytes, as_unit


def snow(x: Images, constants: tuple[float, float, float, float, int, float, float], draws: Draws) -> Images:
    """Whiten the image, then add flakes that fall, and the same flakes turned by half a turn."""
    mean, deviation, zoom, threshold, radius, motion, share = constants
    height, width = x.shape[2:]
    flakes = clipped_zoom(np.float32(mean) + np.float32(deviation) * draws.normal(1, height, width), zoom)
    flakes = as_unit(as_bytes(np.where(flakes < threshold, np.float32(0), flakes)))
    falling = motion_blur_along(flakes, radius, motion, 90 * draws.uniform() - 135)
    layer = as_unit(as_rounded_bytes(falling))
    whitened = np.maximum(x, luma(x) * np.float32(1.5) + np.float32(0.5))
    whitened = np.float32(share) * x + np.float32(1 - share) * whitened
    return whitened + layer + layer[:, :, ::-1, ::-1]


def fog(x: Images, constants: tuple[float, float], draws: Draws) -> Images:
    """Add plasma and bring the brightest value of the image back to where it was."""
    thickness, decay = constants
    brightest = x.max(axis=(1, 2, 3), keepdims=True)
    height, width = x.shape[2:]
    clouds = plasma(draws, 1 << (max(height, width) - 1).bit_length(), decay)[:, None, :height, :width]
    return (x + np.float32(thickness) * clouds) * (brightest / (brightest + np.float32(thickness)))


def frost(x: Images, constants: tuple[float, float], draws: Draws) -> Images:
    """Darken the image and add a random cut of one of the textures."""
    share, strength = constants
    channels, height, width = x.shape[1:]
    textures = frost_textures()
    textures = textures if channels == 3 else luma(textures)
    which = draws.below(TEXTURES)
    rows = draws.below(textures.shape[2], 1) + np.arange(height)
    columns = draws.below(textures.shape[3], 1) + np.arange(width)
    # The textures repeat without a seam.
    rows, columns = rows % textures.shape[2], columns % textures.shape[3]
    cuts = textures[which[:, None, None], :, rows[:, :, None], columns[:, None, :]].transpose(0, 3, 1, 2)
    return np.float32(share) * x + np.float32(strength) * cuts
