"""TRADES (Zhang et al., ICML 2019)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from pydantic import Field

import fairbench
from fairbench.registry import ANY_TRACK
from fairbench.training.inner import KL_ATTACK, cross_entropy_attack, kl_attack
from fairbench.training.outer import trades_terms
from fairbench.training.published_schedules import DISTILLATION_TRACKS, ZHANG
from fairbench.training.seams import Batch, Inner, Terms, Views


@fairbench.register(
    "trades",
    title="TRADES",
    paper="Zhang et al., Theoretically Principled Trade-off between Robustness and Accuracy, ICML 2019",
    year=2019,
    link="https://arxiv.org/abs/1901.08573",
    family="objective",
    as_objective="trades",
    defaults={ANY_TRACK: {"awp.start": 0.05}, DISTILLATION_TRACKS: ZHANG},
)
class Trades(fairbench.Objective):
    """Clean cross-entropy plus beta times the KL divergence to the perturbed prediction.

    min_theta E [ CE(f(x), y) + beta max_{|x' - x| <= epsilon} KL(p(x) || p(x')) ]     (Zhang et al., Eq. 5)

    Gradients flow through both arguments of the KL. The attack runs with the network in eval mode. The public code
    passes the clean images twice, which moves batch-norm statistics twice. TRADES-AWP perturbs from epoch 10 of 200 on.
    """

    attack_name: ClassVar[str] = KL_ATTACK
    is_regularised: ClassVar[bool] = True
    extra_clean_forwards: ClassVar[int] = 1

    class Options(fairbench.Objective.Options):
        """Settings of the objective."""

        beta: float = Field(default=6.0, ge=0)
        """weight of the boundary term."""
        divide: bool = False
        """divide the loss by 1 + beta, as CFA's code does."""

    options: Options

    def hidden_settings(self) -> dict[str, Any]:
        """Whether the loss is divided by 1 + beta."""
        return super().hidden_settings() | {"loss_divided": self.options.divide}

    def perturb(self, batch: Batch, inner: Inner) -> Views:
        """PGD on the KL from a small Gaussian start, last iterate; towards targets it is the cross-entropy's."""
        attack = kl_attack if inner.targets is None else cross_entropy_attack
        return Views({"adversarial": attack(self.setting, batch, inner).x_adv})

    def losses(self, batch: Batch, views: Views) -> Terms:
        """CE(f(x), y) and KL(p(x) || p(x')), both from train-mode forwards."""
        terms = trades_terms(self.setting.network, batch, views.x["adversarial"], beta=self.options.beta)
        scale = 1 + self.options.beta if self.options.divide else 1.0
        return replace(terms, coefficients={name: value / scale for name, value in terms.coefficients.items()})
