"""ResNet-18 for small images (He et al. 2015), with the names that public CIFAR checkpoints use."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from fairbench.models.network import Network

WIDTHS_AND_STRIDES = ((64, 1), (128, 2), (256, 2), (512, 2))
"""Width and first stride of the four stages, two blocks each."""


def conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size up to its stride, without bias."""
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)


class _BasicBlock(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = conv3x3(inputs, width, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != width:
            projection = nn.Conv2d(inputs, width, 1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(out)) + self.shortcut(x), inplace=True)


class ResNet18(Network):
    """Stem without pooling, four stages of two basic blocks, mean over the plane."""

    smallest_side: ClassVar[int] = 8

    def __init__(self, architecture: str, *, num_classes: int, image_shape: tuple[int, int, int]) -> None:
        super().__init__(architecture, image_shape)
        self.conv1 = conv3x3(image_shape[0], 64)
        self.bn1 = nn.BatchNorm2d(64)
        inputs, stages = 64, []
        for width, stride in WIDTHS_AND_STRIDES:
            stages.append(nn.Sequential(_BasicBlock(inputs, width, stride), _BasicBlock(width, width, 1)))
            inputs = width
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.linear = nn.Linear(inputs, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """(B, 512)."""
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = self.layer4(self.layer3(self.layer2(self.layer1(out))))
        return out.mean((2, 3))
