"""Tensors out of checkpoint files, without ever running what a file asks for."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor
from torch import load as torch_load

from fairbench.errors import UsageError

_TORCH_SUFFIXES = (".pt", ".pth", ".th", ".ckpt", ".t7", ".tar", ".bin")
SUFFIXES = (".safetensors", *_TORCH_SUFFIXES)
"""How the names of checkpoints end."""
_CONTAINERS = ("state_dict", "model", "net", "model_state_dict")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a checkpoint, under the names that it gives them.

    Understood are safetensors, and bare or nested state dicts of ``torch.save``.

    Args:
        path: the file; the end of its name says which kind it is.

    Raises:
        UsageError: if it is missing, truncated, compressed, or holds more than tensors (nothing of it is run).
    """
    if not path.is_file():
        raise UsageError(f"checkpoint {path} does not exist")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix in _TORCH_SUFFIXES:
        return _read_torch(path)
    raise UsageError(
        f"{path} is no checkpoint that fairbench reads; its name should end in one of {', '.join(SUFFIXES)}"
    )


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except Exception as error:  # foreign bytes can break the reader in any way
        raise UsageError(f"{path} is truncated or no safetensors file ({error}); copy it again") from None


def _read_torch(path: Path) -> dict[str, Tensor]:
    return _state_dict_in(load_torch_file(path), path)


def load_torch_file(path: Path) -> Any:
    """What ``torch.save`` wrote: tensors, numbers, words, and containers of them.

    Args:
        path: the file.

    Raises:
        UsageError: if it is truncated, compressed, or asks for anything else (nothing of it is run).
    """
    _refuse_compressed(path)
    try:
        return torch_load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # foreign bytes can break the reader in any way
        # torch names what a refused pickle asks for; its other words are long and advise to trust the file.
        asked_for = re.search(r"GLOBAL (\S+)", str(error))
        reason = (
            f"holds more than tensors ({asked_for[1]}), nothing of it was run; save its state_dict alone and give that"
            if asked_for
            else "is truncated or no file of torch.save; copy it again"
        )
        raise UsageError(f"{path} {reason}") from None


def _refuse_compressed(path: Path) -> None:
    """A compressed entry can unfold to more than the memory holds; torch.save writes none."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            compressed = next(
                (entry for entry in archive.infolist() if entry.compress_type != zipfile.ZIP_STORED), None
            )
    except zipfile.BadZipFile:
        return  # torch says that it is truncated
    if compressed is not None:
        raise UsageError(
            f"{path} has a compressed entry ({compressed.filename!r}), which torch.save never writes; "
            "save model.state_dict() and give that"
        )


def _state_dict_in(content: Any, path: Path) -> dict[str, Tensor]:
    if isinstance(content, dict):
        content = next((content[key] for key in _CONTAINERS if isinstance(content.get(key), dict)), content)
    if not isinstance(content, dict) or not content:
        raise UsageError(
            f"{path} holds no state dict but {type(content).__name__}; save model.state_dict() and give that"
        )
    for name, value in content.items():
        if not isinstance(value, Tensor) or value.layout is not torch.strided or value.is_quantized:
            raise UsageError(f"{path}: {name!r} is no plain tensor; save model.state_dict() and give that")
    return {str(name): value for name, value in content.items()}
