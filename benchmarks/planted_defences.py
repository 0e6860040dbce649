"""Networks that only look robust: six ways to mask gradients around a plain classifier of digits."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from fairbench.attacks import pgd


class GradientKiller(nn.Module):
    """The right answers, and a gradient that is cut off."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 1, 8, 8) -> logits (B, 10)."""
        return self.network(x.detach() + 0 * x)


class InputQuantiser(nn.Module):
    """Rounds pixels to a few levels, which has no slope."""

    def __init__(self, network: nn.Module, levels: int = 4) -> None:
        super().__init__()
        self.network, self.levels = network, levels

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 1, 8, 8) -> logits (B, 10)."""
        return self.network((x * self.levels).round() / self.levels)


class LogitTemperature(nn.Module):
    """Blows up the logits until the softmax saturates."""

    def __init__(self, network: nn.Module, factor: float = 1000.0) -> None:
        super().__init__()
        self.network, self.factor = network, factor

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 1, 8, 8) -> logits (B, 10)."""
        return self.network(x) * self.factor


class InputNoise(nn.Module):
    """Draws noise for every answer."""

    def __init__(self, network: nn.Module, deviation: float = 0.1) -> None:
        super().__init__()
        self.network, self.deviation = network, deviation

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 1, 8, 8) -> logits (B, 10)."""
        return self.network(x + self.deviation * torch.randn_like(x))


class WinnersTakeAll(nn.Module):
    """Keeps the largest activations of a layer and drops the others: a discontinuous activation."""

    def __init__(self, share: float = 0.1) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """Activations -> activations of the same shape."""
        flat = x.flatten(1)
        kept = max(1, int(self.share * flat.shape[1]))
        lowest = flat.topk(kept, dim=1).values[:, -1:]
        return (flat * (flat >= lowest)).view_as(x)


class _Scrambled(torch.autograd.Function):
    """The identity, whose gradient has random signs for the chosen rows."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, chosen: Tensor) -> Tensor:
        ctx.save_for_backward(chosen)
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (chosen,), gradient = ctx.saved_tensors, gradients[0]
        generator = torch.Generator().manual_seed(0)
        signs = torch.randint(0, 2, gradient.shape, generator=generator, dtype=gradient.dtype) * 2 - 1
        return torch.where(chosen[:, None, None, None], gradient.abs() * signs, gradient), None


class OneClassMasked(nn.Module):
    """Scrambles the gradient of the images that it takes for one class."""

    def __init__(self, network: nn.Module, masked: int) -> None:
        super().__init__()
        self.network, self.masked = network, masked

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 1, 8, 8) -> logits (B, 10)."""
        with torch.no_grad():
            chosen = self.network(x).argmax(dim=1) == self.masked
        return self.network(_Scrambled.apply(x, chosen))


class OneClassKilled(OneClassMasked):
    """Cuts the gradient off of the images that it takes for one class."""

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 1, 8, 8) -> logits (B, 10)."""
        with torch.no_grad():
            chosen = self.network(x).argmax(dim=1) == self.masked
        return self.network(torch.where(chosen[:, None, None, None], x.detach() + 0 * x, x))


def plain_network(activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Two convolutions and a linear layer for images (1, 8, 8)."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1),
            activation(),
            nn.Conv2d(32, 32, 3, stride=2, padding=1),
            activation(),
            nn.Flatten(),
            nn.Linear(512, 10),
        )


def fitted(network: nn.Module, x: Tensor, y: Tensor, *, steps: int = 200, epsilon: float = 0.0) -> nn.Module:
    """The network after so many steps of Adam on images (N, 1, 8, 8), perturbed by PGD where epsilon is above 0."""
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        batch = torch.randint(len(x), (100,), generator=generator)
        images = x[batch]
        if epsilon:
            step = epsilon / 2
            images = pgd(network, images, y[batch], eps=epsilon, steps=3, step_size=step, emit="last", indices=batch)
        loss = nn.functional.cross_entropy(network(images), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()
