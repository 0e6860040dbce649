"""What is said of a folder in CIFAR-10-C's layout: which data, which seed, and the sha256 of each file."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from fairbench.data.corruptions.constants import CONSTANTS_NAME, GENERATOR
from fairbench.data.corruptions.frost_textures import FROST_TEXTURES
from fairbench.files import read_json, write_json
from fairbench.protocol.corruptions import SEVERITIES
from fairbench.protocol.schema import Schema, validated

MANIFEST_NAME = "manifest.json"
LABELS_NAME = "labels.npy"
START_OVER = "start over with --fresh, or choose another folder with --out"


class Manifest(Schema):
    """What ``fairbench data corrupt`` writes beside the arrays."""

    dataset: str
    fingerprint: str
    """of the data set; its test images were corrupted."""
    images: int
    image_shape: list[int]
    """(H, W, C) of the data set, or (H, W) where the arrays are grey."""
    seed: int
    constants: str = CONSTANTS_NAME
    images_from: str = GENERATOR
    frost_textures: str = FROST_TEXTURES
    severities: tuple[int, ...] = SEVERITIES
    order: str = "all images at severity 1 in the order of the test split, then all at severity 2, and so on"
    sha256: dict[str, str] = Field(default_factory=dict)
    """file -> hash, of what is finished."""


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder, None if it has none.

    Raises:
        UsageError: if it is damaged.
    """
    path = folder / MANIFEST_NAME
    if not path.exists():
        return None
    return validated(Manifest, read_json(path, cure=START_OVER), place=f"{path} is damaged")


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write it whole.

    Raises:
        UsageError: if the folder cannot be written.
    """
    write_json(folder / MANIFEST_NAME, manifest.model_dump(mode="json"))
