"""BAT: Balance Adversarial Training (Sun et al., AAAI 2023)."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field

import fairbench
from fairbench.attacks.ascent import EarlyStop
from fairbench.losses import cross_entropy, kl_divergence
from fairbench.training.inner import kl_attack
from fairbench.training.published_schedules import DISTILLATION_TRACKS, SUN
from fairbench.training.seams import Batch, Inner, Terms, Views


@fairbench.register(
    "bat",
    title="BAT",
    paper="Sun et al., Improving Robust Fairness via Balance Adversarial Training, AAAI 2023",
    year=2023,
    link="https://arxiv.org/abs/2209.07534",
    as_objective="bat",
    defaults={"digits": {"schedule.epochs": 12}, "fmnist": {"schedule.epochs": 4}, DISTILLATION_TRACKS: SUN},
)
class BalanceAdversarialTraining(fairbench.Objective):
    """Train on the two points that bracket the decision boundary, and pull both towards the uniform prediction.

    min_theta E [ CE(f(x_lc), y) + beta KL(p(x) || p(x_fa)) + KL(p(x_lc) || U) + KL(p(x_fa) || U) ]

    x_lc is the last iterate of the KL attack that is still classified correctly, x_fa the one ``patience`` steps after
    the first that is not; U is uniform, and KL(p || U) = log K - entropy(p). All gradients are kept. The paper speaks
    of strength by class; its public code, which this is, stops sample by sample and has no quantity of a class. As
    there, the last iterate of an attack that never stopped is not checked.
    """

    attack_name: ClassVar[str] = "pgd on the KL, last clean and first adversarial iterate"
    is_regularised: ClassVar[bool] = True

    class Options(fairbench.Objective.Options):
        """Settings of the objective."""

        beta: float = Field(default=6.0, ge=0)
        """weight of the boundary term."""
        uniformity: float = Field(default=1.0, ge=0)
        """weight of both uniform terms; 1, and not an option, in the public code."""
        patience: int = Field(default=1, ge=0)
        """steps beyond the first misclassified iterate; 1 in the public code."""

    options: Options

    def perturb(self, batch: Batch, inner: Inner) -> Views:
        """Two ascents with noise of their own."""
        last_clean = EarlyStop(labels=batch.y, tau=0, emit="previous")
        first_adversarial = EarlyStop(labels=batch.y, tau=self.options.patience)
        return Views(
            {
                "last_clean": kl_attack(self.setting, batch, inner, last_clean).x_adv,
                "first_adversarial": kl_attack(self.setting, batch, inner, first_adversarial).x_adv,
            }
        )

    def losses(self, batch: Batch, views: Views) -> Terms:
        """The four terms."""
        network = self.setting.network
        last_clean, first_adversarial = network(views.x["last_clean"]), network(views.x["first_adversarial"])
        clean = network(batch.x)
        uniform = torch.zeros_like(clean)
        return Terms(
            per_sample={
                "natural": cross_entropy(last_clean, batch.y),
                "boundary": kl_divergence(clean, first_adversarial),
                "uniform_clean": kl_divergence(last_clean, uniform),
                "uniform_adversarial": kl_divergence(first_adversarial, uniform),
            },
            coefficients={
                "natural": 1.0,
                "boundary": self.options.beta,
                "uniform_clean": self.options.uniformity,
                "uniform_adversarial": self.options.uniformity,
            },
            logits={"clean": clean, "last_clean": last_clean, "adversarial": first_adversarial},
        )
