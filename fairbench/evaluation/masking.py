"""From the outcomes of the probes to the verdict: a pure function on counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from fairbench.protocol.attack_checks import AttackChecks
from fairbench.protocol.masking import MaskingSign, MaskingVerdict, SignName

FEWEST_IMAGES = 3
SMALLEST_SHARE = 0.15
"""A sign holds for a class where it is counted for so many images at least, and for such a share of those looked at."""

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
    images = np.bincount(outcomes.labels, minlength=outcomes.num_classes)
    signs = []
    for name in get_args(SignName):
        if name in (not_probed or {}):
            continue
        counted = np.maximum(_excess(name, outcomes), 0)
        holds = _is_marked(counted, images)
        if name == "zero_gradient" and checks is not None:
            holds |= _is_marked(np.array(checks.gradient_zero), np.array(checks.gradient_seen))
        classes = np.flatnonzero(holds).tolist()
        signs.append(MaskingSign(name=name, counted=counted.tolist(), images=images.tolist(), classes=classes))
    flagged = sorted({index for sign in signs for index in sign.classes})
    return MaskingVerdict(
        flagged=bool(flagged),
        classes=flagged,
        signs=signs,
        settings=settings,
        not_probed=dict(not_probed or {}),
        seconds=seconds,
    )


def _excess(name: SignName, outcomes: ProbeOutcomes) -> NDArray[np.int64]:
    """(K,): images that show the sign less those that show its opposite."""
    fooled = outcomes.fooled

    def by_class(flags: Flags) -> NDArray[np.int64]:
        return np.bincount(outcomes.labels[flags], minlength=outcomes.num_classes)

    def lead(of: Flags, over: Flags) -> NDArray[np.int64]:
        return by_class(of & ~over) - by_class(over & ~of)

    white_box = fooled["fgsm"] | fooled["pgd"] | fooled["cw"]
    leads = {
        "black_box": ("square", white_box),
        "one_step": ("fgsm", fooled["pgd"]),
        "transfer": ("transfer", white_box),
    }
    if name in leads:
        of, over = leads[name]
        return lead(fooled[of], over)
    shown = {
        "zero_gradient": outcomes.gradient_is_zero,
        "large_epsilon": ~fooled["large_epsilon"],
        "more_steps": fooled["pgd"] & ~fooled["pgd_last"],
        "randomised": outcomes.differs,
    }
    return by_class(shown[name])


def _is_marked(counted: NDArray[np.int64], images: NDArray[np.int64]) -> Flags:
    return (counted >= FEWEST_IMAGES) & (counted >= SMALLEST_SHARE * images)
