"""CFA: Class-wise Calibrated Fair Adversarial training (Wei et al., CVPR 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import Field
from torch import Tensor

import fairbench
from fairbench.registry import ANY_TRACK
from fairbench.training.feedback import Feedback
from fairbench.training.published_schedules import DISTILLATION_TRACKS, RICE
from fairbench.training.seams import Batch, Inner, Terms


@fairbench.register(
    "cfa",
    title="CFA",
    paper="Wei et al., CFA: Class-wise Calibrated Fair Adversarial Training, CVPR 2023",
    year=2023,
    link="https://arxiv.org/abs/2303.14460",
    needs=("feedback split",),
    objectives=("at", "trades", "friendly"),
    defaults={
        ANY_TRACK: {"augmentation.padding_mode": "reflect"},
        DISTILLATION_TRACKS: RICE,
        "cifar100-*": {"fawa.threshold": 0.02},
        "@trades": {"radius_base": 0.3},
        "@friendly": {
            "radius_base": 0.7,
            "attack_bn": "train",
            "friendly.tau": 3,
            "friendly.rearm": False,
            "friendly.jitter": 0,
        },
        "digits": {"schedule.epochs": 12, "fawa.threshold": 0.05},
        "fmnist": {"schedule.epochs": 8, "fawa.threshold": 0.05},
    },
)
class Cfa(fairbench.Method):
    """Radius and regularisation of each class follow its robust accuracy in the epoch before.

    CCM: epsilon_c = (lambda1 + t_c) epsilon    CCR (TRADES): beta_c = (lambda2 + t_c) beta    FAWA: see the modifier

    t_c is the accuracy of class c on the training attack of the previous epoch. The step size stays the track's. The
    paper starts at once, its code after 10 of 200 epochs; the code's start is the default. On Friendly AT the inner
    attack is the one of CFA's code: three steps of patience, not given back.
    """

    default_modifiers = ("fawa",)
    hidden_options = ("start",)

    class Options(fairbench.Method.Options):
        """Settings of the calibration."""

        radius_base: float = Field(default=0.5, ge=0)
        """lambda1; in the paper 0.5 on AT, 0.3 on TRADES and 0.7 on Friendly AT."""
        regularisation_base: float = Field(default=0.5, ge=0)
        """lambda2, TRADES only."""
        start: float = Field(default=0.05, ge=0, le=1)
        """share of the epochs before which nothing is calibrated."""

    options: Options
    state_names = ("robust_accuracy",)
    robust_accuracy: Tensor
    """t: (K,); set so that nothing is calibrated before the start."""

    def reset(self) -> None:
        """No calibration: the radius of every class is epsilon."""
        self.robust_accuracy = self.per_class(float("nan"))

    def end_epoch(self, feedback: Feedback) -> None:
        """t_c from the adversarial answers given during the epoch."""
        if feedback.clock.epoch_fraction >= self.options.start and feedback.train is not None:
            self.robust_accuracy = feedback.train.adversarial.class_accuracy

    def prepare(self, batch: Batch) -> Inner:
        """CCM: the radius of each sample's class."""
        epsilon = self.setting.epsilon * self.calibrated(self.options.radius_base)
        return replace(super().prepare(batch), epsilon=epsilon[batch.y])

    def weigh(self, terms: Terms, batch: Batch) -> dict[str, Tensor]:
        """CCR: b = beta_c / (1 + beta_c) on the boundary term, 1 - b on the natural one."""
        if not {"natural", "boundary"} <= terms.per_sample.keys():
            return super().weigh(terms, batch)
        beta = terms.coefficients["boundary"] / terms.coefficients["natural"]
        beta_c = (beta * self.calibrated(self.options.regularisation_base))[batch.y]
        share = beta_c / (1 + beta_c)
        return {"natural": 1 - share, "boundary": share}

    def calibrated(self, base: float) -> Tensor:
        """The factor lambda + t_c, or 1 before the start: (K,)."""
        return (base + self.robust_accuracy).nan_to_num(nan=1.0)

    def published_extra_clean_forwards(self) -> int:
        """One after the step, beyond TRADES' own."""
        return 2 if self.objective.is_regularised else 1

    def hidden_settings(self) -> dict[str, Any]:
        """CCR's two shares sum to 1: TRADES' loss divided by 1 + beta."""
        return super().hidden_settings() | ({"loss_divided": True} if self.objective.is_regularised else {})

    def diagnostics(self) -> Mapping[str, Tensor]:
        """The radius of each class relative to epsilon."""
        return {"margins": self.calibrated(self.options.radius_base)}
