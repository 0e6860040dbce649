"""PreAct-ResNet-18 for small images (He et al. 2016), with the names that public CIFAR checkpoints use.

Public codes share the names of the weights but not the function: the shortcut starts from the pre-activation or from
the block's input, and a last batch-norm with ReLU is there or not. A checkpoint of one loads into another and answers
nonsense, so each function has its own name.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from fairbench.models.network import Network
from fairbench.models.resnet import WIDTHS_AND_STRIDES, conv3x3

ShortcutFrom = Literal["preactivation", "input"]


class _PreActBlock(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int, *, shortcut_from: ShortcutFrom) -> None:
        super().__init__()
        self.shortcut_from = shortcut_from
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = conv3x3(inputs, width, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width)
        self.shortcut = None
        if stride != 1 or inputs != width:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, width, 1, stride=stride, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        active = F.relu(self.bn1(x), inplace=True)
        skip = x
        if self.shortcut is not None:
            skip = self.shortcut(active if self.shortcut_from == "preactivation" else x)
        out = self.conv1(active)
        return self.conv2(F.relu(self.bn2(out), inplace=True)) + skip


class PreActResNet18(Network):
    """Bare convolution as stem, four stages of two pre-activated blocks, mean over the plane."""

    smallest_side: ClassVar[int] = 8

    def __init__(
        self,
        architecture: str,
        *,
        num_classes: int,
        image_shape: tuple[int, int, int],
        final_bn: bool = True,
        shortcut_from: ShortcutFrom = "preactivation",
    ) -> None:
        """Build the network.

        Args:
            architecture: its registered name.
            num_classes: K.
            image_shape: (C, H, W).
            final_bn: whether batch-norm and ReLU come before the mean over the plane.
            shortcut_from: what the 1x1 convolution of a shortcut sees; shortcuts without one pass the block's input.
        """
        super().__init__(architecture, image_shape)
        self.conv1 = conv3x3(image_shape[0], 64)
        inputs, stages = 64, []
        for width, stride in WIDTHS_AND_STRIDES:
            first = _PreActBlock(inputs, width, stride, shortcut_from=shortcut_from)
            stages.append(nn.Sequential(first, _PreActBlock(width, width, 1, shortcut_from=shortcut_from)))
            inputs = width
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.bn = nn.BatchNorm2d(inputs) if final_bn else None
        self.linear = nn.Linear(inputs, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """(B, 512)."""
        out = self.layer4(self.layer3(self.layer2(self.layer1(self.conv1(x)))))
        if self.bn is not None:
            out = F.relu(self.bn(out), inplace=True)
        return out.mean((2, 3))
