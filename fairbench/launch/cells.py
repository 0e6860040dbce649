"""A request becomes cells: every name looked up and every value checked before any work is done."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import Field

from fairbench.compose import Composition, compose, track_defaults
from fairbench.errors import UsageError
from fairbench.launch.bases import BASE_SEED, SCRATCH, Start, find_start, is_shipped, shipped_base
from fairbench.launch.overrides import changed_track, departures_between
from fairbench.launch.teachers import Teacher, check_all_used, find_teachers, teacher_label
from fairbench.protocol.schema import Schema
from fairbench.protocol.track import Augmentation, Schedule, Track, load_track

BASE_PREFIX = "base:"
NOT_CONFIGURED = {"scratch_schedule", "summary", "title", "bases", "teachers", "sources"}
"""What a track offers or says; a cell's configuration holds what was taken of it."""


class Request(Schema):
    """What somebody asked for, as on the command line; it travels to other processes as JSON."""

    methods: list[str]
    tracks: list[str]
    seeds: list[int]
    out: Path
    init: str | None = None
    overrides: dict[str, str] = Field(default_factory=dict)
    dataset: str | None = None
    teachers: dict[str, str] = Field(default_factory=dict)
    """role -> base, file or ARCH:FILE."""
    train_bases: bool = False
    """train a base that a track names and does not ship, as a cell that the others wait for."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One method, one seed, one track: what to train and evaluate, and where it goes."""

    written: str
    composition: Composition | None
    """None for a base that is evaluated as it is."""
    track: Track
    """with all changes in place but those of the conditions."""
    conditions: tuple[str, ...]
    """to be evaluated; more can be asked of the same cell later."""
    start: Start
    seed: int
    departures: tuple[str, ...]
    request: Request
    """what asks for this cell alone."""
    teachers: tuple[Teacher, ...] = ()
    needs: tuple[Cell, ...] = ()
    """cells that must be trained before: those that make its start or its teachers."""

    @cached_property
    def config(self) -> dict[str, Any]:
        """The fully resolved configuration, ready for JSON; the conditions in it are those of the track."""
        composition = self.composition
        taught = {"teacher": teacher_label(self.teachers), "teacher_sha256": {t.role: t.sha256 for t in self.teachers}}
        return {
            "method": self.written,
            "objective": composition.objective if composition else None,
            "modifiers": list(composition.modifiers) if composition else [],
            "options": {k: dict(v) for k, v in composition.options.items()} if composition else {},
            "origin": composition.entry.origin if composition else "built-in",
            "track": self.track.model_dump(mode="json", exclude=NOT_CONFIGURED),
            "init": self.start.name,
            "init_sha256": self.start.identity,
            "departures": list(self.departures),
            **(taught if self.teachers else {}),
        }

    @property
    def config_sha256(self) -> str:
        """Hash of the configuration; the seed is not part of it."""
        return hashlib.sha256(json.dumps(self.config, sort_keys=True).encode()).hexdigest()

    @property
    def folder(self) -> Path:
        """Where the cell's files go; two configurations never share one."""
        method = _safe(self.written, longest=120)
        start = "" if self.start.name == self.track.init else "--" + _safe(self.start.name, longest=60)
        return self.request.out / self.track.name / f"{method}{start}-{self.config_sha256[:8]}" / f"seed{self.seed}"


def _safe(name: str, *, longest: int) -> str:
    # Options can be many and file names have an end; the hash keeps what was cut off apart.
    return re.sub(r"[^a-z0-9_.=+-]+", "-", name.lower())[:longest]


def resolve(request: Request) -> list[Cell]:
    """The cells of a request, tracks first, then methods, then seeds.

    Raises:
        UsageError: for anything in the request that is unknown, out of range or makes no sense.
    """
    if not (request.methods and request.tracks and request.seeds):
        raise UsageError("nothing to run: give at least one method, one track and one seed")
    cells = [
        _cell(request, load_track(track), written, seed)
        for track in request.tracks
        for written in request.methods
        # A base is evaluated as it is, with the seed that it was trained with.
        for seed in (request.seeds[:1] if written.startswith(BASE_PREFIX) else request.seeds)
    ]
    check_all_used(request.teachers, [cell.teachers for cell in cells])
    return cells


