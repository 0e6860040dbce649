"""Write weights as safetensors, the same bytes for the same weights, and name them by their hash."""

from __future__ import annotations

import hashlib
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from fairbench.errors import WorkError
from fairbench.files import replacing


def save_weights(model: nn.Module, path: Path, *, dtype: torch.dtype = torch.float32) -> None:
    """Write a model's state dict, whole or not at all.

    Args:
        model: any module.
        path: the safetensors file.
        dtype: of floating numbers in the file; counters stay integers.

    Raises:
        UsageError: if the file cannot be written.
        WorkError: if a weight is not finite, perhaps because ``dtype`` is too narrow for it.
    """
    tensors = {name: _portable(tensor, dtype) for name, tensor in model.state_dict().items()}
    bad = first_not_finite(tensors)
    if bad is not None:
        raise WorkError(f"{bad} is not finite as {dtype}; {path} was not written")
    with replacing(path) as temporary:
        temporary.write_bytes(safetensors.torch.save(tensors))


def weights_sha256(model: nn.Module) -> str:
    """The sha256 over names, types, shapes and bytes of a model's state dict, in the order of the names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def first_not_finite(tensors: dict[str, Tensor]) -> str | None:
    """The name of the first tensor that holds an infinity or a NaN."""
    return next((name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()), None)


def _portable(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    tensor = tensor.detach().cpu()
    return (tensor.to(dtype) if tensor.is_floating_point() else tensor).contiguous()
