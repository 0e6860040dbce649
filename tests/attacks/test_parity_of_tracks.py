"""Verdicts of the reference package on the bases of the CPU tracks, 500 images each, image by image."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest

from benchmarks.attack_cases import case_of_track, reference_robust
from fairbench.attacks import autoattack
from fairbench.errors import UsageError

IMAGES = 500
CASES = [
    ("digits", "pgd_at", "linf", 0.2),
    ("digits", "trades", "linf", 0.2),
    ("digits", "pgd_at", "l2", 0.7),
    ("digits", "pgd_at", "l1", 2.0),
    ("fmnist", "pgd_at", "linf", 0.1),
]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "-".join(case[:3]))
def case(request):
    """Network, images and radius, the norm, and what the reference package leaves robust."""
    track, base, norm, eps = request.param
    weights = Path(str(resources.files("fairbench.bases"))) / track / f"{base}.safetensors"
    try:
        attacked = replace(case_of_track(track, weights, IMAGES), eps=eps)
    except UsageError as missing:
        pytest.skip(str(missing))
    return attacked, norm, reference_robust(attacked, norm=norm)


@pytest.mark.prove
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_ensemble_agrees_image_by_image(case, precision):
    attacked, norm, expected = case
    call = {"eps": attacked.eps, "norm": norm, "search_precision": precision}
    found = autoattack(attacked.network, attacked.x, attacked.y, **call).robust
    assert abs(int(expected.sum()) - int(found.sum())) <= 2
    assert int((expected & ~found).sum()) < 0.01 * IMAGES
    assert int((~expected & found).sum()) < 0.01 * IMAGES
