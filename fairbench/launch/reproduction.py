"""The rows of a published table as runs of this project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch

from fairbench.compose import compose
from fairbench.data import find_dataset
from fairbench.data.catalogue import locate
from fairbench.data.few import Few
from fairbench.errors import UsageError, unknown_name
from fairbench.launch.bases import SCRATCH, is_shipped
from fairbench.launch.cells import BASE_PREFIX, Cell, Request, resolve
from fairbench.launch.comparison import conditions_of
from fairbench.launch.overrides import parse_assignments
from fairbench.launch.run import LoadData, run_cell, train_cell
from fairbench.launch.teachers import ROLE_OF_NEED
from fairbench.progress import Progress
from fairbench.protocol.record import Record
from fairbench.protocol.track import load_track, track_names
from fairbench.reference.tables import Row

Budget = Literal["quick", "full"]
STAND_IN = {"cifar10": "cifar10_jpeg"}
"""What a quick look takes where the data of the paper is not at hand."""

_QUICK = {
    "epochs": "1",
    "steps_per_epoch": "2",
    "batch_size": "8",
    "attack.steps": "2",
    "selection.rule": "last",
    "battery.batch_size": "16",
}
_QUICK_IMAGES = (8, 1)
_QUICK_CONDITIONS = ("clean", "fgsm", "pgd20")
"""Enough to see that all runs; searches take minutes for each image that withstands them."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """How a table is to be run again."""

    budget: Budget
    out: Path
    data_dir: Path | None = None
    dataset: str | None = None
    """in the place of the paper's."""
    seed: int = 0
    teachers: Mapping[str, str] = field(default_factory=dict)
    """role -> base, file or ARCH:FILE."""
    train_bases: bool = False
    """train bases that are not here, first; a quick look always does, as quickly."""


def chosen_rows(rows: list[Row], only: str | None) -> list[Row]:
    """The rows that a word names: by method, by start and method, by written form, or by printed label.

    Args:
        rows: of one paper.
        only: as in ``faal_at``, ``pgd_at:faal_at``, ``faal+awp``; None is all.

    Raises:
        UsageError: if no row is called so.
    """
    if only is None:
        return rows
    chosen = [row for row in rows if only.lower() in {name.lower() for name in _names(row)}]
    if not chosen:
        raise unknown_name("row", only, {row.name for row in rows} | {row.method for row in rows})
    return chosen


def _names(row: Row) -> tuple[str, ...]:
    return row.name, row.method, row.written_form, row.label


def request_for(row: Row, wish: Wish) -> Request:
    """What to run for a row.

    Raises:
        UsageError: if the data is not here, with how to get it.
    """
    is_base = row.written_form.startswith(BASE_PREFIX)
    return _request(row, wish, row.written_form, init=None if is_base else row.start, settings=row.settings)


def run_row(
    row: Row, wish: Wish, load: LoadData, device: torch.device, *, progress: Progress | None = None
) -> tuple[Cell, Record]:
    """Bring the run for a row to its end, and that of its base before where the wish allows.

    Args:
        row: of a published table.
        wish: how it is to be run.
        load: gives data sets by name.
        device: where to compute.
        progress: where to report.

    Raises:
        UsageError: if data, base or teacher is missing, with how to get it.
        WorkError: if training fails.
    """
    request = request_for(row, wish)
    base, trains = _base(row), wish.train_bases or wish.budget == "quick"
    if base is not None and trains and not is_shipped(base, load_track(request.tracks[0])):
        (made,) = resolve(_request(row, wish, base, init=SCRATCH))
        if row.written_form == f"{BASE_PREFIX}{base}":
            return made, run_cell(made, load, device, progress=progress)
        train_cell(made, load, device, progress=progress)
        start = str(made.folder / "model.safetensors")
        request = _request(row, wish, row.written_form, init=start, settings=row.settings)
    (cell,) = resolve(request)
    return cell, run_cell(cell, load, device, progress=progress)


def _base(row: Row) -> str | None:
    """The base that a row is, or starts from."""
    if row.written_form.startswith(BASE_PREFIX):
        return row.written_form.removeprefix(BASE_PREFIX)
    return None if row.start == SCRATCH else row.start


def _request(row: Row, wish: Wish, written: str, *, init: str | None, settings: tuple[str, ...] = ()) -> Request:
    paper_data = "cifar10" if row.dataset == "cifar10c" else row.dataset
    dataset, track = _data(paper_data, wish), _track(row)
    twin = track.replace(f"{paper_data}-", f"{dataset}-", 1)
    overrides = parse_assignments(list(settings))
    if wish.budget == "quick":
        wanted = [name for name in conditions_of(row) if name in _QUICK_CONDITIONS] or ["clean"]
        overrides |= _QUICK | {"battery.conditions": f"[{', '.join(wanted)}]"}
    elif row.dataset == "cifar10c":
        overrides["battery.conditions"] = f"[{', '.join(conditions_of(row))}]"
    return Request(
        methods=[written],
        tracks=[twin if twin in track_names() else track],
        seeds=[wish.seed],
        out=wish.out,
        init=init,
        overrides=overrides,
        dataset=str(Few(*_QUICK_IMAGES, dataset)) if wish.budget == "quick" else dataset,
        teachers=_teachers_of(written, wish),
    )


def _teachers_of(written: str, wish: Wish) -> dict[str, str]:
    """The given teachers that a method asks."""
    if written.startswith(BASE_PREFIX):
        return {}
    roles = {ROLE_OF_NEED.get(need) for need in compose(written).needs}
    return {role: name for role, name in wish.teachers.items() if role in roles}


def _data(paper_data: str, wish: Wish) -> str:
    if wish.dataset is not None:
        return wish.dataset
    stand_in = STAND_IN.get(paper_data)
    if find_dataset(paper_data, wish.data_dir) is None and stand_in and find_dataset(stand_in, wish.data_dir):
        if wish.budget == "quick":
            return stand_in
        raise UsageError(f"{paper_data} is not here, its JPEG copy is: get it, or take that with --dataset {stand_in}")
    locate(paper_data, wish.data_dir)
    return paper_data


def _track(row: Row) -> str:
    """The track that mirrors a row's table."""
    data = row.dataset.removesuffix("c") if row.dataset == "cifar10c" else row.dataset
    network = {"wrn34_10": "wrn34", "mobilenet_v2": "mnv2"}.get(row.model, row.model)
    starts_elsewhere = row.start != SCRATCH or row.written_form.startswith(BASE_PREFIX)
    suffixes = ["-distill"] if row.paper == "absld" else ["-ft", ""] if starts_elsewhere else ["", "-ft"]
    names = [f"{data}-{network}{suffix}" for suffix in suffixes]
    return next(name for name in names if name in track_names())
