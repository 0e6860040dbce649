"""Wide residual networks (Zagoruyko & Komodakis 2016), with the names that TRADES and its successors publish."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import ClassVar

import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from fairbench.models.network import Network
from fairbench.models.resnet import conv3x3


def wide_stages(
    block: Callable[[int, int, int], nn.Module], name: str, *, depth: int, widen: int
) -> tuple[list[nn.Module], int]:
    """The three stages of a wide residual network, and the width that they end in.

    Args:
        block: (inputs, width, stride) -> a block.
        name: of the blocks within a stage, as in the published files.
        depth: of the network, 4 more than a multiple of 6.
        widen: factor on the widths 16, 32, 64.

    Raises:
        ValueError: for a depth that is not of that form.
    """
    if depth < 10 or depth % 6 != 4:
        raise ValueError(f"the depth of a wide residual network is 6n + 4 with n above 0, got {depth}")
    inputs, stages = 16, []
    for width, stride in ((16 * widen, 1), (32 * widen, 2), (64 * widen, 2)):
        more = (block(width, width, 1) for _ in range((depth - 4) // 6 - 1))
        stages.append(nn.Sequential(OrderedDict({name: nn.Sequential(block(inputs, width, stride), *more)})))
        inputs = width
    return stages, inputs


class _WideBlock(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = conv3x3(inputs, width, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width)
        self.convShortcut = None if inputs == width else nn.Conv2d(inputs, width, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        active = F.relu(self.bn1(x), inplace=True)
        # Where widths differ both branches start from the pre-activation.
        skip = x if self.convShortcut is None else self.convShortcut(active)
        return self.conv2(F.relu(self.bn2(self.conv1(active)), inplace=True)) + skip


class WideResNet(Network):
    """Three stages of pre-activated blocks, mean over the plane, and a last layer called ``fc``."""

    smallest_side: ClassVar[int] = 8
    last_layer_name: ClassVar[str] = "fc"
    unused_in_public_files: ClassVar[tuple[str, ...]] = ("sub_block1.",)

    def __init__(
        self, architecture: str, *, num_classes: int, image_shape: tuple[int, int, int], depth: int, widen: int
    ) -> None:
        """Build the network.

        Args:
            architecture: its registered name.
            num_classes: K.
            image_shape: (C, H, W).
            depth: 4 more than a multiple of 6.
            widen: factor on the widths 16, 32, 64.
        """
        super().__init__(architecture, image_shape)
        self.conv1 = conv3x3(image_shape[0], 16)
        (self.block1, self.block2, self.block3), width = wide_stages(_WideBlock, "layer", depth=depth, widen=widen)
        self.bn1 = nn.BatchNorm2d(width)
        self.fc = nn.Linear(width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.fc.bias)

    def features(self, x: Tensor) -> Tensor:
        """(B, 64 widen)."""
        out = self.block3(self.block2(self.block1(self.conv1(x))))
        return F.relu(self.bn1(out), inplace=True).mean((2, 3))
