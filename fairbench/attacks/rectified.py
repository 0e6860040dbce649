"""A convolution and the ReLU after it in one go over the memory."""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


class RectifiedConv(nn.Module):
    """The same map as a convolution and a ReLU; bfloat16 on a CPU saves a pass over its output where it can.

    There a ReLU of its own takes up to a third of the time of a convolution with few channels. With a gradient both
    are separate, and in float32 too: nothing is gained.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv: nn.Module = conv
        self.geometry = conv.padding, conv.stride, conv.dilation, conv.groups

    @staticmethod
    def fits(conv: nn.Module) -> bool:
        """Whether a layer is a plain convolution, padded with zeros."""
        return type(conv) is nn.Conv2d and conv.padding_mode == "zeros" and not isinstance(conv.padding, str)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, D, H', W'), at least 0."""
        with_gradient = x.requires_grad and torch.is_grad_enabled()
        if with_gradient or x.dtype != torch.bfloat16 or x.device.type != "cpu" or not fused_is_right():
            return torch.relu_(self.conv(x))
        return _fused(x, self.conv.weight, self.conv.bias, *self.geometry)


def _fused(x: Tensor, weight: object, bias: object, *geometry: object) -> Tensor:
    return torch.ops.mkldnn._convolution_pointwise(x, weight, bias, *geometry, "relu", [], "")


@functools.cache
def fused_is_right() -> bool:
    """Whether this processor and this version of torch have the operation, and it gives the bits of the two steps."""
    generator = torch.Generator().manual_seed(0)
    x, weight = (torch.rand(shape, generator=generator).sub_(0.5) for shape in ((4, 3, 9, 9), (16, 3, 3, 3)))
    x, weight, bias = (tensor.bfloat16() for tensor in (x, weight, weight[:, 0, 0, 0]))
    try:
        with torch.no_grad():
            fused = _fused(x, weight, bias, (1, 1), (1, 1), (1, 1), 1)
    except (AttributeError, RuntimeError, NotImplementedError):
        return False
    return torch.equal(fused, F.conv2d(x, weight, bias, padding=1).relu_())
