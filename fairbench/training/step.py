"""One training step: attack, losses at the (perturbed) weights, weights of the losses, update."""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor, nn

from fairbench.training.modes import attacking
from fairbench.training.passes import Passes
from fairbench.training.plan import Recipe
from fairbench.training.seams import Batch, Terms, Views
from fairbench.training.statistics import EpochStatistics


class TrainingStep:
    """Runs the seams of a method on one batch; nothing in it waits for the device."""

    def __init__(self, recipe: Recipe, network: nn.Module, optimizer: torch.optim.Optimizer, passes: Passes) -> None:
        self.recipe, self.network, self.optimizer, self.passes = recipe, network, optimizer, passes

    def __call__(self, batch: Batch, statistics: EpochStatistics) -> Tensor:
        """Make the step; the loss, a scalar without gradient.

        Args:
            batch: on the device of the network.
            statistics: take in what the outer forward saw.
        """
        views = self._attacked(batch)
        with self.passes.outer():
            loss, terms = self._updated(batch, views)
        statistics.add(terms, views, batch.y)
        return loss

    def _attacked(self, batch: Batch) -> Views:
        method = self.recipe.method
        with attacking(self.network, method.attack_bn), self.passes.attack():
            return method.perturb(batch, method.prepare(batch))

    def _updated(self, batch: Batch, views: Views) -> tuple[Tensor, Terms]:
        method = self.recipe.method
        with self._perturbed_weights(batch, views):
            terms = method.losses(batch, views)
            loss = method.combine(terms, method.weigh(terms, batch))
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            # The optimiser steps from the perturbed weights: momentum and weight decay see them, as in AWP's code.
            self.optimizer.step()
        return loss.detach(), terms

    def _perturbed_weights(self, batch: Batch, views: Views) -> contextlib.AbstractContextManager[None]:
        method, awp = self.recipe.method, self.recipe.awp
        if awp is None:
            return contextlib.nullcontext()
        return awp.perturbed(self.network, lambda: method.losses(batch, views).base_loss(), batch.clock)
