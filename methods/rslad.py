"""RSLAD: Robust Soft Label Adversarial Distillation (Zi et al., ICCV 2021)."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from pydantic import Field

import fairbench
from fairbench.losses import kl_divergence
from fairbench.training.distillation import ELEMENT_MEAN_TRACKS, Distillation
from fairbench.training.seams import Batch, Inner, Terms, Views


@fairbench.register(
    "rslad",
    title="RSLAD",
    paper="Zi et al., Revisiting Adversarial Robustness Distillation: Robust Soft Labels Make Student Better, "
    "ICCV 2021",
    year=2021,
    link="https://arxiv.org/abs/2108.07969",
    family="distillation",
    needs=("teacher",),
    as_objective="rslad",
    defaults={**ELEMENT_MEAN_TRACKS, "cifar100-*": {"kl_scale": 10.0}},
)
class Rslad(Distillation):
    """Replace every hard label by the robust teacher's answer on the clean image: in the attack and in both terms.

    min_theta E [ alpha KL(T(x) || S(x')) + (1 - alpha) KL(T(x) || S(x)) ]
    x' = argmax_{|x' - x| <= epsilon} KL(T(x) || S(x'))

    The true label is never read. The code divides the divergences by the number of classes, and multiplies them by 10
    on CIFAR-100 (``kl_scale=10``). The attack runs in eval mode. Published: 300 epochs, learning rate 0.1 divided by 10
    after 215, 260 and 285, weight decay 2e-4. Here the track's schedule holds.
    """

    attack_name: ClassVar[str] = "pgd on KL(teacher clean || student adversarial)"

    class Options(Distillation.Options):
        """Settings of the objective."""

        alpha: float = Field(default=5 / 6, ge=0, le=1)
        """share of the adversarial term; 5/6 in the code."""

    options: Options

    def prepare(self, batch: Batch) -> Inner:
        """The teacher's answers on the clean images, for both terms."""
        answers = self.ask(batch.x)
        return replace(super().prepare(batch), soft_labels={"adversarial": answers, "clean": answers})

    def perturb(self, batch: Batch, inner: Inner) -> Views:
        """PGD on the divergence from the labels of the adversarial term."""
        soft_labels = inner.soft_labels["adversarial"]
        return self.attack(batch, inner, lambda _, logits: kl_divergence(soft_labels, logits))

    def losses(self, batch: Batch, views: Views) -> Terms:
        """Two divergences, from two forwards."""
        alpha = self.options.alpha
        adversarial = self.setting.network(views.x["adversarial"])
        clean = self.clean_forward(batch.x, learns=alpha < 1)
        return self.divergences(views, adversarial=adversarial, clean=clean, shares=(alpha, 1 - alpha))
