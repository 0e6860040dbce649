"""An attack of another package, as a condition of the battery."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from fairbench.attacks.ascent import Logits


@dataclass(frozen=True, kw_only=True)
class ForeignAttack:
    """What is done to a batch of images; the evaluator checks that they stay in the ball and asks the model itself."""

    summary: str
    """one line for the tables."""
    perturb: Callable[..., Tensor]
    """(model, x (B, C, H, W) in [0, 1], y (B,), *, eps, seed, indices (B,)) -> x_adv like x. Whatever it draws must
    depend on ``seed`` and ``indices`` alone, so that the same image meets the same attack in any batch."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """all that decides the outcome; written to the record."""

    def __call__(self, model: Logits, x: Tensor, y: Tensor, *, eps: float, seed: int, indices: Tensor) -> Tensor:
        """The perturbed images."""
        return self.perturb(model, x, y, eps=eps, seed=seed, indices=indices)
