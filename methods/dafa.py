"""DAFA: Distance-Aware Fair Adversarial training (Lee et al., ICLR 2024)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from pydantic import Field
from torch import Tensor

import fairbench
from fairbench.registry import ANY_TRACK
from fairbench.training.feedback import Feedback
from fairbench.training.seams import Batch, BatchNormMode, Inner, Terms


@fairbench.register(
    "dafa",
    title="DAFA",
    paper="Lee et al., DAFA: Distance-Aware Fair Adversarial Training, ICLR 2024",
    year=2024,
    link="https://arxiv.org/abs/2401.12532",
    objective="trades",
    objectives=("trades", "at"),
    defaults={
        ANY_TRACK: {"schedule.nesterov": True},
        "cifar100-*": {"strength": 1.5},
        "digits": {"schedule.epochs": 12},
        "fmnist": {"schedule.epochs": 5},
    },
)
class Dafa(fairbench.Method):
    """Once, after a warm-up, shift loss weight and radius from easy classes to the hard ones that resemble them.

    S_ij = mean of p_j(x') over the images of class i, in the last epoch of the warm-up
    W_i = 1 + sum_{j != i}  lambda S_ij S_jj  if S_ii < S_jj,   -lambda S_ji S_ii  if S_ii > S_jj      (Algorithm 2)
    loss = mean [ W_y CE(f(x), y) + beta KL(p(x) || p(x')) ]     with radius W_y epsilon, step W_y times the track's

    What one class of a pair gains the other loses, so the weights sum to K; equally hard classes exchange nothing. On
    AT the weight is on the adversarial cross-entropy; there the public code starts as TRADES does, steps twice per
    gradient and cuts the larger radii, which is taken for a slip and not followed. W is not clipped there; here a
    weight below 0, which would be a negative radius, is 0. The public code trains with Nesterov's momentum,
    by a flag that is inverted at the start.
    """

    class Options(fairbench.Method.Options):
        """Settings of the weights."""

        strength: float = Field(default=1.0, ge=0)
        """lambda; 1 for CIFAR-10, 1.5 for CIFAR-100 and STL-10."""
        warm_up: float = Field(default=70 / 110, ge=0, le=1)
        """share of the epochs before the weights are taken; 70 of 110."""
        conserving: bool = True
        """False: take lambda S_ij S_jj from the easier class, as the public code did before September 2024."""

    options: Options
    hidden_options = ("conserving",)
    state_names = ("class_weights",)
    class_weights: Tensor

    def reset(self) -> None:
        """All classes alike during the warm-up."""
        self.class_weights = self.per_class(1.0)

    def published_attack_bn(self) -> BatchNormMode:
        """Eval mode on both objectives."""
        return "eval"

    def published_extra_clean_forwards(self) -> int:
        """None: the clean images pass once."""
        return 0

    def end_epoch(self, feedback: Feedback) -> None:
        """Take the weights at the end of the warm-up."""
        if feedback.train is None or feedback.clock.epoch != max(
            1, round(self.options.warm_up * feedback.clock.epochs)
        ):
            return
        answers = feedback.train.adversarial
        similarity = answers.softmax / answers.class_total.clamp(min=1)[:, None]
        self.class_weights = distance_aware_weights(
            similarity, self.options.strength, conserving=self.options.conserving
        )

    def prepare(self, batch: Batch) -> Inner:
        """Radius and step by class."""
        inner, weight = super().prepare(batch), self.class_weights[batch.y]
        return replace(inner, epsilon=inner.epsilon * weight, step_size=inner.step_size * weight)

    def weigh(self, terms: Terms, batch: Batch) -> dict[str, Tensor]:
        """W_y on every term but the boundary."""
        per_sample = self.class_weights[batch.y]
        return {
            name: coefficient * (torch.ones_like(per_sample) if name == "boundary" else per_sample)
            for name, coefficient in terms.coefficients.items()
        }

    def diagnostics(self) -> Mapping[str, Tensor]:
        """W."""
        return {"class_weights": self.class_weights}


def distance_aware_weights(similarity: Tensor, strength: float, *, conserving: bool = True) -> Tensor:
    """W of Algorithm 2: (K,).

    Args:
        similarity: S, (K, K), rows by true class, each a distribution.
        strength: lambda.
        conserving: whether the easier class loses what the harder one gains.
    """
    ease = similarity.diagonal()
    is_harder = ease[:, None] < ease[None, :]
    gained = torch.where(is_harder, similarity * ease[None, :], 0.0)
    lost = gained.T if conserving else torch.where(is_harder.T, similarity * ease[None, :], 0.0)
    return (1 + strength * (gained - lost).sum(dim=1)).clamp(min=0)
