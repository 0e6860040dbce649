"""MART: Misclassification Aware adveRsarial Training (Wang et al., ICLR 2020)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

import fairbench
from fairbench.training.inner import CROSS_ENTROPY_ATTACK, cross_entropy_attack
from fairbench.training.outer import mart_terms
from fairbench.training.seams import Batch, Inner, Terms, Views


@fairbench.register(
    "mart",
    title="MART",
    paper="Wang et al., Improving Adversarial Robustness Requires Revisiting Misclassified Examples, ICLR 2020",
    year=2020,
    link="https://openreview.net/forum?id=rklOg6EFwS",
    family="objective",
    as_objective="mart",
)
class Mart(fairbench.Objective):
    """Press harder on images that are misclassified before they are perturbed.

    BCE(p(x'), y) = -log p_y(x') - log(1 - max_{k != y} p_k(x'))
    min_theta E [ BCE(p(x'), y) + beta KL(p(x) || p(x')) (1 - p_y(x)) ]

    x' is PGD on the cross-entropy from TRADES' small Gaussian start, in eval mode. The factor 1 - p_y keeps its
    gradient. As in the public code 1.0001 stands for the 1 in the logarithm and 1.0000001 for the one before p_y.
    """

    attack_name: ClassVar[str] = CROSS_ENTROPY_ATTACK
    is_regularised: ClassVar[bool] = True

    class Options(fairbench.Objective.Options):
        """Settings of the objective."""

        beta: float = Field(default=6.0, ge=0)
        """weight of the boundary term; 6 in the public code for WRN-34-10 (and in FAAL), 5 for ResNet-18."""

    options: Options

    def perturb(self, batch: Batch, inner: Inner) -> Views:
        """PGD on the cross-entropy, last iterate."""
        return Views({"adversarial": cross_entropy_attack(self.setting, batch, inner, start="gaussian").x_adv})

    def losses(self, batch: Batch, views: Views) -> Terms:
        """Boosted cross-entropy and the boundary term."""
        return mart_terms(self.setting.network, batch, views.x["adversarial"], beta=self.options.beta)
