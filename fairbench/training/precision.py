"""In which precision a network computes; its weights and its logits are float32 in all of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fairbench.attacks.ascent import Logits
from fairbench.models.network import Network


def in_precision(network: nn.Module, dtype: torch.dtype) -> Logits:
    """The network with its features rounded to a type; gradients flow to weights and images as before.

    The last linear layer stays float32: logits of 8 bits would hide the small differences that a divergence between
    an image and its near neighbour is made of.

    Args:
        network: any module that gives logits.
        dtype: float32 gives the network itself, bfloat16 computes under autocast.
    """
    if dtype == torch.float32:
        return network

    def rounded(x: Tensor) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        if isinstance(network, Network) and type(network).forward is Network.forward:
            with torch.autocast(x.device.type, dtype=dtype):
                features = network.features((x - network.mu) / network.sd)
            return network.last_layer(features.float())
        with torch.autocast(x.device.type, dtype=dtype):
            logits = network.forward(x)  # as a call inside a step may lead back to here
        return logits.float()

    return rounded
