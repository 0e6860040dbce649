"""Read weights from safetensors or from torch files, without ever running what a file asks for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from fairbench.errors import UsageError
from fairbench.models.weights import first_not_finite

_TORCH_SUFFIXES = (".pt", ".pth", ".th", ".ckpt", ".t7", ".tar", ".bin")
_CONTAINERS = ("state_dict", "model", "net", "model_state_dict")
_PREFIXES = ("module.", "model.", "_orig_mod.")
_MAY_BE_MISSING = ("mu", "sd", "num_batches_tracked")
_CURE = "give a checkpoint of the same network"


def load_weights(model: nn.Module, path: Path) -> None:
    """Load a checkpoint into a model, all of it or nothing.

    Understood are bare and nested state dicts, the prefixes of wrapped models, and any floating type. The file may
    lack the normalisation ``mu``, ``sd`` and the counters of batch-norm: the model keeps its own.

    Args:
        model: the network, on any device; unchanged if the file is refused.
        path: a .safetensors file or one that ``torch.save`` wrote.

    Raises:
        UsageError: if the file is missing, truncated, holds more than tensors (nothing of it is run), holds numbers
            that are not finite, or belongs to another network.
    """
    own = model.state_dict()
    tensors = _without_prefixes(_read(path), own, path)
    _check_names_and_shapes(tensors, model, path)
    bad = first_not_finite(tensors)
    if bad is not None:
        raise UsageError(f"{path}: {bad} holds numbers that are not finite; give another checkpoint")
    model.load_state_dict({**own, **tensors})


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise UsageError(f"checkpoint {path} does not exist")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix in _TORCH_SUFFIXES:
        return _read_torch(path)
    known = ", ".join((".safetensors", *_TORCH_SUFFIXES))
    raise UsageError(f"{path} is no checkpoint that fairbench reads; its name should end in one of {known}")


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except Exception as error:  # foreign bytes can break the reader in any way
        raise UsageError(f"{path} is truncated or no safetensors file ({error}); copy it again") from None


def _read_torch(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # foreign bytes can break the reader in any way
        # torch names what a refused pickle asks for; its other words are long and advise to trust the file.
        asked_for = re.search(r"GLOBAL (\S+)", str(error))
        reason = (
            f"holds more than tensors ({asked_for[1]}), nothing of it was run; save its state_dict alone and give that"
            if asked_for
            else "is truncated or no file of torch.save; copy it again"
        )
        raise UsageError(f"{path} {reason}") from None
    return _state_dict_in(content, path)


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


def _without_prefixes(tensors: dict[str, Tensor], own: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        short = _without_prefix(name, own)
        if short in renamed:
            raise UsageError(f"{path} holds {short} twice, once as {name}; {_CURE}")
        renamed[short] = tensor
    return renamed


def _without_prefix(name: str, own: dict[str, Tensor]) -> str:
    while name not in own and name.startswith(_PREFIXES):
        name = name.partition(".")[2]
    return name


def _check_names_and_shapes(tensors: dict[str, Tensor], model: nn.Module, path: Path) -> None:
    network = getattr(model, "architecture", type(model).__name__)
    for name, wanted in model.state_dict().items():
        came = tensors.get(name)
        if came is None:
            if name.rpartition(".")[2] in _MAY_BE_MISSING:
                continue
            raise UsageError(f"{path} is not for this {network}: it has no {name} {tuple(wanted.shape)}; {_CURE}")
        if came.shape != wanted.shape or came.is_floating_point() != wanted.is_floating_point():
            raise UsageError(
                f"{path} is not for this {network}: {name} is {_describe(came)}, expected {_describe(wanted)}; {_CURE}"
            )
    foreign = next((name for name in tensors if name not in model.state_dict()), None)
    if foreign is not None:
        raise UsageError(f"{path} is not for this {network}: it has {foreign}, which {network} lacks; {_CURE}")


def _describe(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
