"""A strided convolution whose input gradient is computed by a forward convolution."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


class PhaseConv(nn.Module):
    """The same map as a strided convolution with few input channels, with a faster backward pass.

    With stride s and kernel s T, pixel ``s a + r`` of the input receives gradient from the outputs ``a - t`` through
    the taps ``s t + r``, t < T. For each phase r this is a stride-1 convolution, so one convolution with s * s groups
    of outputs, interleaved, gives the gradient. CPU libraries run it several times faster than their own backward
    pass of a strided convolution from few channels. The weights are constants: they receive no gradient.
    """

    weight: Tensor
    phases: Tensor
    bias: Tensor | None

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.stride, self.padding = conv.stride[0], int(conv.padding[0])
        self.taps = conv.kernel_size[0] // self.stride
        weight = conv.weight.detach()
        self.register_buffer("weight", weight.clone())
        self.register_buffer("phases", self._phases_of(weight).contiguous())
        self.register_buffer("bias", None if conv.bias is None else conv.bias.detach().clone())

    @torch.no_grad()
    def follow(self, conv: nn.Conv2d) -> None:
        """Take over the weights of a convolution of the same shape."""
        self.weight.copy_(conv.weight)
        self.phases.copy_(self._phases_of(conv.weight))
        if self.bias is not None and conv.bias is not None:
            self.bias.copy_(conv.bias)

    @staticmethod
    def fits(conv: nn.Module) -> bool:
        """Whether a layer is a convolution of the kind that gains: square, strided, few input channels."""
        return (
            isinstance(conv, nn.Conv2d)
            and conv.in_channels <= 16
            and conv.groups == 1
            and conv.dilation == (1, 1)
            and conv.padding_mode == "zeros"
            and not isinstance(conv.padding, str)
            and conv.stride[0] == conv.stride[1] > 1
            and conv.padding[0] == conv.padding[1]
            and conv.kernel_size[0] == conv.kernel_size[1]
            and conv.kernel_size[0] % conv.stride[0] == 0
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, D, H', W')."""
        if x.requires_grad and torch.is_grad_enabled():
            return _PhaseConv.apply(x, self)
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding)

    def _phases_of(self, weight: Tensor) -> Tensor:
        outputs, inputs = weight.shape[:2]
        blocks = weight.reshape(outputs, inputs, self.taps, self.stride, self.taps, self.stride).flip(2).flip(4)
        return blocks.permute(3, 5, 1, 0, 2, 4).reshape(-1, outputs, self.taps, self.taps)


class _PhaseConv(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: PhaseConv) -> Tensor:
        ctx.layer, ctx.size = layer, x.shape[-2:]
        return F.conv2d(x, layer.weight, layer.bias, layer.stride, layer.padding)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        layer = ctx.layer
        phases = F.conv2d(gradients[0], layer.phases, padding=layer.taps - 1)
        pixels = interleaved(phases, layer.stride)
        (height, width), padding = ctx.size, layer.padding
        # Rows and columns at the end that no window reaches receive nothing.
        below, right = (max(size + padding - have, 0) for size, have in zip(ctx.size, pixels.shape[2:], strict=True))
        if below or right:
            pixels = F.pad(pixels, (0, right, 0, below))
        return pixels[:, :, padding : padding + height, padding : padding + width], None


def interleaved(phases: Tensor, stride: int) -> Tensor:
    """Every stride-th pixel from each phase.

    Args:
        phases: (B, stride * stride * C, H, W), phases of the rows before those of the columns before channels.
        stride: at least 1.

    Returns:
        (B, C, stride * H, stride * W) in channels-last order, so that whole runs of a phase's channels are copied.
    """
    images, _, height, width = phases.shape
    runs = phases.permute(0, 2, 3, 1).contiguous().view(images, height, width, stride, -1)
    # What lies side by side stays so, and a few wide words are copied faster than many narrow ones.
    size = runs.shape[-1] * runs.element_size()
    word = next((kind for kind in (torch.int64, torch.int32) if size % kind.itemsize == 0), runs.dtype)
    pixels = runs.view(word).transpose(2, 3).contiguous().view(phases.dtype)
    return pixels.view(images, height * stride, width * stride, -1).permute(0, 3, 1, 2)
