"""Verdicts of the reference package on the bases of the CPU tracks, 500 images each, image by image."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest
import torch
from pyautoattack import AutoAttack

from fairbench.attacks import autoattack
from fairbench.data import load_dataset
from fairbench.errors import UsageError
from fairbench.models import create_model, load_weights

IMAGES = 500
MEMBERS = ["apgd-ce", "apgd-t", "fab-t", "square"]
TRACKS = {"digits": ("cnn_tiny", 0.2), "fmnist": ("cnn_small", 0.1)}


@pytest.fixture(scope="module", params=[("digits", "pgd_at"), ("digits", "trades"), ("fmnist", "pgd_at")])
def case(request):
    """Network, images, labels, radius, and what the reference package leaves robust."""
    track, base = request.param
    try:
        data = load_dataset(track)
    except UsageError as missing:
        pytest.skip(str(missing))
    # Training images fill up where the test split is smaller: agreement does not ask who has seen an image.
    x = torch.cat([data.test.images, data.train.images])[:IMAGES].float() / 255
    y = torch.cat([data.test.labels, data.train.labels])[:IMAGES]
    architecture, eps = TRACKS[track]
    network = create_model(architecture, num_classes=10, image_shape=tuple(x.shape[1:]))
    load_weights(network, Path(str(resources.files("fairbench.bases"))) / track / f"{base}.safetensors")
    network.eval()
    with torch.random.fork_rng():
        runner = AutoAttack(network, eps=eps, version="standard", seed=0, device="cpu")
        runner.verbose = False
        _, answers = runner.run_standard_evaluation(x, y, batch_size=500)
    return network, x, y, eps, answers == y


@pytest.mark.prove
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_ensemble_agrees_image_by_image(case, precision):
    network, x, y, eps, expected = case
    found = autoattack(network, x, y, eps=eps, search_precision=precision).robust
    assert abs(int(expected.sum()) - int(found.sum())) <= 2
    assert int((expected & ~found).sum()) < 0.01 * IMAGES
    assert int((~expected & found).sum()) < 0.01 * IMAGES
