"""What a search saw of a network that can make its verdict doubtful, as data in the record of a condition."""

from __future__ import annotations

from pydantic import Field, model_validator

from fairbench.protocol.schema import Schema


class AttackChecks(Schema):
    """The checks of an AutoAttack or Square condition; a true flag or a large share asks for an adaptive attack."""

    randomised: bool
    """two passes over the same images differ."""
    dynamic: bool
    """the forward pass itself asks for gradients: a defence that optimises while it answers."""
    probabilities: bool
    """the outputs are non-negative and sum to 1, so that losses on logits see little of them."""
    lowest_logit: float
    highest_logit: float
    """over the clean images."""
    attacked: dict[str, int]
    """member -> images that were still robust when its turn came."""
    broken: dict[str, int]
    """member -> those of them that it broke."""
    gradient_seen: list[int]
    """images by class whose cross-entropy gradient at the start was looked at; zeros without such a member."""
    gradient_zero: list[int]
    """those of them where that gradient is exactly zero."""
    square_better: bool | None
    """Square broke more than 0.2 % of all images after gradient attacks had left them; null without such attacks."""
    farthest: float = Field(ge=0)
    """largest distance of an adversarial example from its image; beyond epsilon + 1e-6 the condition fails."""
    passes: dict[str, int]
    """images that went through the network: ``forward`` and ``gradient`` in the search, ``verdict`` in judgement."""
    notes: list[str] = Field(default_factory=list)
    """sentences for a reader, each once."""

    @property
    def gradient_zero_share(self) -> list[float | None]:
        """By class; None where no gradient was looked at."""
        pairs = zip(self.gradient_zero, self.gradient_seen, strict=True)
        return [zero / seen if seen else None for zero, seen in pairs]

    @model_validator(mode="after")
    def _counts_agree(self) -> AttackChecks:
        if self.attacked.keys() != self.broken.keys():
            raise ValueError("attacked and broken name different members")
        if any(self.broken[name] > self.attacked[name] for name in self.broken):
            raise ValueError("a member broke more images than it attacked")
        if len(self.gradient_zero) != len(self.gradient_seen):
            raise ValueError("gradient_zero and gradient_seen have different lengths")
        if any(zero > seen for zero, seen in zip(self.gradient_zero, self.gradient_seen, strict=True)):
            raise ValueError("more gradients are zero than were seen")
        return self
