"""Fairly AT (Ma et al., NeurIPS 2022); "FAT" where FAAL and ABSLD cite it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from pydantic import Field
from torch import Tensor
from torch.nn.functional import one_hot

import fairbench
from fairbench.losses import class_counts, cross_entropy
from fairbench.training.inner import CROSS_ENTROPY_ATTACK, cross_entropy_attack
from fairbench.training.seams import Batch, BatchNormMode, Inner, Terms, Views

PADDED_LENGTH = 100
"""classes of the vector whose variance the public code takes, whatever the data set."""


@fairbench.register(
    "fairly_at",
    title="Fairly AT",
    paper="Ma et al., On the Tradeoff Between Robustness and Fairness, NeurIPS 2022",
    year=2022,
    link="https://openreview.net/forum?id=LqGA2JMLwBw",
    objectives=("at", "trades"),
    defaults={"digits": {"schedule.epochs": 12}, "fmnist": {"schedule.epochs": 4}},
)
class FairlyAdversarialTraining(fairbench.Method):
    """Penalise the variance between the classes of the adversarial cross-entropy.

    min_theta E[ l ] + alpha Var_c(R_c)        with R_c = E[ CE(f(x'), y) | y = c ]

    R_c is the class mean over the batch, the variance the unbiased one. ``code`` takes it, as the public code does,
    over a vector of 100 entries, zero where there is no class: for 10 classes (s^2 + mean(R)^2) / 11, and a class
    that is absent from the batch counts as 0. ``paper`` takes it over the classes in the batch. On TRADES, too, the
    inner attack is PGD on the cross-entropy, and the penalty is on the cross-entropy of x'.
    """

    class Options(fairbench.Method.Options):
        """Settings of the penalty."""

        alpha: float = Field(default=0.1, ge=0)
        """weight of the variance; 0.1 is the only value that the public code shows."""
        mode: Literal["code", "paper"] = "code"
        """what the variance is taken over; no other code than this one's is known to have made published numbers."""

    options: Options
    hidden_options = ("mode",)

    @property
    def attack_name(self) -> str:
        """The same on both objectives."""
        return CROSS_ENTROPY_ATTACK

    def published_attack_bn(self) -> BatchNormMode:
        """Eval mode in both scripts of the public code."""
        return "eval"

    def published_extra_clean_forwards(self) -> int:
        """None in either."""
        return 0

    def perturb(self, batch: Batch, inner: Inner) -> Views:
        """PGD on the cross-entropy, whatever the objective."""
        return Views({"adversarial": cross_entropy_attack(self.setting, batch, inner).x_adv})

    def losses(self, batch: Batch, views: Views) -> Terms:
        """The objective's terms, and the adversarial cross-entropy for the penalty alone."""
        terms = super().losses(batch, views)
        if "adversarial" in terms.per_sample:
            return terms
        risk = cross_entropy(terms.logits["adversarial"], batch.y)
        return replace(
            terms,
            per_sample={**terms.per_sample, "adversarial": risk},
            coefficients={**terms.coefficients, "adversarial": 0.0},
        )

    def weigh(self, terms: Terms, batch: Batch) -> dict[str, Tensor]:
        """The objective's weights, and the (K, B) rows that average a term by class; zeros for an absent class."""
        num_classes = self.setting.num_classes
        rows = one_hot(batch.y, num_classes).T / class_counts(batch.y, num_classes).clamp(min=1)[:, None]
        return super().weigh(terms, batch) | {"class_rows": rows}

    def combine(self, terms: Terms, weights: Mapping[str, Tensor]) -> Tensor:
        """The objective's scalar plus alpha times the variance."""
        rows = weights["class_rows"]
        risks = rows @ terms.per_sample["adversarial"]
        if self.options.mode == "code":
            variance = padded_variance(risks, max(PADDED_LENGTH, len(risks)))
        else:
            variance = variance_of(risks, present=rows.sum(dim=1) > 0)
        return super().combine(terms, weights) + self.options.alpha * variance


def variance_of(risks: Tensor, *, present: Tensor) -> Tensor:
    """The unbiased variance over the present classes; 0 if there are fewer than two.

    Args:
        risks: (K,), 0 where absent.
        present: (K,) bool.
    """
    count = present.sum()
    deviation = (risks - risks.sum() / count.clamp(min=1)) * present
    return deviation.square().sum() / (count - 1).clamp(min=1)


def padded_variance(risks: Tensor, length: int) -> Tensor:
    """The unbiased variance of the (K,) risks with zeros behind them, ``length`` entries in all."""
    return (risks.square().sum() - risks.sum().square() / length) / (length - 1)
