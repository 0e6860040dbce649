"""What the objectives with a teacher share: its answers, the scale of the KL divergence, and the inner attack."""

from __future__ import annotations

import contextlib
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from fairbench.attacks.ascent import Loss, per_sample, projected_ascent
from fairbench.attacks.starts import TRADES_NOISE, gaussian_start
from fairbench.errors import UsageError
from fairbench.losses import kl_divergence
from fairbench.training.method import Objective
from fairbench.training.modes import statistics_kept
from fairbench.training.seams import Batch, Inner, Terms, Views

CORRECT_STEPS = "correct_steps"
"""trace: how many iterates before a step were still answered correctly."""
STEPS_TO_FAILURE = "steps_to_failure"
"""trace: the index of the first iterate that was answered wrongly."""

SHORT_TRACKS = {"digits": {"schedule.epochs": 12}, "fmnist": {"schedule.epochs": 3}}
"""Epochs on the tracks that fine-tune on a CPU; the papers distil from scratch for 200 or 300."""
ELEMENT_MEAN_TRACKS = {track: {**values, "kl_scale": 10.0} for track, values in SHORT_TRACKS.items()}
"""The same for codes that divide divergences by K: the papers make up for it by a learning rate of 0.1, ten times that
of fine-tuning, and with K = 100 by a factor of 10. In a few epochs at the rate of the track they would hardly move."""


def trust_in(answers: Tensor, batch: Batch, *, exponent: float, warm_up: float) -> Tensor:
    """How far a teacher is trusted: its probability of the truth, to a power; 1 while it is early (IAD). (B,).

    Args:
        answers: (B, K) logits of the teacher.
        batch: labels and clock.
        exponent: 0 trusts fully.
        warm_up: share of the epochs before which trust is full.
    """
    truth = answers.softmax(dim=1).gather(1, batch.y[:, None]).squeeze(1)
    return torch.ones_like(truth) if batch.clock.epoch_fraction < warm_up else truth**exponent


class Distillation(Objective):
    """An objective that trains a student on a frozen teacher's answers.

    Published codes reduce KL divergences in two ways that differ by the factor K: the mean over all B x K elements,
    and the mean over the batch of the sums over classes. Against a fixed weight decay that is not the same training.
    """

    has_teacher: ClassVar[bool] = True
    attack_start: ClassVar[Literal["gaussian", "uniform"]] = "gaussian"
    """0.001 N(0, 1) around the image, or uniform in the ball; in neither code is the start clipped to [0, 1]."""

    class Options(Objective.Options):
        """Scale of the divergences."""

        kl_reduction: Literal["element_mean", "batch_mean"] = "element_mean"
        """mean over samples and classes, or over samples of the sum over classes."""
        kl_scale: float = Field(default=1.0, gt=0)
        """factor on every divergence."""
        unused_forwards: bool = True
        """pass images in train mode though their answers count for nothing."""

    hidden_options: ClassVar[tuple[str, ...]] = ("kl_reduction", "kl_scale", "unused_forwards")

    @property
    def kl_factor(self) -> float:
        """What stands before the batch mean of a divergence."""
        is_element_mean = self.options.kl_reduction == "element_mean"
        return self.options.kl_scale / (self.setting.num_classes if is_element_mean else 1)

    def hidden_settings(self) -> dict[str, Any]:
        """Also where the attack starts."""
        return super().hidden_settings() | {"attack_start": self.attack_start}

    def ask(self, x: Tensor, role: str = "robust") -> Tensor:
        """The teacher's logits on x, (B, K); gradients flow to x alone, and only if x asks for them.

        Raises:
            UsageError: if nobody teaches in this role.
        """
        if role not in self.setting.teachers:
            raise UsageError(
                f"{type(self).__name__} needs a {role} teacher; give the trainer teachers={{{role!r}: ...}}"
            )
        return self.setting.teachers[role](x)

    def clean_forward(self, x: Tensor, *, learns: bool) -> Tensor:
        """The student's logits on images, (B, K).

        Args:
            x: (B, C, H, W).
            learns: False where the public code passes the images only to move batch-norm statistics.
        """
        network = self.setting.network
        if learns:
            return network(x)
        with torch.no_grad(), contextlib.nullcontext() if self.options.unused_forwards else statistics_kept(network):
            return network(x)

    def attack(self, batch: Batch, inner: Inner, loss: Loss) -> Views:
        """PGD on a loss from the start of the method, last iterate.

        Returns:
            the view ``adversarial``, both readings of how many steps a sample withstood, and the soft labels of inner.
        """
        standing = torch.ones_like(batch.y)
        to_failure = torch.zeros_like(batch.y)

        def watched(x_adv: Tensor, logits: Tensor) -> Tensor:
            standing.mul_(logits.argmax(dim=1) == batch.y)
            to_failure.add_(standing)
            return loss(x_adv, logits)

        ascent = projected_ascent(
            self.setting.network,
            batch.x,
            watched,
            start=self._start(batch.x, inner.epsilon),
            epsilon=inner.epsilon,
            step_size=inner.step_size,
            steps=self.setting.steps,
            labels=batch.y,
        )
        assert ascent.correct_steps is not None
        traces = {CORRECT_STEPS: ascent.correct_steps.float(), STEPS_TO_FAILURE: to_failure.float()}
        return Views({"adversarial": ascent.x_adv}, traces, inner.soft_labels)

    def divergences(self, views: Views, *, adversarial: Tensor, clean: Tensor, shares: tuple[float, float]) -> Terms:
        """KL(soft label || student) at the perturbed and at the clean images.

        Args:
            views: with the soft labels ``adversarial`` and ``clean``.
            adversarial: (B, K) logits of the student.
            clean: (B, K) logits of the student.
            shares: of the two terms, before the scale of the divergences.
        """
        return Terms(
            per_sample={
                "adversarial": kl_divergence(views.soft_labels["adversarial"], adversarial),
                "natural": kl_divergence(views.soft_labels["clean"], clean),
            },
            coefficients={"adversarial": shares[0] * self.kl_factor, "natural": shares[1] * self.kl_factor},
            logits={"adversarial": adversarial, "clean": clean},
        )

    def _start(self, x: Tensor, epsilon: float | Tensor) -> Tensor:
        if self.attack_start == "gaussian":
            return gaussian_start(x, TRADES_NOISE, self.setting.generator)
        noise = torch.rand(x.shape, generator=self.setting.generator, device=x.device, dtype=x.dtype)
        return x + per_sample(epsilon, x) * (2 * noise - 1)
