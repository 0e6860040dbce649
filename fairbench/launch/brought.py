"""Weights that a track names and the package does not ship: where they are looked for, and how to get them."""

from __future__ import annotations

from pathlib import Path

from fairbench.home import home_folder
from fairbench.models.normalisation import NORMALISATIONS, Normalisation
from fairbench.models.reading import SUFFIXES
from fairbench.protocol.track import Source, Track


def brought_base(name: str, track: Track) -> Path | None:
    """The file of a base that somebody put into the folder of fairbench, or None."""
    return _file_called(_base_folder(track) / name)


def brought_teacher(name: str) -> Path | None:
    """The file of a teacher that somebody put into the folder of fairbench, or None."""
    return _file_called(_teacher_folder() / name)


def normalisation_of_source(source: Source | None) -> Normalisation | None:
    """What a published network subtracts and divides by if its file does not say; None is what is usual."""
    return NORMALISATIONS[source.normalise] if source is not None and source.normalise is not None else None


def how_to_get_base(name: str, track: Track, *, option: str) -> str:
    """What to do about a base that is not here.

    Args:
        name: of the base.
        track: that names it.
        option: what the command line takes instead.
    """
    source = track.sources.get(name)
    published = f"the published one is {source.where}: " if source else ""
    place = _base_folder(track) / f"{name}.safetensors"
    give = f"give a checkpoint as {option}"
    rest = f", {give}, or let it be trained first with --train-bases" if track.trains_base(name) else f", or {give}"
    return (
        f"base {name} of track {track.name} does not ship with the package; {published}put a file at {place} "
        f"(or .pt){rest}"
    )


def how_to_get_teacher(name: str, track: Track, *, option: str) -> str:
    """What to do about a teacher of a track's sources that is not here."""
    source = track.sources[name]
    train = f", or train its like with `{source.train}` and give that" if source.train else ""
    return (
        f"teacher {name} of track {track.name} does not ship with the package; get {source.where} and put it at "
        f"{_teacher_folder() / name}.pt (or .safetensors) or give it as {option}{train}"
    )


def _base_folder(track: Track) -> Path:
    return home_folder() / "bases" / track.name


def _teacher_folder() -> Path:
    return home_folder() / "teachers"


def _file_called(stem: Path) -> Path | None:
    # Names hold dots and plus signs, so the ending is put behind them and takes nothing away.
    candidates = [stem.with_name(stem.name + suffix) for suffix in SUFFIXES]
    return next((path for path in candidates if path.is_file()), None)
