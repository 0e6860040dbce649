"""Training on clean images: the reference for what robustness costs."""

from __future__ import annotations

from typing import ClassVar

import fairbench
from fairbench.losses import cross_entropy
from fairbench.training.published_schedules import DISTILLATION_TRACKS, ZHANG
from fairbench.training.seams import Batch, Inner, Terms, Views


@fairbench.register(
    "natural",
    title="Natural training",
    paper="Empirical risk minimisation",
    family="objective",
    as_objective="clean",
    defaults={DISTILLATION_TRACKS: ZHANG},
)
class NaturalTraining(fairbench.Objective):
    """Cross-entropy on clean images.

    min_theta E CE(f(x), y)
    """

    attack_name: ClassVar[str] = "none"
    is_adversarial: ClassVar[bool] = False

    def perturb(self, batch: Batch, inner: Inner) -> Views:
        """No perturbation."""
        return Views({})

    def losses(self, batch: Batch, views: Views) -> Terms:
        """CE(f(x), y)."""
        logits = self.setting.network(batch.x)
        return Terms({"natural": cross_entropy(logits, batch.y)}, {"natural": 1.0}, {"clean": logits})
