"""Noise: each value of each pixel for itself."""

from __future__ import annotations

import numpy as np

from fairbench.data.corruptions.draws import Draws, Images


def gaussian_noise(x: Images, deviation: float, draws: Draws) -> Images:
    """Add deviation * n with n standard normal."""
    return x + np.float32(deviation) * draws.normal(*x.shape[1:])


def speckle_noise(x: Images, deviation: float, draws: Draws) -> Images:
    """Add x * deviation * n with n standard normal."""
    return x + x * np.float32(deviation) * draws.normal(*x.shape[1:])


def shot_noise(x: Images, photons: int, draws: Draws) -> Images:
    """Poisson(x * photons) / photons: few photons are grainy."""
    return draws.poisson(x.astype(np.float64) * photons) / np.float32(photons)


def impulse_noise(x: Images, amount: float, draws: Draws) -> Images:
    """Salt and pepper: a share of the values becomes 0 or 1, each as often."""
    chance = draws.uniform(*x.shape[1:])
    peppered = np.where(chance < amount / 2, np.float32(0), x)
    return np.where(chance >= 1 - amount / 2, np.float32(1), peppered)
