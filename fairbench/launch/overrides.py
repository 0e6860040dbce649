"""``--set key=value``: a track with some of its values changed, and the list of what departs from it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any

import yaml
from pydantic import BaseModel

from fairbench.errors import UsageError, unknown_name
from fairbench.protocol.schema import validated
from fairbench.protocol.track import Track

_SECTIONS = ("schedule", "augmentation", "attack", "compute", "selection", "battery")
"""Looked up in this order when a key comes without its section."""
_WHOLE = ("epsilon", "architecture", "dataset")


def parse_assignments(pairs: list[str]) -> dict[str, str]:
    """``["epochs=1"]`` as a mapping.

    Raises:
        UsageError: if a pair has no equals sign, or a key comes twice.
    """
    values: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (equals and key.strip() and value.strip()):
            raise UsageError(f"cannot read --set {pair!r}; the form is key=value, as in --set epochs=1")
        if key.strip() in values:
            raise UsageError(f"--set names {key.strip()!r} twice")
        values[key.strip()] = value.strip()
    return values


def changed_track(track: Track, values: Mapping[str, Any], *, place: str) -> tuple[Track, list[str]]:
    """The track with the values in place, and one line for each that differs.

    Args:
        track: left as it is.
        values: key -> value; keys are paths as ``schedule.epochs``, or the last part alone.
        place: where the values come from, for the error.

    Raises:
        UsageError: for an unknown key, a key that comes twice, or a value that is out of range or cannot be read.
    """
    values_of_track = track.model_dump()
    paths: list[tuple[str, ...]] = []
    for key, value in values.items():
        path = _path(key)
        if path in paths:
            raise UsageError(f"{place} names {'.'.join(path)!r} twice")
        paths.append(path)
        section = values_of_track if len(path) == 1 else values_of_track[path[0]]
        section[path[-1]] = _parsed(key, value, place)
    changed = validated(Track, values_of_track, place=place)
    return changed, departures_between(track, changed)


def departures_between(before: Track, after: Track) -> list[str]:
    """One line for each value that ``--set`` can change and that differs, in the order of their names."""
    paths = [(name,) for name in _WHOLE] + [(section, field) for section in _SECTIONS for field in _fields(section)]
    values = [(".".join(path), _at(before, path), _at(after, path)) for path in sorted(paths)]
    return [f"{name} = {new} instead of {old}" for name, old, new in values if new != old]


def _parsed(key: str, value: Any, place: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:
        raise UsageError(
            f"{place} {key}={value}: cannot read the value; give a number, a word, [a, b] or {{a: b}}"
        ) from None


def _at(track: Track, path: tuple[str, ...]) -> Any:
    return reduce(getattr, path, track)


def _path(key: str) -> tuple[str, ...]:
    known = {name: _fields(name) for name in _SECTIONS}
    section, _, last = key.rpartition(".")
    if section in known and last in known[section]:
        return section, last
    if not section and last in _WHOLE:
        return (last,)
    if not section:
        for name, fields in known.items():
            if last in fields:
                return name, last
    everything = [*_WHOLE, *(f"{name}.{field}" for name, fields in known.items() for field in fields)]
    short = [name.rpartition(".")[2] for name in everything]
    raise unknown_name("key of --set", key, [*everything, *short] if not section else everything)


def _fields(section: str) -> list[str]:
    model = Track.model_fields[section].annotation
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []
