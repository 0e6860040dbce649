"""Brightness and saturation, which leave the hue alone, and what a colour looks like in a grey image."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fairbench.data.corruptions.draws import Draws, Images

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""ITU-R BT.601."""


def luma(x: Images) -> Images:
    """The grey (N, 1, H, W) of images (N, 1 or 3, H, W)."""
    if x.shape[1] == 1:
        return x
    red, green, blue = (weight * x[:, channel : channel + 1] for channel, weight in enumerate(_LUMA))
    return red + green + blue


def shade(colour: ArrayLike, channels: int) -> NDArray[np.float32]:
    """A colour for images of three channels or of one: (channels, 1, 1).

    Args:
        colour: red, green, blue in [0, 1].
        channels: 1 or 3.
    """
    values = np.asarray(colour, dtype=np.float32)
    values = values if channels == 3 else (values * _LUMA).sum(keepdims=True)
    return values[:, None, None]


def brightness(x: Images, amount: float, _draws: Draws) -> Images:
    """HSV with V + amount, at most 1: all channels of a pixel grow by the same factor."""
    value = x.max(axis=1, keepdims=True)
    brighter = np.minimum(value + np.float32(amount), 1)
    return np.where(value > 0, x * (brighter / np.maximum(value, np.float32(1 / 255))), brighter)


def saturate(x: Images, constants: tuple[float, float], _draws: Draws) -> Images:
    """HSV with factor * S + amount, in [0, 1].

    A grey pixel has S = 0 and the hue of red, so it stays as it is where the amount is 0 and turns reddish elsewhere.
    A grey image is taken as one of three equal channels.
    """
    factor, amount = constants
    if x.shape[1] == 1:
        return luma(_saturated(np.repeat(x, 3, axis=1), factor, amount)) if amount else x
    return _saturated(x, factor, amount)


def _saturated(x: Images, factor: float, amount: float) -> Images:
    value = x.max(axis=1, keepdims=True)
    spread = value - x.min(axis=1, keepdims=True)
    saturation = np.divide(spread, value, out=np.zeros_like(value), where=value > 0)
    wanted = np.clip(saturation * np.float32(factor) + np.float32(amount), 0, 1)
    reddish = np.concatenate([value, value * (1 - wanted), value * (1 - wanted)], axis=1)
    change = np.divide(wanted, saturation, out=np.zeros_like(value), where=saturation > 0)
    return np.where(saturation > 0, value - (value - x) * change, reddish)
