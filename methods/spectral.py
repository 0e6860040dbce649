"""Confusional spectral regularisation (Jin et al., ICLR 2025)."""

from __future__ import annotations

from dataclasses import replace

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import one_hot

import fairbench
from fairbench.losses import cross_entropy
from fairbench.training.feedback import Feedback
from fairbench.training.seams import Batch, Terms, Views


@fairbench.register(
    "spectral",
    title="Confusional spectral regularisation",
    paper="Jin et al., Enhancing Robust Fairness via Confusional Spectral Regularization, ICLR 2025",
    year=2025,
    link="https://arxiv.org/abs/2501.13273",
    needs=("base checkpoint",),
    objective="trades",
    defaults={"digits": {"schedule.epochs": 12}, "fmnist": {"schedule.epochs": 3}},
)
class SpectralRegularisation(fairbench.Method):
    """Weigh a second cross-entropy by the direction in which the confusion matrix is largest.

    C[k, c] = #{x' of class c answered k}, k != c, the true logit multiplied by 0.9 before the answer is read
    C = sum_r s_r u_r v_r^T;   G = |u_1 v_1^T|, rescaled to [0.01, 2.01]                     at the end of each epoch
    loss = mean [ (1 - a) CE(f(x), y) + beta KL(p(x) || p(x')) + a G[k', y] CE(f(x'), y) ]   k' the answer at x'

    The spectral norm of C bounds the error of the worst class, and G is its gradient; C has no negative entry, so
    neither has G. This follows a description of the public code up to constants. Assumptions: all of G is rescaled,
    diagonal included; it is 1 in the first epoch; counts, not rates, make up C. Published fine-tuning: 2 epochs at
    learning rate 0.001 on TRADES, 0.01 with AWP.
    """

    class Options(fairbench.Method.Options):
        """Settings of the regulariser."""

        share: float = Field(default=0.3, ge=0, le=1)
        """a: what the second cross-entropy takes from the natural one; 0.3 in the public code."""
        shrink: float = Field(default=0.9, gt=0, le=1)
        """factor on the true logit before a confusion is counted; 0.9 in the public code."""

    options: Options
    state_names = ("gains",)
    gains: Tensor
    """G: (K, K), rows by answer, columns by true class."""

    def reset(self) -> None:
        """No direction known yet."""
        self.gains = self.per_class(1.0).expand(self.setting.num_classes, -1).clone()

    def losses(self, batch: Batch, views: Views) -> Terms:
        """TRADES' terms, the second cross-entropy, and the shrunk logits, which the epoch's statistics count."""
        terms = super().losses(batch, views)
        adversarial = terms.logits["adversarial"]
        factor = 1 - (1 - self.options.shrink) * one_hot(batch.y, self.setting.num_classes)
        natural = terms.coefficients["natural"]
        return replace(
            terms,
            per_sample={**terms.per_sample, "confusion": cross_entropy(adversarial, batch.y)},
            coefficients={
                **terms.coefficients,
                "natural": (1 - self.options.share) * natural,
                "confusion": self.options.share * natural,
            },
            logits={**terms.logits, "confusion": adversarial.detach() * factor},
        )

    def weigh(self, terms: Terms, batch: Batch) -> dict[str, Tensor]:
        """G[k', y] on the second cross-entropy."""
        weights = super().weigh(terms, batch)
        answers = terms.logits["adversarial"].argmax(dim=1)
        return weights | {"confusion": weights["confusion"] * self.gains[answers, batch.y]}

    def end_epoch(self, feedback: Feedback) -> None:
        """G from the confusions of the epoch."""
        if feedback.train is not None:
            self.gains = spectral_gains(feedback.train.views["confusion"].confusion.T)


def spectral_gains(confusion: Tensor) -> Tensor:
    """|u_1 v_1^T| of the off-diagonal confusion, rescaled to [0.01, 2.01]; all 1 when nothing was confused.

    Args:
        confusion: (K, K) counts.
    """
    errors = confusion - torch.diag(confusion.diagonal())
    left, _, right = torch.linalg.svd(errors)
    direction = torch.outer(left[:, 0], right[0]).abs()
    spread = direction.max() - direction.min()
    scaled = 0.01 + 2 * (direction - direction.min()) / spread.clamp(min=1e-12)
    return torch.where(errors.sum() > 0, scaled, torch.ones_like(scaled))
