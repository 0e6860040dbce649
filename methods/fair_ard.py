"""Fair-ARD and its family: distillation weighed by how vulnerable a class is (Yue et al., NeurIPS 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

import fairbench
from fairbench.registry import ANY_TRACK
from fairbench.training.distillation import CORRECT_STEPS, SHORT_TRACKS, STEPS_TO_FAILURE
from fairbench.training.feedback import Feedback
from fairbench.training.published_schedules import DISTILLATION_TRACKS, ONE_DROP
from fairbench.training.seams import Batch, Terms

_enter = partial(
    fairbench.register,
    paper="Yue et al., Revisiting Adversarial Robustness Distillation from the Perspective of Robust Fairness, "
    "NeurIPS 2023",
    year=2023,
)
_TRACKS = {ANY_TRACK: {"schedule.nesterov": True}, **SHORT_TRACKS}
_ONE_DROP = {DISTILLATION_TRACKS: ONE_DROP}


@_enter("fair_ard", title="Fair-ARD", needs=("teacher",), objective="ard", defaults=_TRACKS | _ONE_DROP)
@_enter("fair_rslad", title="Fair-RSLAD", needs=("teacher",), objective="rslad", defaults=_TRACKS)
@_enter(
    "fair_iad",
    title="Fair-IAD",
    needs=("teacher",),
    objective="iad",
    defaults={**_TRACKS, **_ONE_DROP, "@iad": {"iad.hard_labels_at": "adversarial"}},
)
@_enter(
    "fair_mtard",
    title="Fair-MTARD",
    needs=("teacher", "clean teacher"),
    objective="mtard",
    defaults=_TRACKS,
)
class FairDistillation(fairbench.Method):
    """Weigh the classes of a distillation loss by how few attack steps break them.

    kappa_c = mean over the samples of class c, during the epoch, of the training attack's steps that were withstood
    w_c = K kappa_c^-beta / sum_j kappa_j^-beta, clamped to [5/6, 5/2]       used from the next epoch on

    Each per-sample term is multiplied by w_y; the attack is not reweighed. The paper counts the steps up to the first
    wrong answer; its code counts the iterates before a step that are right, which differs where an attack moves a
    sample back. The code's is the default. The code does not renormalise after the clamp, so the mean weight may
    exceed 1, and divides by K / N instead of the size of each class, which on balanced data is the same.

    Fair-ARD, Fair-RSLAD, Fair-IAD and Fair-MTARD stand on ARD, RSLAD, IAD and MTARD; their code turns Nesterov's
    momentum on, unlike that of those. Fair-MTARD's script never uses its clean teacher:
    ``mtard.clean_target=robust_teacher``. Fair-IAD's takes what cross-entropy there is at the adversarial images.
    """

    class Options(fairbench.Method.Options):
        """Settings of the weights."""

        beta: float = Field(default=2.0, ge=0)
        """sharpness; at 0 all classes count alike."""
        count: Literal["correct", "first_failure"] = "correct"
        """kappa: iterates that were right (code), or the index of the first wrong one (paper)."""
        smoothing: float = Field(default=1e-5, gt=0)
        """added to kappa; the code of Fair-RSLAD adds nothing and fails on a class that withstands no step."""
        lowest: float = Field(default=5 / 6, gt=0)
        """floor of the weights."""
        highest: float = Field(default=5 / 2, gt=0)
        """ceiling of the weights."""
        renormalise: bool = False
        """bring the mean of the clamped weights back to 1."""

    options: Options
    hidden_options = ("count", "renormalise")
    state_names = ("class_weights", "withstood")
    class_weights: Tensor
    withstood: Tensor
    """kappa of the epoch before: (K,)."""

    def reset(self) -> None:
        """All classes alike in the first epoch."""
        self.class_weights, self.withstood = self.per_class(1.0), self.per_class(0.0)

    def weigh(self, terms: Terms, batch: Batch) -> dict[str, Tensor]:
        """w_y on every term."""
        per_sample = self.class_weights[batch.y]
        return {name: weight * per_sample for name, weight in super().weigh(terms, batch).items()}

    def end_epoch(self, feedback: Feedback) -> None:
        """The weights of the next epoch."""
        if feedback.train is None:
            return
        total = feedback.train.adversarial.class_total
        sums = feedback.train.traces[CORRECT_STEPS if self.options.count == "correct" else STEPS_TO_FAILURE]
        # A class that was not seen must not look vulnerable: it would take weight from the others.
        self.withstood = torch.where(total > 0, sums / total.clamp(min=1), sums.sum() / total.sum())
        self.class_weights = self.weights_of(self.withstood)

    def weights_of(self, withstood: Tensor) -> Tensor:
        """The weights of classes that withstood so many steps on average: (K,) to (K,)."""
        share = (-self.options.beta * (withstood + self.options.smoothing).log()).softmax(dim=0)
        weights = (len(withstood) * share).clamp(self.options.lowest, self.options.highest)
        return weights / weights.mean() if self.options.renormalise else weights

    def diagnostics(self) -> Mapping[str, Tensor]:
        """Weights, and the steps that the classes withstood."""
        return {"class_weights": self.class_weights, "steps_withstood": self.withstood}
