"""What a model answers to a batch under a condition."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from fairbench.errors import WorkError
from fairbench.evaluation.battery import Condition
from fairbench.evaluation.network import FixedShape

_TOLERANCE = 1e-6


class Verdicts(NamedTuple):
    """What the model answers to a batch under a condition."""

    answers: Tensor
    """(B,) int64."""
    checks: dict[str, Any] | None = None
    """of a search."""


def verdicts(condition: Condition, logits_of: FixedShape, x: Tensor, y: Tensor, indices: Tensor) -> Verdicts:
    """What the float32 model answers to each image under a condition.

    An image that is misclassified as it is counts as misclassified under every attack, with that answer; not so under
    a corruption, which nobody chose.

    Args:
        condition: what is done to the images.
        logits_of: the network.
        x: (B, C, H, W) in [0, 1].
        y: (B,) int64.
        indices: (B,) int64, positions in the whole split.

    Raises:
        WorkError: if the answer is not finite, or an image left the epsilon ball or the unit box.
    """
    unchanged = _answer(condition, logits_of, x) if condition.adversarial else None
    try:
        x_adv, checks = condition.perturb(logits_of, x, y, indices)
    except (ValueError, ArithmeticError) as error:
        raise WorkError(f"{condition.name} failed: {error}") from error
    _check_containment(condition, x, x_adv)
    answers = _answer(condition, logits_of, x_adv)
    return Verdicts(answers if unchanged is None else torch.where(unchanged == y, answers, unchanged), checks)


def _answer(condition: Condition, logits_of: FixedShape, x: Tensor) -> Tensor:
    with torch.no_grad():
        logits = logits_of(x)
    if not torch.isfinite(logits).all():
        raise WorkError(f"the model answers NaN or infinite logits under {condition.name}; its verdicts mean nothing")
    return logits.argmax(dim=1)


def _check_containment(condition: Condition, x: Tensor, x_adv: Tensor) -> None:
    if x_adv.shape != x.shape:
        raise WorkError(f"{condition.name} returned images of shape {tuple(x_adv.shape)}, expected {tuple(x.shape)}")
    outside = torch.stack([(x_adv - x).abs().amax() - condition.epsilon, -x_adv.amin(), x_adv.amax() - 1]).amax()
    if not outside <= _TOLERANCE:
        raise WorkError(
            f"{condition.name} left the epsilon ball or the unit box by {float(outside):.2g}; "
            "its adversarial examples do not count"
        )
