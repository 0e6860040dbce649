"""Per-sample losses on logits, and their class-wise sums; pure functions."""

from fairbench.losses.classwise import class_counts, class_means, class_sums
from fairbench.losses.per_sample import cross_entropy, kl_divergence, margin, probability_margin

__all__ = [
    "class_counts",
    "class_means",
    "class_sums",
    "cross_entropy",
    "kl_divergence",
    "margin",
    "probability_margin",
]
