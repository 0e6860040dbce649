"""Per-sample losses on logits, and their class-wise sums; pure functions."""

from fairbench.losses.classwise import class_counts, class_means, class_sums
from fairbench.losses.distillation import softened_kl
from fairbench.losses.per_sample import (
    boosted_cross_entropy,
    cross_entropy,
    kl_divergence,
    margin,
    probability_margin,
)

__all__ = [
    "boosted_cross_entropy",
    "class_counts",
    "class_means",
    "class_sums",
    "cross_entropy",
    "kl_divergence",
    "margin",
    "probability_margin",
    "softened_kl",
]
