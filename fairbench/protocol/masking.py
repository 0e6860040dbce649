"""The verdict on masked gradients: signs that a network only looks robust, class by class, as data in its record."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from fairbench.protocol.schema import Schema

SignName = Literal["zero_gradient", "black_box", "large_epsilon", "more_steps", "one_step", "transfer", "randomised"]

SIGNS: dict[str, str] = {
    "zero_gradient": "the gradient of the cross-entropy is exactly zero at the image",
    "black_box": "Square, which sees no gradient, fools where FGSM, PGD and CW do not",
    "large_epsilon": "images survive a radius at which every image can be made any other",
    "more_steps": "PGD fools at some of its 50 steps and no longer at the last, so that more steps help the defender",
    "one_step": "FGSM fools where PGD does not",
    "transfer": "adversarial examples of a plain network fool where FGSM, PGD and CW on the network itself do not",
    "randomised": "two passes over the same image differ",
}
"""Name of each sign and what is counted; a count against the sign (the attacks the other way round) is subtracted."""


class MaskingSign(Schema):
    """One sign."""

    name: SignName
    counted: list[int]
    """by class: images that show the sign, less those that show its opposite; at least 0."""
    images: list[int]
    """by class: images that were looked at, all of them classified correctly as they are."""
    classes: list[int]
    """indices of the classes for which the sign holds."""


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
