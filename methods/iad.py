"""IAD: Introspective Adversarial Distillation (Zhu et al., ICLR 2022)."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor

import fairbench
from fairbench.losses import cross_entropy, kl_divergence, softened_kl
from fairbench.registry import ANY_TRACK
from fairbench.training.distillation import SHORT_TRACKS, Distillation, trust_in
from fairbench.training.published_schedules import DISTILLATION_TRACKS, ONE_DROP
from fairbench.training.seams import Batch, BatchNormMode, Inner, Terms, Views


@fairbench.register(
    "iad",
    title="IAD",
    paper="Zhu et al., Reliable Adversarial Distillation with Unreliable Teachers, ICLR 2022",
    year=2022,
    link="https://arxiv.org/abs/2106.04928",
    family="distillation",
    needs=("teacher",),
    as_objective="iad",
    defaults={**SHORT_TRACKS, DISTILLATION_TRACKS: ONE_DROP},
)
class Iad(Distillation):
    """Trust the teacher as far as it is right at the student's adversarial example, and oneself for the rest.

    min_theta E [ alpha t^2 KL(T^t(x) || S^t(x')) + alpha (1 - A) KL(S(x) || S(x')) + (1 - alpha) CE(S(x), y) ]
    A = T_y(x')^beta after a warm-up, 1 before it     x' by PGD on CE(S(x'), y)     (IAD-I)

    S(x) is not detached as a target. The paper splits the trust, A on the teacher and 1 - A on the student; its code
    leaves the teacher's term whole. The code's is the default, the paper's is ``split_trust=true``.

    The attack runs in train mode, and the code passes x' once more in train mode and drops the answer: both move
    batch-norm statistics. Published: 60 of 200 epochs of warm-up, learning rate 0.1, weight decay 2e-4; the rate should
    drop at 100 and 150 epochs, but in the code drops only once. Here the track's schedule holds.
    """

    attack_bn: ClassVar[BatchNormMode] = "train"
    attack_name: ClassVar[str] = "pgd on the cross-entropy"
    attack_start: ClassVar[Literal["gaussian", "uniform"]] = "uniform"

    class Options(Distillation.Options):
        """Settings of IAD-I in the code."""

        kl_reduction: Literal["element_mean", "batch_mean"] = "batch_mean"
        alpha: float = Field(default=1.0, ge=0, le=1)
        """share of teacher and introspection; the rest is the cross-entropy."""
        temperature: float = Field(default=1.0, gt=0)
        """t, of teacher and student in the teacher's term."""
        trust_exponent: float = Field(default=0.1, ge=0)
        """beta in the paper; at 0 the teacher is trusted fully."""
        warm_up: float = Field(default=0.3, ge=0, le=1)
        """share of the epochs before which the teacher is trusted fully."""
        split_trust: bool = False
        """multiply the teacher's term by A, as in the paper."""
        hard_labels_at: Literal["clean", "adversarial"] = "clean"
        """where the cross-entropy is taken; at adversarial images in the code of Fair-IAD."""

    options: Options
    hidden_options = (*Distillation.hidden_options, "split_trust", "hard_labels_at")

    def prepare(self, batch: Batch) -> Inner:
        """The teacher's answers on the clean images."""
        return replace(super().prepare(batch), soft_labels={"clean": self.ask(batch.x)})

    def perturb(self, batch: Batch, inner: Inner) -> Views:
        """PGD on the cross-entropy; then the teacher's answers at x'."""
        views = self.attack(batch, inner, lambda _, logits: cross_entropy(logits, batch.y))
        x_adv = views.x["adversarial"]
        if self.options.unused_forwards:
            self.clean_forward(x_adv, learns=False)
        return replace(views, soft_labels={**views.soft_labels, "adversarial": self.ask(x_adv)})

    def losses(self, batch: Batch, views: Views) -> Terms:
        """Teacher, introspection and cross-entropy."""
        alpha = self.options.alpha
        adversarial = self.setting.network(views.x["adversarial"])
        clean = self.setting.network(batch.x)
        trust = self.trust(views.soft_labels["adversarial"], batch)
        from_teacher = softened_kl(views.soft_labels["clean"], adversarial, self.options.temperature)
        answered = clean if self.options.hard_labels_at == "clean" else adversarial
        return Terms(
            per_sample={
                "adversarial": trust * from_teacher if self.options.split_trust else from_teacher,
                "introspection": (1 - trust) * kl_divergence(clean, adversarial),
                "natural": cross_entropy(answered, batch.y),
            },
            coefficients={
                "adversarial": alpha * self.kl_factor,
                "introspection": alpha * self.kl_factor,
                "natural": 1 - alpha,
            },
            logits={"adversarial": adversarial, "clean": clean},
        )

    def trust(self, answers: Tensor, batch: Batch) -> Tensor:
        """A: (B,)."""
        return trust_in(answers, batch, exponent=self.options.trust_exponent, warm_up=self.options.warm_up)


@fairbench.register(
    "ada_iad",
    title="AdaIAD",
    paper="Huang et al., Boosting Accuracy and Robustness of Student Models via Adaptive Adversarial Distillation, "
    "CVPR 2023",
    year=2023,
    family="distillation",
    needs=("teacher",),
    as_objective="ada_iad",
    defaults={ANY_TRACK: {"temperature": 30.0}, **SHORT_TRACKS},
)
class AdaIad(Iad):
    """IAD's loss on AdaAD's adversarial examples.

    min_theta E [ alpha t^2 KL(T^t(x') || S^t(x')) + alpha (1 - A) KL(S(x) || S(x')) + (1 - alpha) CE(S(x), y) ]
    x' = argmax_{|x' - x| <= epsilon} KL(T(x') || S(x'))     A as in IAD-I, after 60 of 200 epochs

    The teacher answers at x' in its own term too, and the gradient of the attack passes through both networks, in eval
    mode from a Gaussian start. The temperature is 30 in the code of AdaAD's authors, which this follows.
    """

    attack_bn: ClassVar[BatchNormMode] = "eval"
    attack_name: ClassVar[str] = "pgd on KL(teacher adversarial || student adversarial)"
    attack_start: ClassVar[Literal["gaussian", "uniform"]] = "gaussian"

    def prepare(self, batch: Batch) -> Inner:
        """Nothing is asked on clean images."""
        return Distillation.prepare(self, batch)

    def perturb(self, batch: Batch, inner: Inner) -> Views:
        """PGD on the disagreement; the teacher's answers at x' are both its labels and what trust is read from."""
        views = self.attack(batch, inner, lambda x_adv, logits: kl_divergence(self.ask(x_adv), logits))
        answers = self.ask(views.x["adversarial"])
        return replace(views, soft_labels={"adversarial": answers, "clean": answers})
