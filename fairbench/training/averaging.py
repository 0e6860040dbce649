"""Weight averages: EMA, SWA, and FAWA, which takes in only epochs whose weakest class passes a threshold.

The whole state dict is averaged once per epoch, batch-norm statistics included, as CFA, FAIR-TAT and FAAL's helper do;
SWA makes those statistics anew.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Self

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from fairbench.metrics import weakest
from fairbench.training.feedback import Feedback, HeldOutAttack
from fairbench.training.method import Part
from fairbench.training.seams import Clock, Setting


class Averaging(Part):
    """A second set of weights that follows the raw ones; it is what gets validated, selected and reported."""

    average: nn.Module

    def bind(self, setting: Setting) -> Self:
        """Start from a copy of the network."""
        self.average = copy.deepcopy(setting.network).eval().requires_grad_(False)
        return super().bind(setting)

    def end_epoch(self, feedback: Feedback) -> str | None:
        """Take in the epoch's weights; a line for the log if something is worth saying."""
        raise NotImplementedError

    def reported(self) -> nn.Module:
        """The network that is validated and reported."""
        return self.average

    def state_dict(self) -> dict[str, Tensor]:
        """The averaged weights and the part's own state."""
        return super().state_dict() | {f"average.{k}": v.clone() for k, v in self.average.state_dict().items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up the averaged weights."""
        prefix = "average."
        self.average.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
        super().load_state_dict({k: v for k, v in state.items() if not k.startswith(prefix)})


@torch.no_grad()
def move_towards(average: nn.Module, network: nn.Module, decay: float) -> None:
    """``average <- decay * average + (1 - decay) * network`` over the state dict; integer buffers are copied.

    Args:
        average: changed in place.
        network: with the same state dict.
        decay: in [0, 1]; 0 copies.
    """
    new = network.state_dict()
    for name, value in average.state_dict().items():
        if value.is_floating_point() and decay > 0:
            value.lerp_(new[name], 1 - decay)
        else:
            value.copy_(new[name])


def _decay_now(clock: Clock, start: float, decay: float) -> float:
    # The first averaged epoch is a copy: what came before the start has no part in the average.
    is_early = (clock.epoch - 1) / max(1, clock.epochs) <= start
    return 0.0 if is_early else decay


class Ema(Averaging):
    """Exponential moving average, once per epoch (CFA's baseline; rho 0.85 from epoch 50 of 200 in the paper)."""

    class Options(Part.Options):
        """Settings of the average."""

        decay: float = Field(default=0.85, ge=0, le=1)
        """rho: what stays of the average at each epoch; 0.85 in CFA's paper, 0.88 in its code."""
        start: float = Field(default=0.25, ge=0, le=1)
        """share of the epochs before which the average is a copy of the raw weights."""

    options: Options

    def end_epoch(self, feedback: Feedback) -> None:
        """Average, or copy while it is early."""
        move_towards(
            self.average, self.setting.network, _decay_now(feedback.clock, self.options.start, self.options.decay)
        )


class Swa(Averaging):
    """Stochastic weight averaging: the plain mean of the weights at the ends of the epochs.

    Izmailov et al. 2018, after adversarial training as in Chen et al. 2021, from epoch 55 of 200. The batch-norm
    statistics of the average are made anew from one pass over the clean, augmented training images.
    """

    state_names = ("count",)
    count: Tensor

    class Options(Part.Options):
        """Settings of the average."""

        start: float = Field(default=0.275, ge=0, le=1)
        """share of the epochs before which the average is a copy of the raw weights."""

    options: Options

    def reset(self) -> None:
        """No epoch averaged yet."""
        self.count = torch.tensor(0)

    def end_epoch(self, feedback: Feedback) -> None:
        """Take the epoch in with the same weight as each before it, or copy while it is early."""
        move_towards(self.average, self.setting.network, int(self.count) / (int(self.count) + 1))
        if feedback.clock.epoch_fraction > self.options.start:
            self.count += 1
            update_bn(feedback.training_images(), self.average)


class Fawa(Averaging):
    """Fairness-aware weight average: CFA (Wei et al., CVPR 2023), section 4.3.

    An epoch is averaged in if the lowest class accuracy of the raw network under PGD-10 on the feedback split is at
    least ``threshold``; from 50 classes on that is the mean of the lowest tenth, as where CFA was run on CIFAR-100. The
    first such epoch copies the weights. Until then the public code reports its random initialisation; here a plain EMA
    stands in, and the log says so.
    """

    state_names = ("has_started",)
    has_started: Tensor

    class Options(Part.Options):
        """Settings of the average."""

        decay: float = Field(default=0.85, ge=0, le=1)
        """rho: what stays of the average at each epoch; 0.85 in CFA's paper, 0.88 in its code."""
        start: float = Field(default=0.25, ge=0, le=1)
        """share of the epochs before which no epoch is averaged in."""
        threshold: float = Field(default=0.2, ge=0)
        """delta: accuracy of the weakest class that an epoch must reach."""

    options: Options

    def reset(self) -> None:
        """Nothing averaged yet; the stand-in starts as a copy."""
        self.has_started = torch.tensor(False)
        self.stand_in = copy.deepcopy(self.average)

    def end_epoch(self, feedback: Feedback) -> str | None:
        """Average the epoch in if its weakest class passes."""
        network, options = self.setting.network, self.options
        move_towards(self.stand_in, network, _decay_now(feedback.clock, options.start, options.decay))
        if feedback.clock.epoch_fraction <= options.start:
            return None
        attack = HeldOutAttack(steps=self.setting.steps, epsilon=self.setting.epsilon, step_size=self.setting.step_size)
        lowest = weakest(feedback.validate(attack).adversarial_accuracy.cpu())
        if lowest < options.threshold:
            stand_in = "" if self.has_started else "; a plain EMA stands in"
            return f"fawa: epoch left out, weakest class {lowest:.1%} is below {options.threshold:.1%}{stand_in}"
        move_towards(self.average, network, options.decay if self.has_started else 0.0)
        self.has_started = torch.tensor(True)
        return None

    def reported(self) -> nn.Module:
        """The average, or the stand-in as long as no epoch has passed."""
        return self.average if self.has_started else self.stand_in

    def state_dict(self) -> dict[str, Tensor]:
        """The average, the stand-in and whether the average has started."""
        return super().state_dict() | {f"stand_in.{k}": v.clone() for k, v in self.stand_in.state_dict().items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take all of it up again."""
        prefix = "stand_in."
        self.stand_in.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
        super().load_state_dict({k: v for k, v in state.items() if not k.startswith(prefix)})
