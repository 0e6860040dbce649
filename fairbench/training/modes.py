"""Modes of a network that are put back when the work is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

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


@contextmanager
def statistics_kept(network: nn.Module) -> Iterator[None]:
    """Whatever train-mode forwards inside the block do to the buffers is undone."""
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    try:
        yield
    finally:
        with torch.no_grad():
            for name, buffer in network.named_buffers():
                buffer.copy_(buffers[name])


def has_statistics(network: nn.Module) -> bool:
    """Whether a forward in train mode leaves something behind."""
    return any(isinstance(module, _BatchNorm) for module in network.modules())
