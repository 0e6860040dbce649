"""Which model was evaluated: a hash of its weights, and one of its structure."""

from __future__ import annotations

import hashlib
import re

import torch
from torch import Tensor, nn


def weights_sha256(model: nn.Module) -> str:
    """The sha256 over names, types, shapes and values of all parameters and buffers.

    It does not depend on device, memory layout or order; a model that was saved and loaded keeps it.

    Args:
        model: the network.
    """
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        if not isinstance(value, Tensor):
            digest.update(f"{name} {_without_addresses(repr(value))}\n".encode())
            continue
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def structure_sha256(model: nn.Module) -> str:
    """The sha256 over how the model prints itself: layers that have no weights count too.

    Args:
        model: the network.
    """
    return hashlib.sha256(_without_addresses(f"{type(model).__qualname__} {model!r}").encode()).hexdigest()


def _without_addresses(text: str) -> str:
    return re.sub(r" at 0x[0-9a-fA-F]+", "", text)
