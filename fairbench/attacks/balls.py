"""The balls that attacks stay in: norms, directions and projections, image by image."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from fairbench.attacks.ascent import ball_bounds
from fairbench.attacks.l1_ball import project_on_l1_ball

DenseNorm = Literal["linf", "l2"]
"""norms in which a steepest step moves every pixel."""
Norm = DenseNorm | Literal["l1"]
DENSE_NORMS: tuple[str, ...] = ("linf", "l2")
NORMS: tuple[str, ...] = (*DENSE_NORMS, "l1")
TINY = 1e-12


def lengths(delta: Tensor, norm: Norm) -> Tensor:
    """The norm of each image's perturbation.

    Args:
        delta: (B, C, H, W).
        norm: which one.

    Returns:
        (B,).
    """
    flat = delta.flatten(1)
    if norm == "linf":
        return flat.abs().amax(dim=1)
    if norm == "l1":
        return flat.abs().sum(dim=1)
    return (flat * flat).sum(dim=1).sqrt()


def unit_length(delta: Tensor, norm: Norm) -> Tensor:
    """Every perturbation scaled to norm 1 (0 stays 0)."""
    return delta / (lengths(delta, norm) + TINY)[:, None, None, None]


def step_direction(gradient: Tensor, norm: DenseNorm) -> Tensor:
    """The steepest ascent direction of length 1: the sign for L-infinity, the unit gradient for L2."""
    return gradient.sign() if norm == "linf" else unit_length(gradient, norm)


def project(point: Tensor, x: Tensor, eps: float, norm: Norm) -> Tensor:
    """Back to the ball around x and then to the unit box.

    Args:
        point: (B, C, H, W).
        x: (B, C, H, W) in [0, 1], the centres.
        eps: radius.
        norm: ``linf`` and ``l1`` (exact projection on the intersection) or ``l2`` (ball first, then box; in both).
    """
    if norm == "linf":
        return torch.clamp(point, *ball_bounds(x, eps))
    delta = point - x
    if norm == "l1":
        nearest = project_on_l1_ball(delta.flatten(1), x.flatten(1), eps).view_as(x)
        return nearest.add_(x).clamp_(0, 1)
    scale = (eps / (lengths(delta, norm) + TINY)).clamp(max=1)
    return (x + delta * scale[:, None, None, None]).clamp(0, 1)
