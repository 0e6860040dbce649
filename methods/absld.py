"""ABSLD: Anti-Bias Soft Label Distillation (Zhao et al., NeurIPS 2024)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from pydantic import Field
from torch import Tensor

import fairbench
from fairbench.training.feedback import Feedback
from fairbench.training.seams import Batch, Inner


@fairbench.register(
    "absld",
    title="ABSLD",
    paper="Zhao et al., Improving Adversarial Robust Fairness via Anti-Bias Soft Label Distillation, NeurIPS 2024",
    year=2024,
    link="https://arxiv.org/abs/2312.05508",
    needs=("teacher",),
    objective="rslad",
    defaults={
        "cifar100-rn18-distill": {"lowest": 0.8, "highest": 3.0},
        "digits": {"schedule.epochs": 12},
        # The paper's rate lets a class reach a bound after five epochs; with few, the bound must be nearer.
        "fmnist": {"schedule.epochs": 4, "rate": 0.25},
    },
)
class Absld(fairbench.Method):
    """Sharper teacher labels for classes that the student finds hard, smoother ones for easy classes.

    On RSLAD the teacher answers softmax(T(x) / tau_y), with temperatures of their own for the adversarial labels, which
    the attack sees too, and for the clean ones. After each epoch, for both,

    tau_k <- clamp(tau_k - rate (R_k - mean_j R_j) / max_j |R_j - mean_i R_i|)                                 (Eq. 11)

    where R_k is the cross-entropy that the samples of class k had during the epoch, summed. The student's temperature
    stays 1. The code lets the rate fall with the learning rate; the paper gives its first value alone. In the released
    script both label sets share one buffer, so that both are softmax(T(x) / (tau_adv tau_clean)): that is
    ``temperature_coupling=product``; the paper's is the default. Published schedule and scale as RSLAD's.
    """

    class Options(fairbench.Method.Options):
        """Settings of the temperatures."""

        rate: float = Field(default=0.1, ge=0)
        """beta, the largest change in an epoch; at 0 this is RSLAD."""
        rate_decays: bool = True
        """multiply the rate by the schedule's factor on the learning rate."""
        lowest: float = Field(default=0.5, gt=0)
        """floor of the temperatures; 0.8 for ResNet-18 on CIFAR-100."""
        highest: float = Field(default=5.0, gt=0)
        """ceiling; 3 for ResNet-18 on CIFAR-100."""
        temperature_coupling: Literal["independent", "product"] = "independent"
        """each label set at its own temperatures (paper), or both at the product (released script)."""
        branches: Literal["both", "adversarial"] = "both"
        """whose temperatures move; the ablation leaves the clean ones at 1."""

    options: Options
    hidden_options = ("temperature_coupling", "rate_decays")
    state_names = ("adversarial_temperatures", "clean_temperatures")
    adversarial_temperatures: Tensor
    clean_temperatures: Tensor

    def reset(self) -> None:
        """Labels as the teacher gives them."""
        self.adversarial_temperatures, self.clean_temperatures = self.per_class(1.0), self.per_class(1.0)

    def prepare(self, batch: Batch) -> Inner:
        """The teacher's logits over the temperature of each sample's true class."""
        inner = super().prepare(batch)
        adversarial, clean = (t[batch.y][:, None] for t in (self.adversarial_temperatures, self.clean_temperatures))
        if self.options.temperature_coupling == "product":
            adversarial = clean = adversarial * clean
        labels = inner.soft_labels
        tempered = {"adversarial": labels["adversarial"] / adversarial, "clean": labels["clean"] / clean}
        return replace(inner, soft_labels=tempered)

    def end_epoch(self, feedback: Feedback) -> None:
        """Eq. 11, from the cross-entropy of the epoch's forwards; the rate is that of the epoch to come."""
        if feedback.train is None:
            return
        rate = self.options.rate * (feedback.clock.learning_rate_factor if self.options.rate_decays else 1.0)
        views = feedback.train.views
        self.adversarial_temperatures = self.moved(
            self.adversarial_temperatures, views["adversarial"].cross_entropy, rate
        )
        if self.options.branches == "both":
            self.clean_temperatures = self.moved(self.clean_temperatures, views["clean"].cross_entropy, rate)

    def moved(self, temperatures: Tensor, risk: Tensor, rate: float) -> Tensor:
        """Eq. 11; nothing moves where all classes fare alike.

        Args:
            temperatures: (K,).
            risk: (K,), R.
            rate: beta.
        """
        excess = risk - risk.mean()
        change = rate * excess / excess.abs().max().clamp(min=1e-12)
        return (temperatures - change).clamp(self.options.lowest, self.options.highest)

    def diagnostics(self) -> Mapping[str, Tensor]:
        """The temperatures."""
        return {
            "adversarial_temperatures": self.adversarial_temperatures,
            "clean_temperatures": self.clean_temperatures,
        }
