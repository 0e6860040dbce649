"""What all networks have in common: they normalise first and end in one linear layer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from fairbench.errors import UsageError


class Network(nn.Module, ABC):
    """Images in [0, 1] to logits: normalise, ``features``, one linear layer.

    The normalisation is part of the weights: buffers ``mu`` and ``sd``, (1, C, 1, 1).
    """

    smallest_side: ClassVar[int] = 1
    """fewest pixels that each side of an image must have."""

    last_layer_name: ClassVar[str] = "linear"
    """what public checkpoints of this network call the linear layer."""
    unused_in_public_files: ClassVar[tuple[str, ...]] = ()
    """beginnings of the names of tensors that some public checkpoints carry and no forward pass uses."""

    mu: Tensor
    sd: Tensor

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
        return self.last_layer(self.features((x - self.mu) / self.sd))

    @property
    def last_layer(self) -> nn.Linear:
        """The linear layer, one row for each class."""
        return getattr(self, self.last_layer_name)

    @classmethod
    def from_public_names(cls, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of a public checkpoint under the names used here; most networks share them.

        Args:
            tensors: name -> tensor, without prefixes of wrappers.
        """
        return dict(tensors)

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
