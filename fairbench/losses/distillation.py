"""What a student loses against its teacher."""

from __future__ import annotations

from torch import Tensor

from fairbench.losses.per_sample import kl_divergence


def softened_kl(teacher_logits: Tensor, logits: Tensor, temperature: float) -> Tensor:
    """t^2 KL(softmax(z / t) || softmax(s / t)) of each sample (Hinton et al. 2015); gradients flow through both.

    Args:
        teacher_logits: (B, K) float, z.
        logits: (B, K) float, s.
        temperature: t, above 0; the factor t^2 keeps the size of the gradient.

    Returns:
        (B,) float, at least 0 up to rounding.
    """
    if temperature == 1:
        return kl_divergence(teacher_logits, logits)
    return temperature**2 * kl_divergence(teacher_logits / temperature, logits / temperature)
