"""Networks and images that attacks are compared on, and what the reference package leaves robust there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from pyautoattack import AutoAttack
from torch import Tensor, nn

from fairbench.data import load_dataset
from fairbench.models import create_model, load_weights

TRACKS = {"digits": ("cnn_tiny", 0.2), "fmnist": ("cnn_small", 0.1)}
"""network and L-infinity radius."""
NORMS = {"linf": "Linf", "l2": "L2", "l1": "L1"}


@dataclass(frozen=True)
class Case:
    """A network and images that it is attacked on."""

    network: nn.Module
    x: Tensor
    y: Tensor
    eps: float


def case_of_track(track: str, weights: Path, images: int) -> Case:
    """The first test images of a CPU track and a network of its architecture, in eval mode.

    Where there are too few, training images too: agreement of verdicts does not ask who has seen an image.

    Args:
        track: one of ``TRACKS``.
        weights: safetensors file.
        images: how many.

    Raises:
        UsageError: the data or the weights are not there.
    """
    data = load_dataset(track)
    architecture, eps = TRACKS[track]
    x = torch.cat([data.test.images, data.train.images])[:images].float() / 255
    y = torch.cat([data.test.labels, data.train.labels])[:images]
    channels, height, width = x.shape[1:]
    network = create_model(architecture, num_classes=data.num_classes, image_shape=(channels, height, width))
    load_weights(network, weights)
    return Case(network.eval(), x, y, eps)


def reference_robust(
    case: Case,
    *,
    norm: str = "linf",
    attacks: Sequence[str] | None = None,
    queries: int = 5000,
    seed: int = 0,
    batch_size: int = 500,
) -> Tensor:
    """Which images the reference package leaves robust: (N,) bool. The global generators stay as they were.

    Args:
        case: what is attacked.
        norm: one of ``NORMS``.
        attacks: members with one run each and the constants that the standard version has for the norm; None is the
            standard version.
        queries: of Square.
        seed: of the attack.
        batch_size: images at a time.
    """
    # The standard version first, for its constants of the norm.
    runner = AutoAttack(case.network, norm=NORMS[norm], eps=case.eps, version="standard", seed=seed, device="cpu")  # pyright: ignore[reportArgumentType]
    runner.verbose = False
    runner.square.n_queries = queries
    if attacks is not None:
        runner.attacks_to_run = list(attacks)  # pyright: ignore[reportAttributeAccessIssue]
        runner.apgd.n_restarts = 1
    with torch.random.fork_rng():
        _, answers = runner.run_standard_evaluation(case.x, case.y, batch_size=batch_size)
    return answers == case.y
