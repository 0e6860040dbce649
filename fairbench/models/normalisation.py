"""The means and deviations that public networks subtract and divide by."""

from __future__ import annotations

from typing import NamedTuple

from fairbench.data.few import whole_name


class Normalisation(NamedTuple):
    """Per channel, for pixels in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


NORMALISATIONS = {
    "none": Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "cifar10": Normalisation((0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616)),
    "cifar100": Normalisation((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
}
"""By name, for images of three channels; the constants are those of Gowal et al. 2020."""

_BY_DATASET = {"cifar10": "cifar10", "cifar10_jpeg": "cifar10", "cifar100": "cifar100"}


def normalisation_of(dataset_name: str) -> Normalisation | None:
    """What networks for this data set normalise by, or None if they take pixels as they are."""
    name = _BY_DATASET.get(whole_name(dataset_name))
    return NORMALISATIONS[name] if name else None
