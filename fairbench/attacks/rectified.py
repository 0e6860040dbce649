"""A ReLU in place; in bfloat16 by integers, which a CPU compares and copies several times faster."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def rectify_(x: Tensor) -> Tensor:
    """The same as ``torch.relu_``, gradient included.

    Args:
        x: of any shape; changed. The sign of a number is that of its bits read as an integer.
    """
    # Small things are not worth the way through Python, and a tracer does not follow numbers read as other ones.
    tracing = torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]
    if x.dtype != torch.bfloat16 or x.device.type != "cpu" or x.ndim < 4 or tracing:
        return torch.relu_(x)
    if x.requires_grad and torch.is_grad_enabled():
        return _Rectified.apply(x)
    x.view(torch.int16).clamp_min_(0)
    return x


class _Rectified(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x.view(torch.int16).clamp_min_(0)
        ctx.mark_dirty(x)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (answer,) = ctx.saved_tensors
        bits = torch.ops.aten.threshold_backward(gradients[0].view(torch.int16), answer.view(torch.int16), 0)
        return bits.view(torch.bfloat16)
