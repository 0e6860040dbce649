"""Two networks without batch-norm that train in seconds to minutes on a CPU."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from fairbench.models.network import Network


class SmallCNN(Network):
    """Two strided 4x4 convolutions and two linear layers (Wong & Kolter 2018), for 28x28 or 32x32 pixels."""

    smallest_side: ClassVar[int] = 4

    def __init__(self, architecture: str, *, num_classes: int, image_shape: tuple[int, int, int]) -> None:
        super().__init__(architecture, image_shape)
        channels, height, width = image_shape
        self.conv1 = nn.Conv2d(channels, 16, 4, stride=2, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 4, stride=2, padding=1)
        self.hidden = nn.Linear(32 * (height // 4) * (width // 4), 100)
        self.linear = nn.Linear(100, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """(B, 100)."""
        out = F.relu(self.conv2(F.relu(self.conv1(x))))
        return F.relu(self.hidden(out.flatten(1)))


class TinyCNN(Network):
    """Two 3x3 convolutions and two linear layers, for 8x8 pixels."""

    smallest_side: ClassVar[int] = 2

    def __init__(self, architecture: str, *, num_classes: int, image_shape: tuple[int, int, int]) -> None:
        super().__init__(architecture, image_shape)
        channels, height, width = image_shape
        self.conv1 = nn.Conv2d(channels, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.hidden = nn.Linear(32 * ((height + 1) // 2) * ((width + 1) // 2), 64)
        self.linear = nn.Linear(64, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """(B, 64)."""
        out = F.relu(self.conv2(F.relu(self.conv1(x))))
        return F.relu(self.hidden(out.flatten(1)))
