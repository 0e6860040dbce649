"""From the outcomes of the probes to the verdict: a pure function on counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from fairbench.protocol.attack_checks import AttackChecks
from fairbench.protocol.masking import MaskingSign, MaskingVerdict, SignName, marked_classes

Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class ProbeOutcomes:
    """What each probe did to each image, all of them classified correctly as they are; flags are (n,) bool."""

    labels: NDArray[np.int64]
    """(n,)."""
    num_classes: int
    fooled: Mapping[str, Flags]
    """by ``fgsm``, ``pgd`` (at any of its steps), ``pgd_last`` (at the last of them), ``cw``, ``square``,
    ``large_epsilon`` and, where there was something to train a plain network on, ``transfer``."""
    reached: NDArray[np.int64]
    """(n,): the first wrong class that PGD came to, the label where it came to none before its last step."""
    gradient_is_zero: Flags
    differs: Flags
    """two passes gave different logits."""


def judge(
    outcomes: ProbeOutcomes,
    *,
    settings: dict[str, Any],
    seconds: float = 0.0,
    checks: AttackChecks | None = None,
    not_probed: Mapping[str, str] | None = None,
) -> MaskingVerdict:
    """The verdict.

    Args:
        outcomes: of the probes.
        settings: of the probes.
        seconds: that they took.
        checks: of AutoAttack in the battery, whose zero gradients count as well.
        not_probed: sign -> why it was left out.
    """
    signs = []
    for name in get_args(SignName):
        if name in (not_probed or {}):
            continue
        counted, images = _counts(name, outcomes)
        classes = set(marked_classes(counted.tolist(), images.tolist()))
        if name == "zero_gradient" and checks is not None:
            classes |= set(marked_classes(checks.gradient_zero, checks.gradient_seen))
        signs.append(MaskingSign(name=name, counted=counted.tolist(), images=images.tolist(), classes=sorted(classes)))
    flagged = sorted({index for sign in signs for index in sign.classes})
    return MaskingVerdict(
        flagged=bool(flagged),
        classes=flagged,
        signs=signs,
        settings=settings,
        not_probed=dict(not_probed or {}),
        seconds=seconds,
    )


def _counts(name: SignName, outcomes: ProbeOutcomes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(K,) images that show the sign, less those that show its opposite, at least 0; and (K,) images looked at."""
    fooled, reached = outcomes.fooled, outcomes.reached

    def by_class(flags: Flags, classes: NDArray[np.int64] = outcomes.labels) -> NDArray[np.int64]:
        return np.bincount(classes[flags], minlength=outcomes.num_classes)

    def lead(of: Flags, over: Flags) -> NDArray[np.int64]:
        return np.maximum(by_class(of & ~over) - by_class(over & ~of), 0)

    images = by_class(np.ones(len(reached), dtype=bool))
    if name == "more_steps":
        # It is the gradients in the class that was reached, not those of the image's own, that lead back.
        came_in = reached != outcomes.labels
        return by_class(came_in & ~fooled["pgd_last"], reached), by_class(came_in, reached)
    white_box = fooled["fgsm"] | fooled["pgd"] | fooled["cw"]
    leads = {
        "black_box": ("square", white_box),
        "one_step": ("fgsm", fooled["pgd"]),
        "transfer": ("transfer", white_box),
    }
    if name in leads:
        of, over = leads[name]
        return lead(fooled[of], over), images
    shown = {
        "zero_gradient": outcomes.gradient_is_zero,
        "large_epsilon": ~fooled["large_epsilon"],
        "randomised": outcomes.differs,
    }
    return by_class(shown[name]), images
