"""MobileNet-v2 for 32x32 images (Sandler et al. 2018), with the names that public CIFAR checkpoints use."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from fairbench.models.network import Network

_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 1),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, width, blocks and first stride; stem and second stage keep the size, unlike on large images."""


class _InvertedResidual(nn.Module):
    def __init__(self, inputs: int, width: int, *, expansion: int, stride: int) -> None:
        super().__init__()
        inner = expansion * inputs
        self.stride = stride
        self.conv1 = nn.Conv2d(inputs, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride=stride, padding=1, groups=inner, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        self.shortcut = nn.Sequential()
        if stride == 1 and inputs != width:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = F.relu(self.bn2(self.conv2(out)), inplace=True)
        out = self.bn3(self.conv3(out))
        return out + self.shortcut(x) if self.stride == 1 else out


class MobileNetV2(Network):
    """Inverted residuals with ReLU, a shortcut in every block that keeps the size, mean over the plane."""

    smallest_side: ClassVar[int] = 8

    def __init__(self, architecture: str, *, num_classes: int, image_shape: tuple[int, int, int]) -> None:
        super().__init__(architecture, image_shape)
        self.conv1 = nn.Conv2d(image_shape[0], 32, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        inputs, blocks = 32, []
        for expansion, width, count, first_stride in _STAGES:
            for number in range(count):
                stride = first_stride if number == 0 else 1
                blocks.append(_InvertedResidual(inputs, width, expansion=expansion, stride=stride))
                inputs = width
        self.layers = nn.Sequential(*blocks)
        self.conv2 = nn.Conv2d(inputs, 1280, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(1280)
        self.linear = nn.Linear(1280, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """(B, 1280)."""
        out = self.layers(F.relu(self.bn1(self.conv1(x)), inplace=True))
        return F.relu(self.bn2(self.conv2(out)), inplace=True).mean((2, 3))
