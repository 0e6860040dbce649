"""The verdict on masked gradients: signs that a network only looks robust, class by class, as data in its record."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, lgamma, log
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from fairbench.protocol.schema import Schema

SignName = Literal["zero_gradient", "black_box", "large_epsilon", "more_steps", "one_step", "transfer", "randomised"]

Count = Annotated[int, Field(ge=0)]

SIGNS: dict[str, str] = {
    "zero_gradient": "the gradient of the cross-entropy is exactly zero at the image",
    "black_box": "Square, which sees no gradient, fools where FGSM, PGD and CW do not",
    "large_epsilon": "images survive a radius at which every image can be made any other",
    "more_steps": "PGD comes into the class at some of its 50 steps and is led out again, so that more steps help the "
    "defender",
    "one_step": "FGSM fools where PGD does not",
    "transfer": "adversarial examples of a plain network fool where FGSM, PGD and CW on the network itself do not",
    "randomised": "two passes over the same image differ",
}
"""Name of each sign and what is counted of a class; where two attacks are compared, the images on which they come out
the other way round are subtracted."""

ACCIDENTAL_SHARE = 0.02
"""Of the images of a class, as many may show a sign without a cause; honest networks stay well below."""
FALSE_ALARMS = 0.05
"""The chance, at most, that any sign holds for any class of a network whose images show all of them by accident."""


def marked_classes(counted: Sequence[int], images: Sequence[int]) -> list[int]:
    """The classes in which a sign is counted more often than by accident, ascending.

    Each class has an exact binomial test against ``ACCIDENTAL_SHARE``, with Bonferroni's allowance for all signs and
    classes: 4 of 20 images where there are ten classes.

    Args:
        counted: (K,) images that show the sign.
        images: (K,) images that were looked at.
    """
    level = FALSE_ALARMS / (len(SIGNS) * max(len(images), 1))
    return [c for c, pair in enumerate(zip(counted, images, strict=True)) if _chance_of_so_many(*pair) <= level]


def _chance_of_so_many(count: int, total: int) -> float:
    """That a share of ``ACCIDENTAL_SHARE`` gives this count or more."""

    def chance(k: int) -> float:
        ways = lgamma(total + 1) - lgamma(k + 1) - lgamma(total - k + 1)
        return exp(ways + k * log(ACCIDENTAL_SHARE) + (total - k) * log(1 - ACCIDENTAL_SHARE))

    return sum(chance(k) for k in range(count, total + 1)) if count else 1.0


class MaskingSign(Schema):
    """One sign."""

    name: SignName
    counted: list[Count]
    """by class: images that show the sign, less those that show its opposite; at least 0."""
    images: list[Count]
    """by class: images that were looked at, all of them classified correctly as they are; for ``more_steps`` images of
    other classes that PGD took into this one."""
    classes: list[int]
    """indices of the classes for which the sign holds."""

    @model_validator(mode="after")
    def _follow_from_counts(self) -> MaskingSign:
        if len(self.counted) != len(self.images) or any(k > n for k, n in zip(self.counted, self.images, strict=True)):
            raise ValueError(f"{self.name}: counted and images do not fit together")
        marked = marked_classes(self.counted, self.images)
        # Zero gradients hold for the classes in which AutoAttack met them, too.
        follows = set(marked) <= set(self.classes) if self.name == "zero_gradient" else marked == self.classes
        if not follows:
            raise ValueError(f"{self.name}: classes {self.classes} do not follow from the counts, which mark {marked}")
        return self


class MaskingVerdict(Schema):
    """What the probes for masked gradients found."""

    flagged: bool
    """whether any sign holds for any class: the numbers of such a record are shown and not ranked."""
    classes: list[int]
    """indices of all classes with a sign, ascending."""
    signs: list[MaskingSign]
    """those that were probed, in the order of ``SIGNS``."""
    settings: dict[str, Any]
    """of the probes."""
    not_probed: dict[str, str] = Field(default_factory=dict)
    """sign -> why it was left out."""
    seconds: float

    @model_validator(mode="after")
    def _agree(self) -> MaskingVerdict:
        held = sorted({index for sign in self.signs for index in sign.classes})
        if self.classes != held or self.flagged != bool(held):
            raise ValueError("flagged and classes do not follow from the signs")
        return self

    def in_words(self, classes: list[str]) -> str:
        """What holds, in words; empty if nothing does.

        Args:
            classes: names of all classes.
        """
        parts = []
        for sign in self.signs:
            if sign.classes:
                names = (
                    "all classes" if len(sign.classes) == len(classes) else ", ".join(classes[i] for i in sign.classes)
                )
                parts.append(f"{SIGNS[sign.name]} ({names})")
        return "; ".join(parts)
