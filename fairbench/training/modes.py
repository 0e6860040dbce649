"""Modes of a network that are put back when the work is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from fairbench.training.seams import BatchNormMode


@contextmanager
def attacking(network: nn.Module, mode: BatchNormMode) -> Iterator[None]:
    """The network in the mode of the attack, its parameters out of the graph; back in its old mode afterwards."""
    was_training = network.training
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    network.train(mode == "train")
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
        network.train(was_training)
