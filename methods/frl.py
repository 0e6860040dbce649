"""FRL: Fair Robust Learning (Xu et al., ICML 2021)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

import fairbench
from fairbench.registry import ANY_TRACK
from fairbench.training.feedback import Feedback, HeldOutAttack
from fairbench.training.seams import Batch, Inner, Terms

LEAST_MARGIN = 0.98
"""floor of the radius relative to epsilon; below 1 in the public code."""
LIMIT = {"rw": 0.5, "rm": 0.3, "rwrm": 0.5}
MARGIN_RATE = {"rw": 0.0, "rm": 0.1, "rwrm": 0.2}
LARGEST_MARGIN = {"rw": 1.0, "rm": 2.5, "rwrm": 3.0}
"""of the three scripts; those of rw and rwrm are of 2022, that of rm is of 2021."""


@fairbench.register(
    "frl",
    title="FRL",
    paper="Xu et al., To be Robust or to be Fair: Towards Fairness in Adversarial Training, ICML 2021",
    year=2021,
    link="https://arxiv.org/abs/2010.06121",
    needs=("base checkpoint", "feedback split"),
    objective="trades",
    defaults={
        ANY_TRACK: {"trades.beta": 1.5},
        "digits": {"schedule.epochs": 12},
        "fmnist": {"schedule.epochs": 10},
        "cifar*": {"schedule.epochs": 80, "schedule.learning_rate": 1e-3, "schedule.milestones": {0.5: 0.1}},
        "cifar10_jpeg-prn18-cpu": {"schedule.epochs": 2, "schedule.learning_rate": 1e-2},
        "*-distill": {"schedule.weight_decay": 5e-4},
    },
)
class Frl(fairbench.Method):
    """Raise a class's loss weights and radius while its error exceeds the average by more than a tolerance.

    min_theta max_{phi >= 0} R_nat + R_bndy + sum_i phi_nat_i (R_nat_i - R_nat - tau1)^+
                                            + sum_i phi_bndy_i (R_bndy_i - R_bndy - tau2)^+          (Eq. 3-4)

    R_nat_i is the clean error of class i on held-out data, R_bndy_i what PGD-20 adds to it. Variants: ``rw`` adapts
    both weights, ``rm`` the natural weight and the radius, ``rwrm`` all three. Where paper and code differ (rate of the
    boundary multipliers, decay, floor of the radius) this is the code of 2022, which later papers ran; ``rm`` is in the
    code of 2021 alone, which averages both terms over the sum of all weights (with equal weights half the loss) and has
    ``trades.beta=1``.
    """

    class Options(fairbench.Method.Options):
        """Settings of the Lagrangian."""

        variant: Literal["rw", "rm", "rwrm"] = "rwrm"
        """what is adapted: the weights, the natural weights and the radius, or all."""
        tolerance: float = Field(default=0.05, ge=0)
        """tau1 = tau2: how much a class may exceed the average error; published results have 0.05 and 0.07."""
        weight_rate: float = Field(default=0.05, ge=0)
        """alpha1, of the multipliers; boundary multipliers move at twice the rate; halved with the learning rate."""
        margin_rate: float | None = Field(default=None, ge=0)
        """alpha2, of the log radius; None is the code's, 0.2 for rwrm and 0.1 for rm."""
        limit: float | None = Field(default=None, ge=0)
        """largest sum of the multipliers; None is the code's, 0.5, and 0.3 for rm."""
        largest_margin: float | None = Field(default=None, ge=1)
        """cap of the radius relative to epsilon; None is the code's, 3 for rwrm and 2.5 for rm."""
        bounded: bool = False
        """keep the log radius at its floor, so that it can rise at once; the code lets it fall far below."""

    options: Options
    hidden_options = ("variant",)
    state_names = ("natural_multipliers", "boundary_multipliers", "log_margin")
    natural_multipliers: Tensor
    boundary_multipliers: Tensor
    log_margin: Tensor

    def reset(self) -> None:
        """All multipliers and log margins start at 0."""
        self.natural_multipliers, self.boundary_multipliers, self.log_margin = (self.per_class(0.0) for _ in range(3))

    def start_epoch(self, feedback: Feedback) -> None:
        """Measure the errors of the current weights and move multipliers and margins."""
        attack = HeldOutAttack(steps=20, epsilon=self.setting.epsilon, step_size=self.setting.step_size)
        result = feedback.validate(attack)
        clock = feedback.clock
        natural = 1 - result.clean_accuracy
        boundary = result.clean_accuracy - result.adversarial_accuracy
        self.update(
            natural - _overall(natural, result.total) - self.options.tolerance,
            boundary - _overall(boundary, result.total) - self.options.tolerance,
            rate=self.options.weight_rate * self.rate_factor((clock.epoch + 1) / max(1, clock.epochs)),
        )

    def update(self, natural_violation: Tensor, boundary_violation: Tensor, *, rate: float) -> None:
        """Projected ascent on the multipliers, plain ascent on the log margins; violations (K,) keep their sign."""
        variant, limit = self.options.variant, self.chosen("limit", LIMIT)
        self.natural_multipliers = _project(self.natural_multipliers + rate * natural_violation, limit)
        if variant in ("rw", "rwrm"):
            self.boundary_multipliers = _project(self.boundary_multipliers + 2 * rate * boundary_violation, limit)
        if variant in ("rm", "rwrm"):
            moved = self.log_margin + self.chosen("margin_rate", MARGIN_RATE) * boundary_violation
            self.log_margin = moved.clamp(min=math.log(LEAST_MARGIN) / 2) if self.options.bounded else moved

    def prepare(self, batch: Batch) -> Inner:
        """The radius of each sample's class; one step size for the batch, a quarter of its largest radius."""
        if self.options.variant == "rw":
            return super().prepare(batch)
        epsilon = (self.setting.epsilon * self.margins())[batch.y]
        step_fraction = self.setting.step_size / self.setting.epsilon
        step_size = epsilon.amax() * step_fraction if self.options.variant == "rwrm" else self.setting.step_size
        return replace(super().prepare(batch), epsilon=epsilon, step_size=step_size)

    def weigh(self, terms: Terms, batch: Batch) -> dict[str, Tensor]:
        """The weight vectors of the two terms."""
        return {
            "natural": class_weights(self.natural_multipliers)[batch.y],
            "boundary": class_weights(self.boundary_multipliers)[batch.y],
        }

    def combine(self, terms: Terms, weights: Mapping[str, Tensor]) -> Tensor:
        """Each term as a weighted average over the batch, then natural + beta boundary; for rm both in one average."""
        share = {name: weights[name].sum() for name in terms.per_sample}
        if self.options.variant == "rm":
            share = dict.fromkeys(share, torch.stack([*share.values()]).sum())
        averages = {name: (weights[name] * values).sum() / share[name] for name, values in terms.per_sample.items()}
        return torch.stack([terms.coefficients[name] * value for name, value in averages.items()]).sum()

    def margins(self) -> Tensor:
        """Radius of each class relative to epsilon: (K,)."""
        return torch.exp(2 * self.log_margin).clamp(LEAST_MARGIN, self.chosen("largest_margin", LARGEST_MARGIN))

    def chosen(self, option: str, published: Mapping[str, float]) -> float:
        """The option as written, or as the script of the variant has it."""
        value = getattr(self.options, option)
        return published[self.options.variant] if value is None else value

    def rate_factor(self, done: float) -> float:
        """The multipliers' rate is halved in the middle of training, and again in its last epoch.

        Args:
            done: share of the epochs that is done after this one; the code halves in the 40th and 80th of 80.
        """
        return 0.5 ** math.floor(2 * done)

    def diagnostics(self) -> Mapping[str, Tensor]:
        """Weights and relative radii of the classes."""
        return {
            "natural_weights": class_weights(self.natural_multipliers),
            "boundary_weights": class_weights(self.boundary_multipliers),
            "margins": self.margins(),
        }


def class_weights(multipliers: Tensor) -> Tensor:
    """1 / K + phi_i - mean(phi): the coefficient of class i's risk in the Lagrangian; sums to 1."""
    return 1 / len(multipliers) + multipliers - multipliers.mean()


def _project(multipliers: Tensor, limit: float) -> Tensor:
    positive = multipliers.clamp(min=0)
    return positive * (limit / positive.sum().clamp(min=1e-12)).clamp(max=1)


def _overall(class_errors: Tensor, total: Tensor) -> Tensor:
    return (class_errors * total).sum() / total.sum()
