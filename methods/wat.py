"""WAT: Worst-class Adversarial Training (Li and Liu, AAAI 2023)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor

import fairbench
from fairbench.training.feedback import Feedback, HeldOutAttack
from fairbench.training.seams import Batch, Terms


@fairbench.register(
    "wat",
    title="WAT",
    paper="Li and Liu, WAT: Improve the Worst-class Robustness in Adversarial Training, AAAI 2023",
    year=2023,
    link="https://arxiv.org/abs/2302.04025",
    needs=("feedback split",),
    objective="trades",
    defaults={
        "digits": {"schedule.epochs": 12, "rate": 0.8},
        "fmnist": {"schedule.epochs": 5, "rate": 2.0},
    },
)
class Wat(fairbench.Method):
    """Play against a Hedge player who weighs the classes by what they have cost on held-out images so far.

    loss = 1/B sum_b (w_{y_b} + w_{K+1}) l_b        with l = CE(f(x), y) + beta KL(p(x) || p(x'))          (1)
    S_i <- S_i + cost_i                              cost_i: mean l of class i on held-out images            (2)
    w_i = K exp(eta S_i) / sum_{j=1..K+1} exp(eta S_j)     for the next epoch; all 1 in the first            (3)

    The expert K+1 is the average over the classes; it is in the public code, whose weights these are: they sum to K,
    so that equal costs give 2K / (K + 1) times TRADES. The numbers of the equations are not the paper's. The code
    divides the costs by whole batches instead of images, which is 0.977 of the mean on CIFAR-10. eta is meant for 100
    epochs; on shorter tracks it grows as the epochs get fewer.
    """

    class Options(fairbench.Method.Options):
        """Settings of the Hedge player."""

        rate: float = Field(default=0.1, ge=0)
        """eta; 0.1 in the public code, for 100 epochs."""

    options: Options
    state_names = ("costs",)
    costs: Tensor
    """S: (K + 1,), the average expert last; NaN before the first look."""

    def reset(self) -> None:
        """Nothing has been looked at."""
        self.costs = torch.cat([self.per_class(float("nan")), self.per_class(float("nan"))[:1]])

    @property
    def expert_weights(self) -> Tensor:
        """w: (K + 1,) (Eq. 3); all 1 before the first look."""
        weights = self.setting.num_classes * (self.options.rate * self.costs).softmax(dim=0)
        return weights.nan_to_num(nan=1.0)

    def published_extra_clean_forwards(self) -> int:
        """None, unlike TRADES' own code."""
        return 0

    def weigh(self, terms: Terms, batch: Batch) -> dict[str, Tensor]:
        """w_y + w_{K+1} on every term (Eq. 1)."""
        weights = self.expert_weights
        per_sample = weights[batch.y] + weights[-1]
        return {name: coefficient * per_sample for name, coefficient in terms.coefficients.items()}

    def end_epoch(self, feedback: Feedback) -> None:
        """Add up the costs under the attack of training (Eq. 2)."""
        setting = self.setting
        attack = HeldOutAttack(loss="kl", steps=setting.steps, epsilon=setting.epsilon, step_size=setting.step_size)
        result = feedback.validate(attack)
        cost = (result.cross_entropy + self.objective.options.beta * result.kl) / result.total
        self.costs = self.costs.nan_to_num(nan=0.0) + torch.cat([cost, cost.mean()[None]])

    def diagnostics(self) -> Mapping[str, Tensor]:
        """The weights of the classes and of the average expert."""
        weights = self.expert_weights
        return {"class_weights": weights[:-1], "average_weight": weights[-1]}
