"""Adversarial weight perturbation (Wu et al., NeurIPS 2020)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from pydantic import Field
from torch import Tensor, nn

from fairbench.training.method import Part
from fairbench.training.modes import statistics_kept
from fairbench.training.seams import Clock


class Awp(Part):
    """Take each step at weights that were moved to raise the unweighted objective."""

    class Options(Part.Options):
        """Settings of the perturbation."""

        gamma: float = Field(default=0.005, ge=0)
        """size relative to the norm of each kernel; 0.005 in FAAL and TRADES-AWP, 0.01 in AT-AWP."""
        start: float = Field(default=0.0, ge=0, le=1)
        """share of training before which nothing is perturbed; 10 of 200 epochs in TRADES-AWP."""

    options: Options

    @contextmanager
    def perturbed(self, network: nn.Module, base_loss: Callable[[], Tensor], clock: Clock) -> Iterator[None]:
        """The network at its perturbed weights inside the block, moved back by the same amount afterwards.

        Args:
            network: in train mode.
            base_loss: computes the unweighted objective on the batch at hand.
            clock: where training stands.
        """
        if clock.fraction < self.options.start or self.options.gamma == 0:
            yield
            return
        kernels = [p for name, p in network.named_parameters() if p.ndim > 1 and "weight" in name]
        shifts = self._shifts(network, kernels, base_loss)
        _shift(kernels, shifts, 1)
        try:
            yield
        finally:
            _shift(kernels, shifts, -1)

    def _shifts(self, network: nn.Module, kernels: list[nn.Parameter], base_loss: Callable[[], Tensor]) -> list[Tensor]:
        # The paper perturbs on a proxy copy whose batch-norm statistics are thrown away.
        with statistics_kept(network):
            # Public checkpoints carry kernels that no forward uses, as WRN's sub_block1: they stay where they are.
            gradients = torch.autograd.grad(base_loss(), kernels, materialize_grads=True)
        with torch.no_grad():
            return [
                self.options.gamma * kernel.norm() * gradient / (gradient.norm() + 1e-20)
                for kernel, gradient in zip(kernels, gradients, strict=True)
            ]


@torch.no_grad()
def _shift(kernels: list[nn.Parameter], shifts: list[Tensor], sign: int) -> None:
    for kernel, shift in zip(kernels, shifts, strict=True):
        kernel.add_(shift, alpha=sign)
