"""Which model was evaluated, beside its weights: the layers that have none count too."""

from __future__ import annotations

import hashlib
import re

from torch import nn


def structure_sha256(model: nn.Module) -> str:
    """The sha256 over how the model prints itself, without addresses in memory.

    Args:
        model: the network.
    """
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", f"{type(model).__qualname__} {model!r}")
    return hashlib.sha256(text.encode()).hexdigest()
