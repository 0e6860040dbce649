"""MTARD: Multi-Teacher Adversarial Robustness Distillation (Zhao et al., ECCV 2022)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

import fairbench
from fairbench.losses import cross_entropy
from fairbench.registry import ANY_TRACK
from fairbench.training.distillation import ELEMENT_MEAN_TRACKS, Distillation
from fairbench.training.seams import Batch, Inner, Terms, Views

HOTTEST = 10.0
"""ceiling of B-MTARD's temperatures."""
BALANCED = ("natural", "adversarial")
_TRACKS = {**ELEMENT_MEAN_TRACKS, "cifar100-*": {"kl_scale": 10.0}}
LEAST = 1e-12
"""keeps a ratio of losses finite where student and teacher agree exactly."""


@fairbench.register(
    "b_mtard",
    title="B-MTARD",
    paper="Zhao et al., Mitigating Accuracy-Robustness Trade-off via Balanced Multi-Teacher Adversarial Distillation, "
    "TPAMI 2024",
    year=2024,
    family="distillation",
    needs=("teacher", "clean teacher"),
    as_objective="b_mtard",
    defaults={ANY_TRACK: {"temperature_rate": 0.001}, **_TRACKS},
)
@fairbench.register(
    "mtard",
    title="MTARD",
    paper="Zhao et al., Enhanced Accuracy and Robustness via Multi-Teacher Adversarial Distillation, ECCV 2022",
    year=2022,
    family="distillation",
    needs=("teacher", "clean teacher"),
    as_objective="mtard",
    defaults=_TRACKS,
)
class Mtard(Distillation):
    """A robust teacher for adversarial images, a clean one for clean images, balanced by their relative progress.

    L_adv = KL(T_adv(x') || S(x'))     L_nat = KL(T_nat(x) || S(x))     x' by PGD on CE(S(x'), y)
    r_i = (L_i / L_i at the first batch)^b
    w_nat <- w_nat - r_w (w_nat - r_nat / (r_nat + r_adv))     w_adv = 1 - w_nat     from 1/2
    min_theta w_adv L_adv + w_nat L_nat

    The rate r_w falls with the learning rate. Divergences are divided by the number of classes, and multiplied by 10 on
    CIFAR-100 (``kl_scale=10``). The attack runs in eval mode from a Gaussian start. Published: 300 epochs, learning
    rate 0.1 divided by 10 after 215, 260 and 285, weight decay 2e-4. Here the track's schedule holds. The CIFAR-10
    script builds the robust teacher's architecture for the clean one as well.

    B-MTARD also brings its teachers to the same sharpness, by temperatures of their own, in [1, 10] and 1 at first:
    t_adv <- t_adv - rate sign(H_adv / H_nat - 1)     t_nat <- t_nat - rate sign(H_nat / H_adv - 1)
    with H_i the mean of p log p over the labels softmax(T_i / t_i). This follows a description of its code.
    """

    attack_name: ClassVar[str] = "pgd on the cross-entropy"

    class Options(Distillation.Options):
        """Settings of the balance, as in the code."""

        balance_rate: float = Field(default=0.025, ge=0, le=1)
        """r_w; at 0 both terms count 1/2."""
        progress_exponent: float = Field(default=1.0, ge=0)
        """b."""
        clean_target: Literal["clean_teacher", "robust_teacher"] = "clean_teacher"
        """who teaches the clean term: the clean teacher at x, or the robust one at x' as in the code of Fair-MTARD."""
        temperature_rate: float = Field(default=0.0, ge=0)
        """step of the teachers' temperatures; 0.001 in B-MTARD, 0 in MTARD; it falls with the learning rate."""

    options: Options
    hidden_options = (*Distillation.hidden_options, "clean_target")
    state_names = ("clean_weight", "first_losses", "temperatures")
    clean_weight: Tensor
    """w_nat: a scalar."""
    first_losses: Tensor
    """natural and adversarial loss of the first batch, (2,); NaN before it."""
    temperatures: Tensor
    """of the robust and of the clean teacher: (2,)."""
    rate_factor: float = 1.0
    """on both rates in this step; the seam that combines sees no clock."""

    def reset(self) -> None:
        """Both teachers count alike."""
        self.clean_weight = self.per_class(0.5)[0].clone()
        self.first_losses = self.clean_weight.new_full((2,), float("nan"))
        self.temperatures = torch.ones_like(self.first_losses)

    def prepare(self, batch: Batch) -> Inner:
        """The clean teacher's answers."""
        self.rate_factor = batch.clock.learning_rate_factor
        return replace(super().prepare(batch), soft_labels={"clean": self.ask(batch.x, "clean")})

    def perturb(self, batch: Batch, inner: Inner) -> Views:
        """PGD on the cross-entropy; then the robust teacher's answers at x'."""
        views = self.attack(batch, inner, lambda _, logits: cross_entropy(logits, batch.y))
        answers = self.ask(views.x["adversarial"])
        clean = views.soft_labels["clean"] if self.options.clean_target == "clean_teacher" else answers
        return replace(views, soft_labels=self.softened(answers, clean))

    def softened(self, answers: Tensor, clean: Tensor) -> dict[str, Tensor]:
        """The teachers' logits over the temperatures as they stand; then one step of these, for the next batch.

        Args:
            answers: (B, K) of the robust teacher.
            clean: (B, K) of the clean one.
        """
        softer = [logits / t for logits, t in zip((answers, clean), self.temperatures, strict=True)]
        sharpness = torch.stack([(z.softmax(dim=1) * z.log_softmax(dim=1)).mean() for z in softer])
        excess = sharpness / sharpness.flip(0).clamp(max=-LEAST) - 1
        step = self.options.temperature_rate * self.rate_factor
        self.temperatures = (self.temperatures - step * excess.sign()).clamp(1, HOTTEST)
        return {"adversarial": softer[0], "clean": softer[1]}

    def losses(self, batch: Batch, views: Views) -> Terms:
        """One divergence for each teacher."""
        adversarial = self.setting.network(views.x["adversarial"])
        clean = self.setting.network(batch.x)
        return self.divergences(views, adversarial=adversarial, clean=clean, shares=(1.0, 1.0))

    def combine(self, terms: Terms, weights: Mapping[str, Tensor]) -> Tensor:
        """Move the balance by the losses of this batch, then add them up with it."""
        losses = torch.stack([(weights[name] * terms.per_sample[name]).mean() for name in BALANCED])
        self.move_balance(losses.detach())
        return self.clean_weight * losses[0] + (1 - self.clean_weight) * losses[1]

    def move_balance(self, losses: Tensor) -> None:
        """One step of w_nat towards the clean term's share of what is left to learn.

        Args:
            losses: (2,), L_nat and L_adv.
        """
        self.first_losses = torch.where(self.first_losses.isnan(), losses, self.first_losses)
        left = (losses / self.first_losses.clamp(min=LEAST)) ** self.options.progress_exponent
        rate = self.options.balance_rate * self.rate_factor
        share = left[0] / left.sum().clamp(min=LEAST)
        self.clean_weight = self.clean_weight - rate * (self.clean_weight - share)
