"""What all networks have in common: they normalise first and end in one linear layer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from fairbench.errors import UsageError


class Network(nn.Module, ABC):
    """Images in [0, 1] to logits: normalise, ``features``, ``linear``.

    The normalisation is part of the weights: buffers ``mu`` and ``sd``, (1, C, 1, 1).
    """

    smallest_side: ClassVar[int] = 1
    """fewest pixels that each side of an image must have."""

    mu: Tensor
    sd: Tensor
    linear: nn.Linear

    def __init__(self, architecture: str, image_shape: tuple[int, int, int]) -> None:
        """Begin a network that computes on images as they are.

        Args:
            architecture: its registered name.
            image_shape: (C, H, W).

        Raises:
            UsageError: if the images are too small for it.
        """
        super().__init__()
        channels, height, width = image_shape
        if min(height, width) < self.smallest_side or channels < 1:
            raise UsageError(
                f"{architecture} cannot take images of shape {channels}x{height}x{width}: each side needs at least "
                f"{self.smallest_side} pixels; choose a smaller network, for instance cnn_tiny"
            )
        self.architecture = architecture
        self.register_buffer("mu", torch.zeros(1, channels, 1, 1))
        self.register_buffer("sd", torch.ones(1, channels, 1, 1))

    @abstractmethod
    def features(self, x: Tensor) -> Tensor:
        """What the last layer sees.

        Args:
            x: (B, C, H, W), normalised.

        Returns:
            (B, D).
        """

    def forward(self, x: Tensor) -> Tensor:
        """Logits.

        Args:
            x: (B, C, H, W) in [0, 1].

        Returns:
            (B, K).
        """
        return self.linear(self.features((x - self.mu) / self.sd))

    def set_normalisation(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Let the network subtract ``mean`` and divide by ``std``, one number per channel.

        Raises:
            UsageError: if the numbers do not fit the channels or a deviation is not above 0.
        """
        channels = self.mu.shape[1]
        if len(mean) != channels or len(std) != channels or min(std) <= 0:
            raise UsageError(
                f"normalisation by mean {tuple(mean)} and deviation {tuple(std)} does not fit images of {channels} "
                "channels; give one number per channel, deviations above 0"
            )
        for buffer, values in ((self.mu, mean), (self.sd, std)):
            buffer.copy_(torch.tensor(values).view_as(buffer))
