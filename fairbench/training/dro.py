"""The class weights of KL-constrained distributionally robust optimisation, in closed form.

``max <w, losses>`` over the simplex, with the divergence between w and uniform at most tau. Stationarity leaves one
scalar root per problem, found by Newton steps inside a bracket: batched, on the device, without a host round trip.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor

Divergence = Literal["reverse_kl", "kl"]
_NEWTON_STEPS = {"reverse_kl": 14, "kl": 40}


def worst_case_weights(losses: Tensor, tau: float, divergence: Divergence = "reverse_kl") -> Tensor:
    """The class weights under which the mixture of class losses is worst.

    Args:
        losses: (..., K) float, one loss (or margin) per class; leading dimensions are separate problems.
        tau: radius of the ball around uniform, at least 0.
        divergence: ``reverse_kl`` bounds KL(uniform || w), as FAAL's paper and code do; ``kl`` bounds KL(w || uniform).

    Returns:
        (..., K) in the dtype of ``losses``, without gradient; each row sums to 1. Uniform when tau is 0 or all
        losses are equal.

    Raises:
        ValueError: for a negative or infinite tau, an unknown divergence, or losses without classes.

    Source: FAAL (Zhang et al., CVPR 2024), Eq. 7-8.
    """
    if not 0 <= tau < math.inf:
        raise ValueError(f"expected a finite tau of at least 0, got {tau}")
    if divergence not in get_args(Divergence):
        raise ValueError(f"expected divergence in {get_args(Divergence)}, got {divergence!r}")
    if losses.ndim == 0 or losses.shape[-1] == 0:
        raise ValueError(f"expected losses of shape (..., K) with K at least 1, got {tuple(losses.shape)}")
    gap, is_flat = _gaps(losses.detach().double())
    uniform = torch.full_like(gap, 1 / gap.shape[-1])
    if tau == 0 or gap.shape[-1] == 1:
        return uniform.to(losses.dtype)
    solve = _reverse_kl_weights if divergence == "reverse_kl" else _kl_weights
    return torch.where(is_flat, uniform, solve(gap, tau)).to(losses.dtype)


def _gaps(losses: Tensor) -> tuple[Tensor, Tensor]:
    # The solution does not change under scaling and shifting, so every problem is put on gaps in [0, 1] to the worst
    # class. Halving first keeps the difference of two huge losses finite.
    gap = losses.amax(dim=-1, keepdim=True) / 2 - losses / 2
    spread = gap.amax(dim=-1, keepdim=True)
    scale = losses.abs().amax(dim=-1, keepdim=True)
    is_flat = spread <= 1e-15 * scale
    gap = torch.where(is_flat, torch.arange(gap.shape[-1], dtype=gap.dtype, device=gap.device), gap)
    return gap / gap.amax(dim=-1, keepdim=True), is_flat


def _reverse_kl_weights(gap: Tensor, tau: float) -> Tensor:
    """w_c proportional to 1 / (s + gap_c); s solves log(mean v) - mean(log v) = tau for v_c = 1 / (s + gap_c)."""
    num_classes = gap.shape[-1]
    tied = (gap == 0).sum(dim=-1, keepdim=True, dtype=gap.dtype)
    log_gap = gap.log()
    smallest = log_gap.masked_fill(gap == 0, torch.inf).amin(dim=-1, keepdim=True)
    # For two classes this bound is the root itself; the room keeps rounding from shutting Newton's steps out.
    low = smallest - (tau + torch.log(num_classes / tied)) / (1 - tied / num_classes) - 1e-6
    high = torch.full_like(low, -math.log(tau))
    log_s = (gap.std(dim=-1, correction=0, keepdim=True) / math.sqrt(2 * tau)).log().clamp(low, high)
    for _ in range(_NEWTON_STEPS["reverse_kl"]):
        log_v = -torch.logaddexp(log_s, log_gap)
        log_total = log_v.logsumexp(dim=-1, keepdim=True)
        excess = log_total - math.log(num_classes) - log_v.mean(dim=-1, keepdim=True) - tau
        share = (log_s + log_v).exp()
        slope = (share * (1 / num_classes - (log_v - log_total).exp())).sum(dim=-1, keepdim=True)
        low = torch.where(excess >= 0, log_s, low)
        high = torch.where(excess < 0, log_s, high)
        log_s = _inside(log_s - excess / slope, low, high)
    return (-torch.logaddexp(log_s, log_gap)).softmax(dim=-1)


def _kl_weights(gap: Tensor, tau: float) -> Tensor:
    """w_c proportional to exp(-b gap_c); b solves log K - H(w) = tau, or is infinite when tau is out of reach."""
    num_classes = gap.shape[-1]
    tied = (gap == 0).sum(dim=-1, keepdim=True, dtype=gap.dtype)
    smallest = gap.masked_fill(gap == 0, torch.inf).amin(dim=-1, keepdim=True)
    log_b = torch.full_like(smallest, 0.5 * math.log(8 * tau))
    low, high = log_b, torch.log(800 / smallest).maximum(log_b + 1)  # exp(-800) is 0: nothing is left to move
    for _ in range(_NEWTON_STEPS["kl"]):
        b = log_b.exp()
        w = (-b * gap).softmax(dim=-1)
        excess = torch.special.xlogy(w, num_classes * w).sum(dim=-1, keepdim=True) - tau
        centred = gap - (w * gap).sum(dim=-1, keepdim=True)
        slope = b.square() * (w * centred.square()).sum(dim=-1, keepdim=True)
        low = torch.where(excess < 0, log_b, low)
        high = torch.where(excess >= 0, log_b, high)
        log_b = _inside(log_b - excess / slope, low, high)
    on_the_worst = (gap == 0) / tied
    return torch.where(tau >= torch.log(num_classes / tied), on_the_worst, (-log_b.exp() * gap).softmax(dim=-1))


def _inside(newton: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Newton's point where it lies in the bracket, else the middle."""
    return torch.where((newton >= low) & (newton <= high), newton, (low + high) / 2)
