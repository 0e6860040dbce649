"""One query of Square: change a square, ask, and take it back where that did not help."""

from __future__ import annotations

import torch
from torch import Tensor

from fairbench.attacks.ascent import Logits
from fairbench.attacks.rows import choose
from fairbench.losses.per_sample import margin


def query(logits_of: Logits, points: Tensor, y: Tensor, score: Tensor, *square: Tensor) -> tuple[Tensor, Tensor]:
    """Ask about one change of each image.

    Args:
        logits_of: the network.
        points: (B, C, H, W), the best ones so far; changed in place where the margin grows.
        y: (B,) int64.
        score: (B,), margins of the points.
        square: (B, P) int64, which pixels are changed, positions in the flattened image; (B, P), what they become.

    Returns:
        the new margins (B,), and (B,) bool, which points were changed and are misclassified.
    """
    pixels, values = square
    best = points.flatten(1)
    before = best.gather(1, pixels)
    # In place, and taken back where it did not help: the squares are small, the images are not.
    best.scatter_(1, pixels, values)
    found = margin(logits_of(points), y)
    better = found > score
    best.scatter_(1, pixels, choose(better, values, before))
    return torch.maximum(found, score), better.logical_and_(found >= 0)
