"""The losses that Auto-PGD climbs.

Source: Croce & Hein 2020, "Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free
attacks" (ICML), section 4.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from fairbench.attacks.network import RowLoss
from fairbench.attacks.rows import Images
from fairbench.losses.per_sample import cross_entropy

LossName = Literal["ce", "dlr", "dlr-targeted"]


def row_loss(name: LossName, images: Images) -> RowLoss:
    """A loss for the labels of a batch, and for its targets where it has them."""
    y = images.y
    if name == "ce":
        return lambda logits: cross_entropy(logits, y)
    if name == "dlr":
        return lambda logits: dlr(logits, y)
    goal = images.ranking.gather(1, images.target[:, None]).squeeze(1)
    return lambda logits: targeted_dlr(logits, y, goal)


def rows_without_gradient(images: Images, gradient: Tensor) -> Tensor:
    """Positions in the outcome of the images whose gradient (B, C, H, W) is zero throughout."""
    flat = gradient.flatten(1).abs().amax(dim=1) == 0
    return images.row[flat & images.alive]


def dlr(logits: Tensor, y: Tensor) -> Tensor:
    """The difference of logits ratio, Eq. 6: blind to shift and scale of the logits.

    Args:
        logits: (B, K), K at least 3.
        y: (B,) int64.

    Returns:
        (B,), above 0 when misclassified.
    """
    top, classes = logits.topk(3, dim=1)
    of_truth = logits.gather(1, y[:, None]).squeeze(1)
    best_other = torch.where(classes[:, 0] == y, top[:, 1], top[:, 0])
    return (best_other - of_truth) / (top[:, 0] - top[:, 2] + 1e-12)


def targeted_dlr(logits: Tensor, y: Tensor, target: Tensor) -> Tensor:
    """The targeted difference of logits ratio, Eq. 7.

    Args:
        logits: (B, K), K at least 4.
        y: (B,) int64, the class to leave.
        target: (B,) int64, the class to reach.

    Returns:
        (B,), above 0 when the target's logit is above the label's.
    """
    top = logits.topk(4, dim=1).values
    difference = logits.gather(1, target[:, None]) - logits.gather(1, y[:, None])
    return difference.squeeze(1) / (top[:, 0] - (top[:, 2] + top[:, 3]) / 2 + 1e-12)
