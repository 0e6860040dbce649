"""A linear layer that gives an image the same bits in a small batch as in a large one."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

LEAST_ROWS = 16
"""libraries multiply fewer rows than this in another order."""


class SteadyLinear(nn.Linear):
    """The same map as a linear layer; a small batch is filled up with rows of zeros, whose answers are dropped.

    What comes in is turned into the type of the weights.
    """

    def __init__(self, layer: nn.Linear) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.weight, self.bias = layer.weight, layer.bias

    def forward(self, input: Tensor) -> Tensor:
        """(B, D) -> (B, K); other shapes, such as those of tokens, as they are."""
        if input.dtype != self.weight.dtype:
            input = input.to(self.weight.dtype)
        missing = LEAST_ROWS - len(input)
        if missing <= 0 or input.ndim != 2:
            return super().forward(input)
        return super().forward(F.pad(input, (0, 0, 0, missing)))[: len(input)]
