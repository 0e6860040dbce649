"""Where an attack starts: drawn from a generator in training, keyed by image in evaluation."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from fairbench.attacks.ascent import ball_bounds, per_sample

TRADES_NOISE = 0.001
"""Standard deviation of TRADES' Gaussian start, in pixel units; the KL gradient at the image itself is zero."""


def uniform_start(x: Tensor, epsilon: float | Tensor, generator: torch.Generator) -> Tensor:
    """A uniform point of the ball, clipped to the unit box.

    Args:
        x: (B, C, H, W) in [0, 1].
        epsilon: radius, scalar or (B,).
        generator: on the device of x.
    """
    noise = torch.rand(x.shape, generator=generator, device=x.device, dtype=x.dtype).mul_(2).sub_(1)
    return torch.clamp(x + noise * per_sample(epsilon, x), *ball_bounds(x, epsilon))


def gaussian_start(x: Tensor, deviation: float, generator: torch.Generator) -> Tensor:
    """The image plus normal noise, not clipped: TRADES starts so, because the KL gradient at x itself is zero.

    Args:
        x: (B, C, H, W).
        deviation: standard deviation in pixel units of [0, 1]; 0.001 in TRADES.
        generator: on the device of x.
    """
    return x + deviation * torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)


def keyed_generator(seed: int, index: int, purpose: str, restart: int = 0) -> np.random.Generator:
    """Random numbers that depend on (seed, image index, purpose, restart) and on nothing else.

    Args:
        seed: the seed of the evaluation.
        index: position of the image in the whole split.
        purpose: the attack's name.
        restart: number of the restart.
    """
    digest = hashlib.sha256(f"{seed}/{purpose}/{restart}".encode()).digest()
    return np.random.Generator(np.random.Philox(key=[int.from_bytes(digest[:8], "little"), index]))


def keyed_uniform(x: Tensor, *, seed: int, indices: Tensor, purpose: str, restart: int | Tensor = 0) -> Tensor:
    """Noise in [-1, 1], drawn image by image: batches, order and resume do not change it.

    Args:
        x: (B, C, H, W); gives shape, type and device.
        seed: the seed of the evaluation.
        indices: (B,) int64, positions in the whole split.
        purpose: the attack's name.
        restart: number of the restart, one for all or (B,) int64.

    Returns:
        (B, C, H, W) like x.
    """
    rows = [
        generator.random(x.shape[1:], dtype=np.float32) for generator in _generators(seed, indices, purpose, restart)
    ]
    noise = np.stack(rows) if rows else np.empty(x.shape, dtype=np.float32)
    return torch.from_numpy(noise * 2 - 1).to(device=x.device, dtype=x.dtype)


def keyed_normal(x: Tensor, *, seed: int, indices: Tensor, purpose: str, restart: int | Tensor = 0) -> Tensor:
    """Standard normal noise, drawn image by image as ``keyed_uniform`` does.

    Args:
        x: (B, C, H, W); gives shape, type and device.
        seed: the seed of the evaluation.
        indices: (B,) int64, positions in the whole split.
        purpose: the attack's name.
        restart: number of the restart, one for all or (B,) int64.

    Returns:
        (B, C, H, W) like x.
    """
    rows = [generator.standard_normal(x.shape[1:]) for generator in _generators(seed, indices, purpose, restart)]
    noise = np.stack(rows) if rows else np.empty(x.shape)
    return torch.from_numpy(noise).to(device=x.device, dtype=x.dtype)


def _generators(seed: int, indices: Tensor, purpose: str, restart: int | Tensor) -> Iterator[np.random.Generator]:
    restarts = restart.tolist() if isinstance(restart, Tensor) else [restart] * len(indices)
    for index, number in zip(indices.tolist(), restarts, strict=True):
        yield keyed_generator(seed, index, purpose, number)


def keyed_start(
    x: Tensor,
    epsilon: float,
    *,
    norm: str,
    seed: int,
    indices: Tensor | None,
    purpose: str,
    restart: int = 0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """A random point of the ball, clipped to the unit box; uniform per pixel for L-infinity.

    Args:
        x: (B, C, H, W) in [0, 1].
        epsilon: radius.
        norm: ``linf``, or ``l2`` for a random direction of length epsilon times a uniform number.
        seed: the seed of the evaluation.
        indices: (B,) int64, positions in the whole split; 0..B-1 when None.
        purpose: the attack's name.
        restart: number of the restart.
        generator: draws instead of the keys, when given.
    """
    if generator is not None:
        noise = torch.rand(x.shape, generator=generator, device=x.device, dtype=x.dtype).mul_(2).sub_(1)
    else:
        keys = torch.arange(len(x)) if indices is None else indices
        noise = keyed_uniform(x, seed=seed, indices=keys, purpose=purpose, restart=restart)
    if norm == "l2":
        flat = noise.flatten(1)
        noise = (flat / (flat.norm(dim=1, keepdim=True) + 1e-12)).view_as(x)
    return (
        (x + epsilon * noise).clamp(0, 1)
        if norm == "l2"
        else torch.clamp(x + noise * epsilon, *ball_bounds(x, epsilon))
    )
