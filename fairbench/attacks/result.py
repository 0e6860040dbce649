"""What an attack for evaluation returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class AttackResult:
    """Outcomes image by image, and what the attack saw on its way."""

    x_adv: Tensor
    """(N, C, H, W): an adversarial example where one was found, else the image itself."""
    robust: Tensor
    """(N,) bool: the network answers the label on the image and nothing better was found."""
    predicted: Tensor
    """(N,) int64: the answer of the network, in its own precision, on ``x_adv``."""
    log: dict[str, dict[str, Any]] = field(default_factory=dict)
    """per attack: ``attacked`` and ``broken`` (images), ``attacked_by_class``, ``zero_gradient`` (images by class whose
    first gradient is exactly zero), ``unrounded`` (images so near the boundary that a search in bfloat16 left them to
    float32), ``seconds``, ``passes`` (images through the network, seconds there), ``notes``."""
    checks: dict[str, Any] = field(default_factory=dict)
    """of the network: ``randomised``, ``probabilities``, ``dynamic``, ``classes``, ``logits_range`` (clean images),
    ``square_better`` and ``suspicion`` (a sentence, where Square broke what the attacks before it left), ``farthest``
    (largest distance of an adversarial example), ``micro_batch``, ``shapes`` (sizes of a pass),
    ``search_precision``, ``threads``, ``workers`` (threads that search side by side), ``notes``."""
