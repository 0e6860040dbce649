from __future__ import annotations

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from benchmarks.attack_cases import Case
from fairbench.attacks.ascent import projected_ascent
from fairbench.attacks.rows import Images
from fairbench.losses.per_sample import cross_entropy


@pytest.fixture
def images_of():
    """(x, y) -> the rows of a search, with no ranking of targets."""

    def rows_of(x: Tensor, y: Tensor) -> Images:
        rows, nothing = torch.arange(len(y)), torch.zeros(len(y), 10, dtype=torch.long)
        alive, doubt = torch.ones(len(y), dtype=torch.bool), torch.zeros(len(y))
        return Images(x, y, rows, rows, nothing, torch.zeros_like(rows), alive, doubt)

    return rows_of


@pytest.fixture(scope="session")
def digits() -> Case:
    """A small convolutional network, adversarially trained for a few seconds on the bundled digits."""
    bunch = load_digits()
    order = torch.randperm(len(bunch.target), generator=torch.Generator().manual_seed(0))
    x = torch.tensor(bunch.images, dtype=torch.float32)[order, None] / 16
    y = torch.tensor(bunch.target)[order]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(1, 12, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(12, 24, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(24 * 16, 10),
        )
        _train(network, x[:1200], y[:1200], eps=0.15)
    return Case(network.eval(), x[1200:], y[1200:], 0.15)


def _train(network: nn.Module, x: Tensor, y: Tensor, *, eps: float) -> None:
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    for epoch in range(16):
        radius = eps * min(1.0, epoch / 8)
        for rows in torch.randperm(len(x)).split(100):
            images, labels = x[rows], y[rows]
            x_adv = projected_ascent(
                network,
                images,
                lambda _, logits, labels=labels: cross_entropy(logits, labels),
                start=images,
                epsilon=radius,
                step_size=radius / 2,
                steps=3,
            ).x_adv
            optimiser.zero_grad()
            cross_entropy(network(x_adv), labels).mean().backward()
            optimiser.step()
