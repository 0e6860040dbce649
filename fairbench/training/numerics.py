"""Which precision a run computes in, and whether its network passes are compiled."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from fairbench.data import Split, to_unit
from fairbench.training.modes import attacking
from fairbench.training.plan import Plan

Precision = Literal["float32", "mixed", "bfloat16"]

AUTO_PRECISION: Precision = "bfloat16"
"""what ``auto`` takes where it pays: the fastest that changes average and worst class by less than the seed does, as
benchmarks/precision.py found on Fashion-MNIST (docs/numbers.md)."""
WORTH_ROUNDING = 1e12
"""operations of a whole run from which rounding pays: about ten seconds of float32 on two cores."""
WORTH_COMPILING = 1e14
"""operations of a whole run from which ``auto`` may compile: minutes of work against up to one of compilation."""
WORTH_A_CALL = 1e10
"""operations of one forward pass from which ``auto`` may compile: below, calling compiled code costs what it saves."""


@dataclass(frozen=True)
class Numerics:
    """What is settled before the first step and kept to the last, across restarts."""

    precision: Precision = "float32"
    compiled: bool = False

    @property
    def attack(self) -> torch.dtype:
        """Precision of the inner maximisation, and of the attacks on held-out images."""
        return torch.float32 if self.precision == "float32" else torch.bfloat16

    @property
    def outer(self) -> torch.dtype:
        """Precision of the forward and backward pass for the weights."""
        return torch.bfloat16 if self.precision == "bfloat16" else torch.float32

    def state_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The inverse of ``state_dict``."""
        return cls(**state)


def choose_numerics(plan: Plan, network: nn.Module, split: Split, device: torch.device) -> Numerics:
    """What the plan asks for; ``auto`` goes by the whole work of the run and by what the device can do.

    Args:
        plan: says how much work there is, and perhaps what to use.
        network: on the device.
        split: the training images.
        device: where to compute.
    """
    compute = plan.compute
    one_pass = _forward_operations(plan, network, split, device)
    work = one_pass * _forward_passes(plan, split)
    precision: Precision
    if compute.precision != "auto":
        precision = compute.precision
    else:
        precision = AUTO_PRECISION if work >= WORTH_ROUNDING and has_bfloat16(device) else "float32"
    if compute.compile != "auto":
        return Numerics(precision, compute.compile)
    # In float32 the libraries are near their limit anyway; a GPU is left to those who ask for it.
    gains = precision != "float32" and work >= WORTH_COMPILING and one_pass >= WORTH_A_CALL
    return Numerics(precision, gains and device.type == "cpu" and has_compiler())


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 faster than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    # The public torch.backends.cpu names the instruction set but not this extension of it.
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()


def has_compiler() -> bool:
    """Whether the C++ compiler is here that compilation for a CPU needs."""
    return any(shutil.which(name) for name in ("g++", "clang++"))


def _forward_operations(plan: Plan, network: nn.Module, split: Split, device: torch.device) -> float:
    """Multiplications and additions of a batch's way through the network."""
    if not len(split.labels):
        return 0.0
    with attacking(network, "eval"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(to_unit(split.images[:1].to(device)))
    return float(counter.get_total_flops() * plan.schedule.batch_size)


def _forward_passes(plan: Plan, split: Split) -> float:
    """Passes of full batches in the whole run, a backward pass counted as one forward."""
    schedule = plan.schedule
    batches = len(split.labels) / schedule.batch_size
    per_epoch = min(batches, schedule.steps_per_epoch or batches)
    return 2.0 * per_epoch * schedule.epochs * (plan.attack.steps + 2)
