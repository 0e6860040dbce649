"""Networks for small images, and reading and writing their weights."""

from fairbench.models.checkpoint import load_weights
from fairbench.models.conversion import convert_checkpoint
from fairbench.models.create import create_model, model_names
from fairbench.models.network import Network
from fairbench.models.normalisation import NORMALISATIONS, Normalisation, normalisation_of
from fairbench.models.reading import read_tensors
from fairbench.models.weights import save_weights, weights_sha256

__all__ = [
    "NORMALISATIONS",
    "Network",
    "Normalisation",
    "convert_checkpoint",
    "create_model",
    "load_weights",
    "model_names",
    "normalisation_of",
    "read_tensors",
    "save_weights",
    "weights_sha256",
]
