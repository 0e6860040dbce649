"""The attack of Carlini and Wagner in L2: the nearest image of another class, by a penalised descent.

Source: Carlini & Wagner 2017, "Towards evaluating the robustness of neural networks" (S&P), section VI-A, untargeted.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fairbench.attacks.ascent import Logits, input_gradient
from fairbench.attacks.balls import lengths
from fairbench.attacks.validation import checked_batch, checked_logits
from fairbench.losses.per_sample import margin

INSIDE = 0.999999
"""the image is pulled in by so much before the inverse of tanh, which has no value at the borders."""
NO_BOUND = 1e10
BETA1, BETA2, TINY = 0.9, 0.999, 1e-8


@dataclass
class _Bounds:
    """The binary search for the weight of the penalty, image by image."""

    weight: Tensor
    lower: Tensor
    upper: Tensor

    def narrow(self, success: Tensor) -> None:
        self.upper = torch.where(success, torch.minimum(self.upper, self.weight), self.upper)
        self.lower = torch.where(success, self.lower, torch.maximum(self.lower, self.weight))
        middle = (self.lower + self.upper) / 2
        self.weight = torch.where(self.upper < NO_BOUND, middle, self.weight * 10)


def cw_l2(
    model: Logits,
    x: Tensor,
    y: Tensor,
    *,
    steps: int = 1000,
    search_steps: int = 9,
    step_size: float = 0.01,
    confidence: float = 0.0,
    initial_weight: float = 1e-3,
) -> Tensor:
    """The nearest adversarial example that was found in L2, without a radius; no randomness.

    Descends ``||x' - x||^2 + c max(z_y - max_{j != y} z_j, -confidence)`` over w with x' = (tanh w + 1) / 2, by Adam,
    and searches the weight c of each image by bisection.

    Args:
        model: the network, in the mode that the caller wants.
        x: (N, C, H, W) float in [0, 1].
        y: (N,) int64 labels.
        steps: of each descent, at least 0.
        search_steps: weights that are tried, at least 1.
        step_size: of Adam, in units of w.
        confidence: by how much another logit must win, at least 0.
        initial_weight: first c, above 0.

    Returns:
        (N, C, H, W) like x: the image itself where nothing was found or it is already misclassified.

    Raises:
        ValueError: shapes, range, numbers or the network's answer are not as said.
    """
    x, y = checked_batch(x, y, eps=0.0)
    if steps < 0 or search_steps < 1 or step_size <= 0 or confidence < 0 or initial_weight <= 0:
        raise ValueError(
            "expected steps >= 0, search_steps >= 1, step_size > 0, confidence >= 0 and initial_weight > 0, got "
            f"{steps}, {search_steps}, {step_size}, {confidence}, {initial_weight}."
        )
    if not len(x):
        return x.clone()
    logits_of = checked_logits(model, y)
    with torch.no_grad():
        wrong = margin(logits_of(x), y) > confidence
    best, distance = x.clone(), torch.where(wrong, 0.0, torch.inf).to(x.dtype)
    bounds = _Bounds(
        weight=torch.full_like(distance, initial_weight),
        lower=torch.zeros_like(distance),
        upper=torch.full_like(distance, NO_BOUND),
    )
    for _ in range(search_steps):
        found, length = _descend(
            logits_of, x, y, weight=bounds.weight, steps=steps, step_size=step_size, confidence=confidence
        )
        nearer = length < distance
        best = torch.where(nearer[:, None, None, None], found, best)
        distance = torch.where(nearer, length, distance)
        bounds.narrow(length.isfinite())
    return best


def _descend(
    logits_of: Logits, x: Tensor, y: Tensor, *, weight: Tensor, steps: int, step_size: float, confidence: float
) -> tuple[Tensor, Tensor]:
    """The nearest success on the way and its distance (B,), infinite where there is none."""
    free = torch.atanh((2 * x - 1) * INSIDE)
    first, second = torch.zeros_like(x), torch.zeros_like(x)
    best, distance = x, torch.full_like(weight, torch.inf)
    for step in range(1, steps + 1):
        moved = torch.tanh(free)
        x_adv = (moved + 1) / 2
        gradient, logits = input_gradient(logits_of, x_adv, lambda _, z: -margin(z, y).clamp(max=confidence) * weight)
        ahead = margin(logits, y)
        # A tie counts for the lowest label, so only a margin above 0 is a success for sure.
        success = (ahead > 0) & (ahead >= confidence)
        length = torch.where(success, lengths(x_adv - x, "l2"), torch.inf)
        nearer = length < distance
        best = torch.where(nearer[:, None, None, None], x_adv, best)
        distance = torch.where(nearer, length, distance)
        slope = (gradient + 2 * (x_adv - x)) * (1 - moved * moved) / 2
        first.mul_(BETA1).add_(slope, alpha=1 - BETA1)
        second.mul_(BETA2).addcmul_(slope, slope, value=1 - BETA2)
        rate = step_size * (1 - BETA2**step) ** 0.5 / (1 - BETA1**step)
        free = free - rate * first / (second.sqrt() + TINY)
    return best, distance
