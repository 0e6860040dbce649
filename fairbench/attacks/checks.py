"""What a network does that makes an attack's verdict doubtful, as data for the log.

Source: Croce et al., the checks of the AutoAttack package: randomised or dynamic defences, outputs that are no logits,
zero gradients, Square better than the gradient attacks.
"""

from __future__ import annotations

import sys
from types import CodeType, FrameType
from typing import Any

import torch
from torch import Tensor

from fairbench.attacks.ascent import Logits

RANDOM_TOLERANCE = 1e-4
PROBABILITY_TOLERANCE = 1e-5
SQUARE_TOLERANCE = 0.002
"""a share of all images: Square may break so many more than the attacks before it."""


def inspect(model: Logits, x: Tensor) -> dict[str, bool]:
    """Look at a network's answers to one batch.

    Args:
        model: the network under attack.
        x: (B, C, H, W), B above 0.

    Returns:
        ``randomised``: two passes over the same images differ; ``probabilities``: the outputs are non-negative and
        sum to 1, so that cross-entropy attacks are weak; ``dynamic``: the forward pass itself asks for gradients.
    """
    used = _gradient_calls(model, x)
    with torch.no_grad():
        first, second = model(x), model(x)
    scale = first.norm(dim=1).clamp(min=1e-10)
    low, high = float(first.min()), float(first.max())
    sums_to_one = bool(((first.sum(dim=1) - 1).abs() < PROBABILITY_TOLERANCE).all())
    return {
        "randomised": bool(((first - second).norm(dim=1) / scale).max() > RANDOM_TOLERANCE),
        "probabilities": low > -PROBABILITY_TOLERANCE and high < 1 + PROBABILITY_TOLERANCE and sums_to_one,
        "dynamic": used,
    }


def _gradient_calls(model: Logits, x: Tensor) -> bool:
    watched: set[CodeType] = {
        torch.autograd.grad.__code__,
        torch.autograd.backward.__code__,
        Tensor.backward.__code__,
    }
    seen = False

    def note(frame: FrameType, event: str, _: Any) -> None:
        nonlocal seen
        seen = seen or (event == "call" and frame.f_code in watched)

    before = sys.getprofile()
    if before is not None and not callable(before):
        return False  # a profiler written in C is at work, and it cannot be put back
    sys.setprofile(note)
    try:
        # With gradients on, as a defence that optimises its input needs them.
        model(x)
    finally:
        sys.setprofile(before)
    return seen


def square_is_better(broken: dict[str, int], images: int) -> bool | None:
    """Whether Square breaks what the gradient attacks before it could not; None where nothing came before it.

    Args:
        broken: images by member, in the order of the members.
        images: all images of the evaluation.
    """
    if "square" not in broken or next(iter(broken)) == "square":
        return None
    return broken["square"] > SQUARE_TOLERANCE * images


def square_suspicion(broken: dict[str, int], images: int) -> str | None:
    """The sentence to note where Square is better; arguments as :func:`square_is_better`."""
    if not square_is_better(broken, images):
        return None
    return (
        f"square broke {broken['square']} images that the attacks before it left: gradients may be masked; "
        "more queries or an adaptive attack would say more."
    )
