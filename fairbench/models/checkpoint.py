"""Load a checkpoint into a model, all of it or nothing."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from fairbench.errors import UsageError
from fairbench.models.network import Network
from fairbench.models.normalisation import Normalisation
from fairbench.models.public_names import under_own_names
from fairbench.models.reading import read_tensors
from fairbench.models.weights import first_not_finite

_MAY_BE_MISSING = ("mu", "sd", "num_batches_tracked")
_CURE = "give a checkpoint of the same network"


def load_weights(model: nn.Module, path: Path, *, normalisation: Normalisation | None = None) -> None:
    """Load a checkpoint into a model, all of it or nothing.

    Understood are bare and nested state dicts, the prefixes of wrapped models, other names of the normalisation, and
    any floating type. The file may lack the normalisation and the counters of batch-norm.

    Args:
        model: the network, on any device; unchanged if the file is refused.
        path: a .safetensors file or one that ``torch.save`` wrote.
        normalisation: what a network here subtracts and divides by if the file carries neither; None keeps its own.

    Raises:
        UsageError: if the file is missing, truncated, holds more than tensors (nothing of it is run), holds numbers
            that are not finite, or belongs to another network.
    """
    own = model.state_dict()
    tensors = under_own_names(read_tensors(path), model, path)
    _check_names_and_shapes(tensors, model, path)
    bad = first_not_finite(tensors)
    if bad is not None:
        raise UsageError(f"{path}: {bad} holds numbers that are not finite; give another checkpoint")
    if isinstance(model, Network) and "sd" in tensors and not bool((tensors["sd"] > 0).all()):
        raise UsageError(f"{path}: it divides pixels by {tensors['sd'].min():g}; give another checkpoint")
    model.load_state_dict({**own, **tensors})
    if isinstance(model, Network) and normalisation is not None and not {"mu", "sd"} & tensors.keys():
        model.set_normalisation(*normalisation)


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
