"""From the names in public checkpoints to those of the networks here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from fairbench.errors import UsageError
from fairbench.models.network import Network

_WRAPPERS = ("module.", "model.", "_orig_mod.", "net.", "1.")
"""``1.`` is the network in a sequence of a normalisation and a network."""
_NORMALISATION = re.compile(
    r"(?:(?:module|model|_orig_mod|net|0|normali[sz]er?|normali[sz]ation)\.)*(?:(?P<mu>mu|means?)|(?:sd|sigma|stds?))"
)
_CURE = "give a checkpoint of the same network"


def under_own_names(tensors: Mapping[str, Tensor], model: nn.Module, path: Path) -> dict[str, Tensor]:
    """The tensors of a public checkpoint under the names of a model.

    Understood are the prefixes of wrapped models and, for the networks here, the usual names of the normalisation and
    what a network knows of its own public files. A name that nothing is known about stays as it is.

    Args:
        tensors: name -> tensor, as the file has them.
        model: for which they are meant.
        path: the file, for the error.

    Raises:
        UsageError: if two tensors would get one name.
    """
    own = model.state_dict()
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        short, value = _without_wrappers(name, own), tensor
        if isinstance(model, Network) and short not in own:
            if short.startswith(model.unused_in_public_files):
                continue
            short, value = _as_normalisation(name, tensor, own) or (short, tensor)
        if short in renamed:
            raise UsageError(f"{path} holds {short} twice, once as {name}; {_CURE}")
        renamed[short] = value
    return model.from_public_names(renamed) if isinstance(model, Network) else renamed


def _without_wrappers(name: str, own: Mapping[str, Tensor]) -> str:
    while name not in own and name.startswith(_WRAPPERS):
        name = name.partition(".")[2]
    return name


def _as_normalisation(name: str, tensor: Tensor, own: Mapping[str, Tensor]) -> tuple[str, Tensor] | None:
    match = _NORMALISATION.fullmatch(name)
    if match is None:
        return None
    buffer = "mu" if match["mu"] else "sd"
    return (buffer, tensor.reshape(own[buffer].shape)) if tensor.numel() == own[buffer].numel() else None
