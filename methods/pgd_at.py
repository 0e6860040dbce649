"""PGD-AT (Madry et al. 2018), with the settings of Rice et al. 2020."""

from __future__ import annotations

from typing import ClassVar

import fairbench
from fairbench.registry import ANY_TRACK
from fairbench.training.inner import CROSS_ENTROPY_ATTACK, cross_entropy_attack
from fairbench.training.outer import adversarial_terms
from fairbench.training.published_schedules import DISTILLATION_TRACKS, RICE
from fairbench.training.seams import Batch, BatchNormMode, Inner, Terms, Views


@fairbench.register(
    "pgd_at",
    title="PGD-AT",
    paper="Madry et al., Towards Deep Learning Models Resistant to Adversarial Attacks, ICLR 2018",
    year=2018,
    link="https://arxiv.org/abs/1706.06083",
    family="objective",
    as_objective="at",
    defaults={ANY_TRACK: {"augmentation.padding_mode": "reflect", "awp.gamma": 0.01}, DISTILLATION_TRACKS: RICE},
)
class AdversarialTraining(fairbench.Objective):
    """Cross-entropy on PGD examples.

    min_theta E max_{|x' - x| <= epsilon} CE(f(x'), y)     (Madry et al., Eq. 2.1)

    The code of Rice et al. attacks with the network in train mode, passes the clean images once more after the step,
    for its log, and pads crops by reflection; methods whose code does otherwise say so. AWP's gamma is 0.01 here.
    """

    attack_bn: ClassVar[BatchNormMode] = "train"
    extra_clean_forwards: ClassVar[int] = 1
    attack_name: ClassVar[str] = CROSS_ENTROPY_ATTACK

    def perturb(self, batch: Batch, inner: Inner) -> Views:
        """PGD from a uniform start, last iterate."""
        ascent = cross_entropy_attack(self.setting, batch, inner)
        return Views({"adversarial": ascent.x_adv})

    def losses(self, batch: Batch, views: Views) -> Terms:
        """CE(f(x'), y)."""
        return adversarial_terms(self.setting.network, batch, views.x["adversarial"])