def _cell(request: Request, track: Track, written: str, seed: int) -> Cell:
    if written.startswith(BASE_PREFIX):
        return _base_cell(request, track, written)
    composition = compose(written, track=track.name)
    made = _Made(request, track)
    start = find_start(request.init or track.init, track, find_base=made.base)
    own = {"schedule": _schedule(composition, track, start), "augmentation": _augmentation(composition, track)}
    published = track.model_copy(update=own)
    if start.is_foreign:
        published, _ = changed_track(published, {"selection.rule": "last"}, place="foreign start")
    changed, departures, conditions = _with_changes(request, published)
    teachers = find_teachers(composition.written, composition.needs, request.teachers, track, find_base=made.base)
    return Cell(
        written=composition.written,
        composition=composition,
        track=changed,
        conditions=conditions,
        start=start,
        seed=seed,
        departures=tuple(departures),
        request=_narrowed(request, track, composition.written, seed, teachers),
        teachers=teachers,
        needs=tuple(made.cells.values()),
    )


def _base_cell(request: Request, track: Track, written: str) -> Cell:
    name = written.removeprefix(BASE_PREFIX)
    if name not in track.bases:
        raise UsageError(f"track {track.name} has no base {name!r}; it has: {', '.join(track.bases) or 'none'}")
    made = _Made(request, track)
    start = find_start(name, track, find_base=made.base)
    changed, departures, conditions = _with_changes(request, track)
    seed = start.card.seed if start.card else BASE_SEED
    return Cell(
        written=written,
        composition=None,
        track=changed,
        conditions=conditions,
        start=start,
        seed=seed,
        departures=tuple(departures),
        request=_narrowed(request, track, written, seed, ()),
        needs=tuple(made.cells.values()),
    )


@dataclass(frozen=True)
class _Made:
    """The bases of a track; those that do not ship are cells of their own, where the request asks for that."""

    request: Request
    track: Track
    cells: dict[str, Cell] = field(default_factory=dict)

    def base(self, name: str, option: str) -> Start:
        """The base, shipped or to be trained."""
        if not self.request.train_bases or not self.track.trains_base(name) or is_shipped(name, self.track):
            return shipped_base(name, self.track, option=option)
        asked = self.request.model_copy(update={"init": SCRATCH, "teachers": {}})
        cell = self.cells[name] = _cell(asked, self.track, name, BASE_SEED)
        return Start(name, cell.folder / "model.safetensors", trained_by=cell.config_sha256)


def _narrowed(request: Request, track: Track, written: str, seed: int, teachers: tuple[Teacher, ...]) -> Request:
    roles = {teacher.role for teacher in teachers}
    only = {"methods": [written], "tracks": [track.name], "seeds": [seed]}
    return request.model_copy(
        update={**only, "teachers": {role: name for role, name in request.teachers.items() if role in roles}}
    )


def _with_changes(request: Request, track: Track) -> tuple[Track, list[str], tuple[str, ...]]:
    """The track as it is asked for, what departs in it, and the conditions, which name no other cell."""
    asked, _ = changed_track(track, request.overrides, place="--set")
    battery = asked.battery.model_copy(update={"conditions": track.battery.conditions})
    changed = asked.model_copy(update={"battery": battery})
    departures = departures_between(track, changed)
    if request.dataset and request.dataset != track.dataset:
        departures.append(f"dataset = {request.dataset} instead of {track.dataset}")
        changed = changed.model_copy(update={"dataset": request.dataset})
    return changed, departures, tuple(asked.battery.conditions)


def _schedule(composition: Composition, track: Track, start: Start) -> Schedule:
    """The track's schedule; on a fine-tuning track, methods may bring one of their own, scratch another."""
    entry, schedule = composition.entry, track.schedule
    own = track_defaults(entry, track.name, "schedule")
    if start.is_scratch and track.init != SCRATCH and track.scratch_schedule is not None:
        # What a method scales to the track is meant for fine-tuning; its momentum is its own anywhere.
        schedule, own = track.scratch_schedule, track_defaults(entry, None, "schedule")
    return Schedule.model_validate(schedule.model_dump() | own)


def _augmentation(composition: Composition, track: Track) -> Augmentation:
    own = track_defaults(composition.entry, track.name, "augmentation")
    return Augmentation.model_validate(track.augmentation.model_dump() | own)
