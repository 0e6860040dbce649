"""IAD-II: introspective distillation with a second, standard-trained teacher (Zhu et al., ICLR 2022)."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

import fairbench
from fairbench.losses import cross_entropy, kl_divergence, softened_kl
from fairbench.training.distillation import SHORT_TRACKS, Distillation, trust_in
from fairbench.training.seams import Batch, BatchNormMode, Inner, Terms, Views


@fairbench.register(
    "iad_ii",
    title="IAD-II",
    paper="Zhu et al., Reliable Adversarial Distillation with Unreliable Teachers, ICLR 2022",
    year=2022,
    link="https://arxiv.org/abs/2106.04928",
    family="distillation",
    needs=("teacher", "clean teacher"),
    as_objective="iad_ii",
    defaults=SHORT_TRACKS,
)
class IadTwo(Distillation):
    """Hard labels, a robust teacher as far as it is right, oneself for the rest, and a standard-trained teacher.

    min_theta E [ (1 - a1 - a2) CE(S(x'), y)
                  + a1 t^2 ( A KL(T^t(x') || S^t(x')) + (1 - A) KL(S(x) || S(x')) ) + a2 t^2 KL(T_st^t(x') || S^t(x')) ]
    A = T_y(x')^beta after a warm-up, 1 before it     x' by PGD on CE(S(x'), y)

    Both teachers see the perturbed image, and the trust is split, unlike in the code of IAD-I. S(x) is not detached.
    The temperature is in the teachers' terms alone. Published: 40 of 200 epochs of warm-up, otherwise as IAD-I. Whether
    its code makes IAD-I's unused forward is not established; here it does not.
    """

    attack_bn: ClassVar[BatchNormMode] = "train"
    attack_name: ClassVar[str] = "pgd on the cross-entropy"
    attack_start: ClassVar[Literal["gaussian", "uniform"]] = "uniform"

    class Options(Distillation.Options):
        """Settings of the objective, as in the code."""

        kl_reduction: Literal["element_mean", "batch_mean"] = "batch_mean"
        """mean over the batch of the sums over classes."""
        robust_share: float = Field(default=0.5, ge=0, le=1)
        """a1, of the robust teacher and of introspection."""
        clean_share: float = Field(default=0.25, ge=0, le=1)
        """a2, of the standard-trained teacher; what is left of 1 is the cross-entropy's."""
        temperature: float = Field(default=1.0, gt=0)
        """t, of teachers and student in the teachers' terms."""
        trust_exponent: float = Field(default=0.1, ge=0)
        """beta in the paper; at 0 the teacher is trusted fully."""
        warm_up: float = Field(default=0.2, ge=0, le=1)
        """share of the epochs before which the teacher is trusted fully."""

    options: Options

    def perturb(self, batch: Batch, inner: Inner) -> Views:
        """PGD on the cross-entropy; then both teachers' answers at x'."""
        views = self.attack(batch, inner, lambda _, logits: cross_entropy(logits, batch.y))
        x_adv = views.x["adversarial"]
        return replace(views, soft_labels={"adversarial": self.ask(x_adv), "standard": self.ask(x_adv, "clean")})

    def losses(self, batch: Batch, views: Views) -> Terms:
        """The four terms."""
        options, labels = self.options, views.soft_labels
        adversarial = self.setting.network(views.x["adversarial"])
        clean = self.setting.network(batch.x)
        trust = trust_in(labels["adversarial"], batch, exponent=options.trust_exponent, warm_up=options.warm_up)
        from_teacher = softened_kl(labels["adversarial"], adversarial, options.temperature)
        scale = options.temperature**2
        return Terms(
            per_sample={
                "natural": cross_entropy(adversarial, batch.y),
                "adversarial": trust * from_teacher,
                "introspection": (1 - trust) * scale * kl_divergence(clean, adversarial),
                "standard": softened_kl(labels["standard"], adversarial, options.temperature),
            },
            coefficients={
                "natural": 1 - options.robust_share - options.clean_share,
                "adversarial": options.robust_share * self.kl_factor,
                "introspection": options.robust_share * self.kl_factor,
                "standard": options.clean_share * self.kl_factor,
            },
            logits={"adversarial": adversarial, "clean": clean},
        )
