"""TRIX: targeted attacks on strong classes, untargeted ones on weak classes (Medi et al., 2025)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from pydantic import Field
from torch import Tensor

import fairbench
from fairbench.attacks.ascent import projected_ascent
from fairbench.attacks.starts import uniform_start
from fairbench.losses import cross_entropy
from fairbench.training.feedback import Feedback
from fairbench.training.seams import Batch, Inner, Terms, Views


@fairbench.register(
    "trix",
    title="TRIX",
    paper="Medi et al., TRIX: Trading Adversarial Fairness via Mixed Adversarial Training, 2025",
    year=2025,
    link="https://arxiv.org/abs/2507.07768",
    objectives=("at",),
    defaults={"digits": {"schedule.epochs": 12}, "fmnist": {"schedule.epochs": 5}},
)
class Trix(fairbench.Method):
    """Spare the strong classes a targeted attack's weaker push, and press the weak ones with an untargeted one.

    x' = argmin CE(f(x'), y_t), y_t uniform over the other classes, if class y is strong; argmax CE(f(x'), y) if weak
    loss = mean w_y CE(f(x'), y),   within epsilon_y = (lambda1 + R_y) epsilon

    Known is the outline: targets drawn uniformly for strong classes, untargeted attacks for weak ones, class weights
    and class radii. The rest is assumed: R_c is the accuracy on the adversarial images of the last epoch, a class is
    strong above the mean of R, radii are those of FAIR-TAT (by the same authors), w_c is K (1 - R_c) / sum_k (1 - R_k),
    and all classes are weak, with weight 1 and radius epsilon, in the first epoch.
    """

    class Options(fairbench.Method.Options):
        """Settings of radii and weights."""

        radius_base: float = Field(default=0.5, ge=0)
        """lambda1, as in FAIR-TAT."""
        weighted: bool = True
        """whether the loss is weighted by class."""

    options: Options
    state_names = ("robust_accuracy",)
    robust_accuracy: Tensor
    """R: (K,)."""

    def reset(self) -> None:
        """All classes alike: weak, with radius epsilon."""
        self.robust_accuracy = self.per_class(1 - self.options.radius_base)

    @property
    def attack_name(self) -> str:
        """By class."""
        return "pgd towards random classes for strong classes, on the cross-entropy for weak ones"

    @property
    def is_strong(self) -> Tensor:
        """(K,) bool."""
        return self.robust_accuracy > self.robust_accuracy.mean() + 1e-6

    @property
    def class_weights(self) -> Tensor:
        """w: (K,), K in sum."""
        errors = (1 - self.robust_accuracy).clamp(min=1e-6)
        return len(errors) * errors / errors.sum() if self.options.weighted else torch.ones_like(errors)

    def prepare(self, batch: Batch) -> Inner:
        """Radii by class, and a uniform wrong target for each image."""
        num_classes = self.setting.num_classes
        generator, device = self.setting.generator, batch.y.device
        shift = torch.randint(1, num_classes, batch.y.shape, generator=generator, device=device)
        epsilon = self.setting.epsilon * (self.options.radius_base + self.robust_accuracy)
        return replace(super().prepare(batch), epsilon=epsilon[batch.y], targets=(batch.y + shift) % num_classes)

    def perturb(self, batch: Batch, inner: Inner) -> Views:
        """One ascent for both kinds of classes."""
        assert inner.targets is not None
        strong, targets = self.is_strong[batch.y], inner.targets

        def loss(_: Tensor, logits: Tensor) -> Tensor:
            return torch.where(strong, -cross_entropy(logits, targets), cross_entropy(logits, batch.y))

        ascent = projected_ascent(
            self.network,
            batch.x,
            loss,
            start=uniform_start(batch.x, inner.epsilon, self.setting.generator),
            epsilon=inner.epsilon,
            step_size=inner.step_size,
            steps=self.setting.steps,
        )
        return Views({"adversarial": ascent.x_adv})

    def weigh(self, terms: Terms, batch: Batch) -> dict[str, Tensor]:
        """w_y on every term."""
        per_sample = self.class_weights[batch.y]
        return {name: coefficient * per_sample for name, coefficient in terms.coefficients.items()}

    def end_epoch(self, feedback: Feedback) -> None:
        """R from the answers given during the epoch."""
        if feedback.train is not None:
            self.robust_accuracy = feedback.train.adversarial.class_accuracy

    def diagnostics(self) -> Mapping[str, Tensor]:
        """Weights, and radii relative to epsilon."""
        return {"class_weights": self.class_weights, "margins": self.options.radius_base + self.robust_accuracy}
