"""Plasma: a random height map with detail at every scale, by midpoint displacement."""

from __future__ import annotations

import numpy as np

from fairbench.data.corruptions.draws import Draws, Images

_FIRST_ROUGHNESS = 100.0


def plasma(draws: Draws, side: int, decay: float) -> Images:
    """Height maps (N, side, side), each from 0 to 1, that repeat without a seam.

    Squares, then diamonds, of half the width in each round: a new point is the mean of its four neighbours plus a
    uniform number in [-r^2, r^2], where r shrinks by the decay from round to round.

    Args:
        draws: of the images.
        side: a power of two.
        decay: above 1; the lower, the rougher.

    Source: Fournier, Fussell & Carpenter, Computer rendering of stochastic models, CACM 1982.
    """
    random = 2 * draws.uniform(side, side) - 1
    heights = np.zeros_like(random)
    step, roughness = side, _FIRST_ROUGHNESS
    while step >= 2:
        half, amplitude = step // 2, np.float32(roughness**2)
        corners = heights[:, ::step, ::step]
        centres = np.s_[:, half::step, half::step]
        heights[centres] = _mean(corners, _next(corners, 1), _next(corners, 2), _next(_next(corners, 1), 2))
        heights[centres] += amplitude * random[centres]
        middles, top, left = heights[centres], np.s_[:, ::step, half::step], np.s_[:, half::step, ::step]
        heights[top] = _mean(corners, _next(corners, 2), middles, _previous(middles, 1)) + amplitude * random[top]
        heights[left] = _mean(corners, _next(corners, 1), middles, _previous(middles, 2)) + amplitude * random[left]
        step, roughness = half, roughness / decay
    low, high = (getattr(heights, end)(axis=(1, 2), keepdims=True) for end in ("min", "max"))
    return (heights - low) / (high - low)


def _mean(*neighbours: Images) -> Images:
    total = neighbours[0] + neighbours[1]
    return (total + (neighbours[2] + neighbours[3])) / np.float32(4)


def _next(grid: Images, axis: int) -> Images:
    return np.roll(grid, -1, axis=axis)


def _previous(grid: Images, axis: int) -> Images:
    return np.roll(grid, 1, axis=axis)
