"""Friendly AT (Zhang et al., ICML 2020); "FAT" in the tables of CFA and FAIR-TAT."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

import fairbench
from fairbench.attacks.ascent import EarlyStop
from fairbench.training.inner import CROSS_ENTROPY_ATTACK, KL_ATTACK, cross_entropy_attack, kl_attack
from fairbench.training.outer import adversarial_terms, mart_terms, trades_terms
from fairbench.training.seams import Batch, Inner, Terms, Views

TAU_GROWS_AT = {
    "at": (50 / 120, 90 / 120),
    "trades": (30 / 85, 50 / 85, 70 / 85),
    "mart": (20 / 90, 40 / 90, 60 / 90, 80 / 90),
}
"""shares of the epochs at which tau grows by one, from 0; epochs of the public code over its lengths."""
OMEGA = 0.001
"""noise inside each step of the AT form, in pixel units of [0, 1]; the other forms have none."""


@fairbench.register(
    "friendly_at",
    title="Friendly AT",
    paper="Zhang et al., Attacks Which Do Not Kill Training Make Adversarial Learning Stronger, ICML 2020",
    year=2020,
    link="https://arxiv.org/abs/2002.11242",
    family="objective",
    as_objective="friendly",
    defaults={"digits": {"schedule.epochs": 12}, "fmnist": {"schedule.epochs": 5}},
)
class FriendlyAdversarialTraining(fairbench.Objective):
    """Train on the least adversarial of the examples that are confidently misclassified.

    x' = argmin_{|x' - x| <= epsilon} l(f(x'), y)   s.t.   l(f(x'), y) - min_y' l(f(x'), y') >= rho

    In practice PGD that makes tau more steps after a sample was first misclassified (Algorithm 1). The outer loss is
    that of AT, of TRADES (attack on the KL) or of MART. tau is 0 at first and grows by the epoch. tau >= steps is plain
    PGD. CFA's code runs the AT form with ``tau=3``, ``rearm=false``, no jitter, and the batch norms in train mode.
    """

    class Options(fairbench.Objective.Options):
        """Settings of the early stop."""

        form: Literal["at", "trades", "mart"] = "at"
        """whose outer loss, start and attack loss."""
        tau: int | None = Field(default=None, ge=0)
        """steps after the first misclassification; None is the schedule of the form's public code."""
        rearm: bool = True
        """False: a sample whose tau is used up stops even where it is classified correctly again (CFA's code)."""
        jitter: float | None = Field(default=None, ge=0)
        """omega, deviation of the noise inside each step; None is 0.001 in the AT form and 0 in the others."""
        beta: float = Field(default=6.0, ge=0)
        """weight of the boundary term in the TRADES and MART forms."""

    options: Options
    hidden_options = ("form", "rearm")

    @property
    def attack_name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """That of the form."""
        return f"{KL_ATTACK if self.options.form == 'trades' else CROSS_ENTROPY_ATTACK}, stopped early"

    def hidden_settings(self) -> dict[str, Any]:
        """Also the noise inside each step."""
        return super().hidden_settings() | {"attack_jitter": self.jitter}

    def perturb(self, batch: Batch, inner: Inner) -> Views:
        """Algorithm 1; the step counts are kept as a trace."""
        stop = EarlyStop(labels=batch.y, tau=self.tau(batch), rearm=self.options.rearm)
        if self.options.form == "trades" and inner.targets is None:
            ascent = kl_attack(self.setting, batch, inner, stop)
        else:
            start = "uniform" if self.options.form == "at" else "gaussian"
            ascent = cross_entropy_attack(self.setting, batch, inner, stop, start=start, jitter=self.jitter)
        return Views({"adversarial": ascent.x_adv}, {"steps": ascent.steps.float()})

    def losses(self, batch: Batch, views: Views) -> Terms:
        """The outer loss of the form."""
        network, x_adv, beta = self.setting.network, views.x["adversarial"], self.options.beta
        if self.options.form == "at":
            return adversarial_terms(network, batch, x_adv)
        terms = trades_terms if self.options.form == "trades" else mart_terms
        return terms(network, batch, x_adv, beta=beta)

    def tau(self, batch: Batch) -> int:
        """The patience of this epoch."""
        if self.options.tau is not None:
            return self.options.tau
        return sum(batch.clock.epoch_fraction >= share for share in TAU_GROWS_AT[self.options.form])

    @property
    def jitter(self) -> float:
        """The noise inside each step."""
        if self.options.jitter is not None:
            return self.options.jitter
        return OMEGA if self.options.form == "at" else 0.0
