"""Where a method starts: random weights, a base of the track, or a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from fairbench.errors import UsageError
from fairbench.files import read_json, sha256_file
from fairbench.launch.brought import brought_base, how_to_get_base, normalisation_of_source
from fairbench.models.normalisation import Normalisation
from fairbench.protocol.schema import Schema, validated
from fairbench.protocol.track import Track

SCRATCH = "scratch"
BASE_SEED = 0
"""The seed of every base, so that all who start from one start alike."""


class BaseCard(Schema):
    """What ships beside the weights of a base."""

    track: str
    method: str
    """written form that trained it."""
    epochs: int
    selected_on: str
    selected_epoch: int
    seed: int
    seconds: float
    commit: str | None
    config: dict[str, Any]
    """the resolved configuration that trained it."""
    sha256: str
    """of the weights file."""


@dataclass(frozen=True)
class Start:
    """Where the weights of a cell come from before training."""

    name: str
    """``scratch``, the name of a base, or ``file:<name>``."""
    path: Path | None = None
    sha256: str | None = None
    card: BaseCard | None = None
    normalisation: Normalisation | None = None
    """of a published network whose file does not say; None is what is usual for the data set."""
    trained_by: str | None = None
    """hash of the configuration of the cell that trains it here; the file may not be there yet."""

    @property
    def is_scratch(self) -> bool:
        """Whether the weights are random."""
        return self.path is None

    @property
    def is_foreign(self) -> bool:
        """Whether the weights may have been trained on the held-out parts."""
        return self.path is not None and self.card is None and self.trained_by is None

    @property
    def identity(self) -> str | None:
        """What a configuration says of the weights: their hash, or the cell that makes them."""
        return f"cell:{self.trained_by}" if self.trained_by else self.sha256


FindBase = Callable[[str, str], Start]
"""name, option of the command line that takes another -> the base of that name."""


def find_start(init: str, track: Track, *, find_base: FindBase | None = None) -> Start:
    """The start of that name.

    Args:
        init: ``scratch``, one of the track's bases, or the path of a checkpoint.
        track: whose bases are meant.
        find_base: gives the bases; by default those that ship.

    Raises:
        UsageError: if there is no such base or file, or its weights are not those of its card.
    """
    if init == SCRATCH:
        return Start(SCRATCH)
    if init in track.bases:
        option = "--init FILE"
        return find_base(init, option) if find_base else shipped_base(init, track, option=option)
    path = Path(init)
    if path.is_file():
        return Start(f"file:{path.stem}", path, sha256_file(path))
    offered = ", ".join([SCRATCH, *track.bases])
    raise UsageError(f"--init {init!r} is neither a file nor a start of track {track.name}: {offered}")


def shipped_base(name: str, track: Track, *, option: str) -> Start:
    """A base of the track that ships with the package, or that somebody put into the folder of fairbench.

    Args:
        name: one of ``track.bases``.
        track: whose base is meant.
        option: what the command line takes instead, as in ``--init FILE``; named in the error.

    Raises:
        UsageError: if it is not here, with how to get it, or its weights are not those of its card.
    """
    weights = _shipped(name, track)
    if not weights.is_file():
        return _brought(name, track, option)
    cure, described = "install the package again", weights.with_suffix(".json")
    card = validated(BaseCard, read_json(described, cure=cure), place=str(described))
    sha256 = sha256_file(weights)
    if sha256 != card.sha256:
        raise UsageError(f"{weights} is not the file of its card (sha256 {sha256[:12]}...); {cure}")
    return Start(name, weights, sha256, card)


def _brought(name: str, track: Track, option: str) -> Start:
    path = brought_base(name, track)
    if path is None:
        raise UsageError(how_to_get_base(name, track, option=option))
    return Start(name, path, sha256_file(path), normalisation=normalisation_of_source(track.sources.get(name)))


def is_shipped(name: str, track: Track) -> bool:
    """Whether the weights of this base are here, in the package or in the folder of fairbench."""
    return _shipped(name, track).is_file() or brought_base(name, track) is not None


def _shipped(name: str, track: Track) -> Path:
    return Path(str(resources.files("fairbench.bases"))) / track.name / f"{name}.safetensors"
