"""AdaAD: Adaptive Adversarial Distillation (Huang et al., CVPR 2023)."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from pydantic import Field

import fairbench
from fairbench.losses import kl_divergence
from fairbench.training.distillation import ELEMENT_MEAN_TRACKS, Distillation
from fairbench.training.published_schedules import DISTILLATION_TRACKS, RICE
from fairbench.training.seams import Batch, Inner, Terms, Views


@fairbench.register(
    "adaad",
    title="AdaAD",
    paper="Huang et al., Boosting Accuracy and Robustness of Student Models via Adaptive Adversarial Distillation, "
    "CVPR 2023",
    year=2023,
    family="distillation",
    needs=("teacher",),
    as_objective="adaad",
    defaults={**ELEMENT_MEAN_TRACKS, DISTILLATION_TRACKS: RICE, "cifar100-*": {"kl_reduction": "batch_mean"}},
)
class AdaAd(Distillation):
    """Search where student and teacher disagree most, and match them there.

    min_theta E [ alpha KL(T(x') || S(x')) + (1 - alpha) KL(T(x) || S(x)) ]
    x' = argmax_{|x' - x| <= epsilon} KL(T(x') || S(x'))

    The teacher sees the perturbed image, in the attack too: the gradient passes through both networks, so a step costs
    as many passes through the teacher as through the student. The code divides the divergences by the number of
    classes on CIFAR-10 and not on CIFAR-100 (``kl_reduction=batch_mean``). It attacks in eval mode and passes the clean
    images in train mode at alpha = 1 as well. The script's own radius is 16/255, its published commands say 8/255.
    Published: 200 epochs, 0.1 divided by 10 at 100 and 150, weight decay 5e-4. Here the track's schedule holds.
    """

    attack_name: ClassVar[str] = "pgd on KL(teacher adversarial || student adversarial)"

    class Options(Distillation.Options):
        """Settings of the objective."""

        alpha: float = Field(default=1.0, ge=0, le=1)
        """share of the adversarial term."""

    options: Options

    def perturb(self, batch: Batch, inner: Inner) -> Views:
        """PGD on the disagreement, through student and teacher; then the teacher's answers for both terms."""
        views = self.attack(batch, inner, lambda x_adv, logits: kl_divergence(self.ask(x_adv), logits))
        return replace(views, soft_labels={"adversarial": self.ask(views.x["adversarial"]), "clean": self.ask(batch.x)})

    def losses(self, batch: Batch, views: Views) -> Terms:
        """Two divergences; the clean forward comes first."""
        alpha = self.options.alpha
        clean = self.clean_forward(batch.x, learns=alpha < 1)
        adversarial = self.setting.network(views.x["adversarial"])
        return self.divergences(views, adversarial=adversarial, clean=clean, shares=(alpha, 1 - alpha))
