"""Wide residual networks with Swish (Gowal et al. 2020): other names, another activation, other padding."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from fairbench.models.network import Network
from fairbench.models.resnet import conv3x3
from fairbench.models.wide_resnet import wide_stages


class _SwishBlock(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.batchnorm_0 = nn.BatchNorm2d(inputs)
        self.conv_0 = nn.Conv2d(inputs, width, 3, stride=stride, padding=0, bias=False)
        self.batchnorm_1 = nn.BatchNorm2d(width)
        self.conv_1 = conv3x3(width, width)
        self.shortcut = None
        if inputs != width:
            self.shortcut = nn.Conv2d(inputs, width, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        active = F.silu(self.batchnorm_0(x))
        skip = x if self.shortcut is None else self.shortcut(active)
        # A strided convolution is padded on the right and below only; centred padding loads and answers worse.
        padding = (1, 1, 1, 1) if self.stride == 1 else (0, 1, 0, 1)
        out = self.conv_0(F.pad(active, padding))
        return self.conv_1(F.silu(self.batchnorm_1(out))) + skip


class SwishWideResNet(Network):
    """Three stages of pre-activated blocks, mean over the plane, and a last layer called ``logits``."""

    smallest_side: ClassVar[int] = 8
    last_layer_name: ClassVar[str] = "logits"

    def __init__(
        self, architecture: str, *, num_classes: int, image_shape: tuple[int, int, int], depth: int, widen: int
    ) -> None:
        """Build the network; its arguments are those of ``WideResNet``."""
        super().__init__(architecture, image_shape)
        self.init_conv = conv3x3(image_shape[0], 16)
        stages, width = wide_stages(_SwishBlock, "block", depth=depth, widen=widen)
        self.layer = nn.Sequential(*stages)
        self.batchnorm = nn.BatchNorm2d(width)
        self.logits = nn.Linear(width, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """(B, 64 widen)."""
        return F.silu(self.batchnorm(self.layer(self.init_conv(x)))).mean((2, 3))
