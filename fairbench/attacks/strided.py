"""A strided convolution whose input gradient is computed by a forward convolution."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


class PhaseConv(nn.Module):
    """The same map as a strided convolution with few input channels, with a faster backward pass.

    With stride s and kernel s T, pixel ``s a + r`` of the input receives gradient from the outputs ``a - t`` through
    the taps ``s t + r``, t < T. For each phase r this is a stride-1 convolution, so one convolution with s * s output
    groups and a pixel shuffle give the gradient. CPU libraries run it several times faster than their own backward
    pass of a strided convolution from few channels. The weights are constants: they receive no gradient.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.stride, self.padding = conv.stride[0], int(conv.padding[0])
        self.taps = conv.kernel_size[0] // self.stride
        weight = conv.weight.detach()
        outputs, inputs = weight.shape[:2]
        blocks = weight.reshape(outputs, inputs, self.taps, self.stride, self.taps, self.stride).flip(2).flip(4)
        phases = blocks.permute(1, 3, 5, 0, 2, 4).reshape(-1, outputs, self.taps, self.taps)
        self.register_buffer("weight", weight.clone())
        self.register_buffer("phases", phases.contiguous())
        self.register_buffer("bias", None if conv.bias is None else conv.bias.detach().clone())

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
        return _PhaseConv.apply(x, self.weight, self.bias, self.phases, self.stride, self.padding, self.taps)


class _PhaseConv(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        phases: Tensor,
        stride: int,
        padding: int,
        taps: int,
    ) -> Tensor:
        ctx.save_for_backward(phases)
        ctx.geometry = stride, padding, taps, x.shape[-2:]
        return F.conv2d(x, weight, bias, stride, padding)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (phases,) = ctx.saved_tensors
        stride, padding, taps, (height, width) = ctx.geometry
        padded = F.pixel_shuffle(F.conv2d(gradients[0], phases, padding=taps - 1), stride)
        inner = padded[:, :, padding : padding + height, padding : padding + width]
        # Rows and columns that no window reaches receive nothing.
        missing = (0, width - inner.shape[-1], 0, height - inner.shape[-2])
        return (F.pad(inner, missing) if any(missing) else inner), None, None, None, None, None, None
