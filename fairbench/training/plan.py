"""What to train and how: the values that a trainer is given, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field

from fairbench.protocol.track import Augmentation, Compute, Schedule, Selection, TrainingAttack
from fairbench.training.averaging import Averaging
from fairbench.training.awp import Awp
from fairbench.training.method import Method


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to train; all of it goes into the record."""

    schedule: Schedule
    augmentation: Augmentation
    attack: TrainingAttack
    selection: Selection
    epsilon: float
    from_scratch: bool
    seed: int
    compute: Compute = field(default_factory=Compute)

    @property
    def step_size(self) -> float:
        """The step of the inner maximisation, in pixel units of [0, 1]."""
        return self.epsilon * self.attack.step_fraction


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What to train: a method with its objective, and the modifiers around its step."""

    method: Method
    awp: Awp | None = None
    averaging: Averaging | None = None
    written: str = ""
    """the written form, for messages."""

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.written or type(self.method).__name__


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of it; the weights are in the folder."""

    selected_epoch: int
    last_epoch: int
    seconds: float
    precision: str = "float32"
    """in which the attack and the losses were computed."""
    compiled: bool = False
    """whether the network passes were compiled."""
