"""A plain network on the same data: the source of adversarial examples that owe nothing to the network under test."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import torch
from torch import Tensor, nn

from fairbench.data import Dataset, Split, to_unit
from fairbench.losses import cross_entropy
from fairbench.threads import computing_threads

_WIDTH = 16
_STEPS = 120
_BATCH = 100
_LEARNING_RATE = 5e-3
_SEED = 0


def plain_network(dataset: Dataset, device: torch.device) -> nn.Module:
    """Two strided convolutions and a linear layer, trained on unperturbed images for a second or two.

    Args:
        dataset: of which the training split is used.
        device: where to train.

    Returns:
        The network in eval mode, frozen; the same on every call with the same data and device, with any number of
        threads.
    """
    with computing_threads(1):
        return _trained(_Source(dataset.fingerprint, dataset.num_classes, device, dataset.train))


@dataclass(frozen=True)
class _Source:
    """Equal for equal data, so that many evaluations in one process train one network."""

    fingerprint: str
    num_classes: int
    device: torch.device
    split: Split = field(compare=False)


@lru_cache(maxsize=4)
def _trained(source: _Source) -> nn.Module:
    split, num_classes, device = source.split, source.num_classes, source.device
    network = _initial(split.images.shape[1:], num_classes).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=_LEARNING_RATE)
    order = torch.Generator().manual_seed(_SEED)
    for _ in range(_STEPS):
        batch = torch.randint(len(split), (min(_BATCH, len(split)),), generator=order)
        x = to_unit(split.images[batch.to(split.images.device)].to(device))
        y = split.labels[batch.to(split.labels.device)].to(device)
        loss = cross_entropy(network(x), y).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return network.eval().requires_grad_(False)


def _initial(shape: tuple[int, ...], num_classes: int) -> nn.Module:
    channels, height, width = shape
    features = 2 * _WIDTH * -(-height // 4) * -(-width // 4)
    network = nn.Sequential(
        nn.Conv2d(channels, _WIDTH, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(_WIDTH, 2 * _WIDTH, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(features, num_classes),
    )
    generator = torch.Generator().manual_seed(_SEED)
    for parameter in network.parameters():
        _draw(parameter, generator)
    return network


@torch.no_grad()
def _draw(parameter: Tensor, generator: torch.Generator) -> None:
    if parameter.ndim < 2:
        parameter.zero_()
    else:
        inputs = parameter[0].numel()
        parameter.normal_(0, (2 / inputs) ** 0.5, generator=generator)
