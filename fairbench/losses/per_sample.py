"""Losses that keep the batch dimension: every reduction is somebody else's decision."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """The cross-entropy -log p_y of each sample.

    Args:
        logits: (B, K) float.
        y: (B,) int64 labels in 0..K-1.

    Returns:
        (B,) float, at least 0.
    """
    return F.cross_entropy(logits, y, reduction="none")


def boosted_cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """-log p_y - log(1.0001 - max_{j != y} p_j) of each sample (MART, Wang et al. 2020).

    Args:
        logits: (B, K) float, K at least 2.
        y: (B,) int64 labels in 0..K-1.

    Returns:
        (B,) float, at least -1e-4: the constant of the public code keeps the logarithm finite.
    """
    best_other = _best_other(logits.softmax(dim=1), y)
    return cross_entropy(logits, y) - torch.log(1.0001 - best_other)


def kl_divergence(target_logits: Tensor, logits: Tensor) -> Tensor:
    """KL(p || q) of each sample, summed over classes; gradients flow through both arguments.

    Args:
        target_logits: (B, K) float, p = softmax(target_logits).
        logits: (B, K) float, q = softmax(logits).

    Returns:
        (B,) float, at least 0 up to rounding.
    """
    log_p = F.log_softmax(target_logits, dim=1)
    log_q = F.log_softmax(logits, dim=1)
    return (log_p.exp() * (log_p - log_q)).sum(dim=1)


def margin(scores: Tensor, y: Tensor) -> Tensor:
    """The best score of a wrong class minus the score of the true class; above 0 means misclassified.

    Args:
        scores: (B, K) float, logits (Carlini & Wagner 2017) or probabilities; K at least 2.
        y: (B,) int64.

    Returns:
        (B,) float.
    """
    return _best_other(scores, y) - scores.gather(1, y.unsqueeze(1)).squeeze(1)


def probability_margin(logits: Tensor, y: Tensor) -> Tensor:
    """The margin of probabilities, in [-1, 1] (FAAL, section 3.2: bounded, so that classes compare).

    Args:
        logits: (B, K) float.
        y: (B,) int64.

    Returns:
        (B,) float.
    """
    return margin(logits.softmax(dim=1), y)


def _best_other(scores: Tensor, y: Tensor) -> Tensor:
    return scores.scatter(1, y.unsqueeze(1), -torch.inf).amax(dim=1)
