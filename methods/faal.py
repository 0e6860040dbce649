"""FAAL: Fairness-Aware Adversarial Learning (Zhang et al., CVPR 2024)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

import fairbench
from fairbench.losses import class_counts, class_means, probability_margin
from fairbench.registry import ANY_TRACK
from fairbench.training.conic import conic_weights
from fairbench.training.dro import worst_case_weights
from fairbench.training.feedback import Feedback
from fairbench.training.inner import KL_ATTACK, kl_attack
from fairbench.training.seams import Batch, BatchNormMode, Inner, Terms, Views

AS_IF_ROBUST = -1.0
"""margin of a class that is absent from the batch: the lowest there is."""
BATCHES_SHOWN = 50
"""of an epoch, evenly spread; whose weights the log holds one by one."""


@fairbench.register(
    "faal",
    title="FAAL",
    paper="Zhang et al., Towards Fairness-Aware Adversarial Learning, CVPR 2024",
    year=2024,
    link="https://arxiv.org/abs/2402.17729",
    needs=("base checkpoint",),
    objectives=("at", "trades", "mart"),
    defaults={
        ANY_TRACK: {"awp.gamma": 0.005, "awp.start": 0, "ema.start": 0.5},
        "cifar100-*": {"tau": 0.05, "rises_at": 0.75, "full_at": 0.9},
    },
)
class Faal(fairbench.Method):
    """Between attack and update, find the class mixture in a KL ball that is worst for the batch.

    min_theta max_w sum_c w_c E[ l(f(x'), y) | y = c ]   with w in the simplex, KL(uniform || w) <= tau   (Eq. 6-8)

    The maximisation runs on the mean probability margin of each class (Eq. 5), which is bounded and so comparable
    between classes. On TRADES and on MART the inner attack is the one on the KL, as in the code; MART's own is on the
    cross-entropy. Paper and public code differ in the objective of the maximisation: class means in the paper, the
    sum over the samples of a class in the code, which gives an absent class a large weight. The paper's is the default.
    """

    class Options(fairbench.Method.Options):
        """Settings of the intermediate maximisation."""

        tau: float = Field(default=0.5, ge=0)
        """radius of the KL ball; 0.5 for CIFAR-10, 0.05 for CIFAR-100."""
        divergence: Literal["reverse_kl", "kl"] = "reverse_kl"
        """KL(uniform || w), as in the paper, or KL(w || uniform)."""
        solver: Literal["closed_form", "cvxpy"] = "closed_form"
        """cvxpy poses the problem to a conic solver, as the public code does: the same weights, but slow."""
        objective: Literal["class_mean", "sample_sum"] = "class_mean"
        """what the weights multiply: the paper's class means, or the public code's sums over samples."""
        rises_at: float = Field(default=0.5, ge=0, le=1)
        """from scratch: share of the epochs before which tau is 0; the first decay of the learning rate."""
        full_at: float = Field(default=0.75, ge=0, le=1)
        """from scratch: share of the epochs before which tau is halved; the second decay."""

    options: Options
    hidden_options = ("objective", "divergence")
    state_names = ("weight_sum", "steps", "shown")
    weight_sum: Tensor
    """sum of the class weights over the steps of the epoch: (K,)."""
    steps: Tensor
    shown: Tensor
    """class weights of some batches: (n, K)."""

    def reset(self) -> None:
        """Nothing is kept between batches but what the log shows."""
        self._forget()

    def start_epoch(self, feedback: Feedback) -> None:
        """Begin the log's average of the weights anew."""
        self._forget()

    def published_attack_bn(self) -> BatchNormMode:
        """Eval mode in all variants of the public code."""
        return "eval"

    def published_extra_clean_forwards(self) -> int:
        """On AT the public code passes the clean images, too, and drops the answers."""
        return 0 if self.objective.is_regularised else 1

    @property
    def attack_name(self) -> str:
        """On the KL wherever a boundary term stands beside the natural one."""
        return KL_ATTACK if self.objective.is_regularised else super().attack_name

    def perturb(self, batch: Batch, inner: Inner) -> Views:
        """The objective's attack on AT, the one on the KL on TRADES and MART."""
        if not self.objective.is_regularised:
            return super().perturb(batch, inner)
        return Views({"adversarial": kl_attack(self.setting, batch, inner).x_adv})

    def weigh(self, terms: Terms, batch: Batch) -> dict[str, Tensor]:
        """K w_y on every term (Eq. 6, as a mean over the batch)."""
        solve = worst_case_weights if self.options.solver == "closed_form" else conic_weights
        class_weights = solve(self.class_margins(terms, batch.y), self.tau(batch), self.options.divergence)
        self.weight_sum += class_weights
        self.steps += 1
        if batch.clock.step % math.ceil(batch.clock.steps_per_epoch / BATCHES_SHOWN) == 0:
            self.shown = torch.cat([self.shown, class_weights[None]])
        per_sample = self.setting.num_classes * class_weights[batch.y]
        return {name: coefficient * per_sample for name, coefficient in terms.coefficients.items()}

    def class_margins(self, terms: Terms, y: Tensor) -> Tensor:
        """Mean margin of each class, max_{j != y} p_j(x') - p_y(x') (Eq. 5): (K,)."""
        num_classes = self.setting.num_classes
        margins = probability_margin(terms.logits["adversarial"].detach().float(), y)
        means = class_means(margins, y, num_classes, absent=AS_IF_ROBUST)
        return means if self.options.objective == "class_mean" else means * class_counts(y, num_classes)

    def tau(self, batch: Batch) -> float:
        """The radius now: from scratch it is 0 until the learning rate first falls, then tau / 2, at last tau."""
        if not self.setting.from_scratch:
            return self.options.tau
        done = batch.clock.epoch_fraction
        return 0.0 if done < self.options.rises_at else self.options.tau * (0.5 if done < self.options.full_at else 1.0)

    def diagnostics(self) -> Mapping[str, Tensor]:
        """The class weights, averaged over the epoch and of single batches (Fig. 6)."""
        averaged = self.weight_sum / self.steps.clamp(min=1)
        return {"class_weights": averaged, "class_weights_by_batch": self.shown if len(self.shown) else averaged[None]}

    def _forget(self) -> None:
        self.weight_sum = self.per_class(0.0)
        self.steps, self.shown = torch.zeros_like(self.weight_sum[0]), self.weight_sum[None, :][:0]
