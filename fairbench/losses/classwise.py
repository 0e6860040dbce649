"""Sums and means over the samples of each class, by scatter, without waiting for the device."""

from __future__ import annotations

import torch
from torch import Tensor


def class_sums(values: Tensor, y: Tensor, num_classes: int) -> Tensor:
    """The sum of the values of each class; an absent class gets 0 and moves no other.

    Args:
        values: (B,) or (B, D) float.
        y: (B,) int64 in 0..K-1.
        num_classes: K.

    Returns:
        (K,) or (K, D) float.
    """
    shape = (num_classes, *values.shape[1:])
    return torch.zeros(shape, dtype=values.dtype, device=values.device).index_add_(0, y, values)


def class_counts(y: Tensor, num_classes: int) -> Tensor:
    """How many samples each class has: (K,) float32.

    Args:
        y: (B,) int64 in 0..K-1.
        num_classes: K.
    """
    return class_sums(torch.ones(y.shape, device=y.device), y, num_classes)


def class_means(values: Tensor, y: Tensor, num_classes: int, *, absent: float) -> Tensor:
    """The mean of the values of each class.

    Args:
        values: (B,) float.
        y: (B,) int64 in 0..K-1.
        num_classes: K.
        absent: what a class without samples gets; the paper decides, so there is no default.

    Returns:
        (K,) float.
    """
    counts = class_counts(y, num_classes)
    means = class_sums(values, y, num_classes) / counts.clamp(min=1)
    return torch.where(counts > 0, means, torch.full_like(means, absent))
