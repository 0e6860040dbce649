"""The usual code of adversarial training, written for comparison: float32, eager, one thing after the other.

The attack goes backward through the parameters too, FAAL poses each batch to cvxpy, and classes come in a loop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cvxpy
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

TAU, BETA = 0.5, 6.0


@dataclass
class PlainTraining:
    """One network with its optimiser; each method makes one step on a batch x (B, C, H, W), y (B,)."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    epsilon: float
    steps: int

    def pgd_at(self, x: Tensor, y: Tensor) -> None:
        """PGD-AT; the batch norms in train mode throughout, as in the public code."""
        self.network.train()
        x_adv = self._pgd(x, y)
        self.optimizer.zero_grad()
        self._update(F.cross_entropy(self.network(x_adv), y))

    def trades(self, x: Tensor, y: Tensor) -> None:
        """TRADES, attacked in eval mode."""
        self.network.eval()
        clean = F.softmax(self.network(x), dim=1).detach()

        def divergence(logits: Tensor) -> Tensor:
            return F.kl_div(F.log_softmax(logits, dim=1), clean, reduction="sum")

        x_adv = self._attack(x, x + 0.001 * torch.randn_like(x), divergence)
        self.network.train()
        self.optimizer.zero_grad()
        logits, adversarial = self.network(x), self.network(x_adv)
        boundary = F.kl_div(F.log_softmax(adversarial, dim=1), F.softmax(logits, dim=1), reduction="batchmean")
        self._update(F.cross_entropy(logits, y) + BETA * boundary)

    def faal(self, x: Tensor, y: Tensor) -> None:
        """FAAL on AT, attacked in eval mode, with the clean images passed in train mode as well."""
        self.network.eval()
        x_adv = self._pgd(x, y)
        self.network.train()
        self.optimizer.zero_grad()
        logits = self.network(x_adv)
        self.network(x)
        losses, weights = F.cross_entropy(logits, y, reduction="none"), _solved(_margins(logits, y))
        total = torch.zeros(())
        for label, weight in enumerate(weights):
            chosen = losses[y == label]
            if len(chosen):
                total = total + float(weight) * len(weights) * chosen.sum() / len(y)
        self._update(total)

    def _pgd(self, x: Tensor, y: Tensor) -> Tensor:
        start = (x + torch.empty_like(x).uniform_(-self.epsilon, self.epsilon)).clamp(0, 1)
        return self._attack(x, start, lambda logits: F.cross_entropy(logits, y))

    def _attack(self, x: Tensor, start: Tensor, loss_of: Callable[[Tensor], Tensor]) -> Tensor:
        x_adv, eps = start, self.epsilon
        for _ in range(self.steps):
            x_adv = x_adv.detach().requires_grad_()
            self.network.zero_grad()
            loss_of(self.network(x_adv)).backward()
            assert x_adv.grad is not None
            x_adv = x_adv.detach() + eps / 4 * x_adv.grad.sign()
            x_adv = torch.min(torch.max(x_adv, x - eps), x + eps).clamp(0, 1)
        return x_adv.detach()

    def _update(self, loss: Tensor) -> None:
        loss.backward()
        self.optimizer.step()


def _margins(logits: Tensor, y: Tensor) -> list[float]:
    probabilities = logits.detach().softmax(dim=1)
    means = []
    for label in range(logits.shape[1]):
        rows = probabilities[y == label]
        others = torch.cat([rows[:, :label], rows[:, label + 1 :]], dim=1)
        means.append(float((others.amax(dim=1) - rows[:, label]).mean()) if len(rows) else -1.0)
    return means


def _solved(margins: list[float]) -> np.ndarray:
    weights = cvxpy.Variable(len(margins))
    uniform = cvxpy.Constant([1 / len(margins)] * len(margins))
    within = [cvxpy.sum(weights) == 1, weights >= 0, cvxpy.sum(cvxpy.kl_div(uniform, weights)) <= TAU]  # pyright: ignore
    cvxpy.Problem(cvxpy.Maximize(weights @ np.array(margins)), within).solve(solver=cvxpy.CLARABEL)
    assert weights.value is not None
    return weights.value
