"""A checkpoint from anywhere as safetensors under the names used here, its normalisation inside."""

from __future__ import annotations

from pathlib import Path

from fairbench.errors import UsageError
from fairbench.files import sha256_file
from fairbench.models.checkpoint import load_weights
from fairbench.models.create import create_model
from fairbench.models.network import Network
from fairbench.models.normalisation import Normalisation
from fairbench.models.public_names import under_own_names
from fairbench.models.reading import read_tensors
from fairbench.models.weights import save_weights


def convert_checkpoint(source: Path, target: Path, *, architecture: str, normalisation: Normalisation) -> str:
    """Read a public checkpoint and write what it holds in the form of this project.

    The number of classes is read off the last layer.

    Args:
        source: safetensors, or a file of ``torch.save`` that holds tensors alone.
        target: the safetensors file to write, float32.
        architecture: of the network that the weights belong to.
        normalisation: what the network subtracts and divides by if the file does not say.

    Returns:
        the sha256 of the written file.

    Raises:
        UsageError: if the source cannot be read, means harm or belongs to another network.
    """
    if target.suffix != ".safetensors":
        raise UsageError(f"--out {target}: a converted checkpoint is written as safetensors; give a name that ends so")
    network = create_model(architecture, num_classes=_number_of_classes(source, architecture))
    load_weights(network, source, normalisation=normalisation)
    save_weights(network, target)
    return sha256_file(target)


def _number_of_classes(source: Path, architecture: str) -> int:
    network: Network = create_model(architecture)
    name = f"{network.last_layer_name}.weight"
    last = under_own_names(read_tensors(source), network, source).get(name)
    if last is None or last.ndim != 2:
        raise UsageError(
            f"{source} is not for this {architecture}: it has no {name}; give a checkpoint of that network"
        )
    return len(last)
