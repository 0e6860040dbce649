"""A grid: many cells, what each must wait for, and how they run, one after another or side by side."""

from __future__ import annotations

import os
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from fairbench.errors import FairbenchError, WorkError
from fairbench.launch.cells import Cell, Request, resolve
from fairbench.launch.device import compute_deterministically
from fairbench.launch.done import is_done
from fairbench.launch.failures import clear_failure, record_failure
from fairbench.launch.pool import run_tasks
from fairbench.launch.run import LoadData, data_loader, run_cell, train_cell
from fairbench.launch.tasks import Failure, Outcome, Place, Task, Watcher
from fairbench.launch.trackers import tracking
from fairbench.launch.worker import Context
from fairbench.progress import Progress
from fairbench.protocol.schema import validated
from fairbench.registry import load_plugin
from fairbench.training.interruption import StoppedError

CELL_WORK = "fairbench.launch.grid:work_on_cell"


@dataclass(frozen=True, kw_only=True)
class Job:
    """A cell as a piece of work."""

    cell: Cell
    only_train: bool = False
    """a start or a teacher of other cells, which nobody asked to evaluate."""

    @property
    def key(self) -> str:
        """Two jobs are the same if they fill the same folder."""
        return str(self.cell.folder)

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return is_done(self.cell.folder, self.cell.conditions, only_train=self.only_train)

    @property
    def title(self) -> str:
        """The job for a reader."""
        purpose = ", trained for the others" if self.only_train else ""
        return f"{self.cell.track.name}: {self.cell.written}, seed {self.cell.seed}{purpose}"


def jobs_of(cells: Sequence[Cell]) -> list[Job]:
    """The cells and all that they need, each once, needs first."""
    jobs: dict[str, Job] = {}

    def enter(cell: Cell, *, only_train: bool) -> None:
        for need in cell.needs:
            enter(need, only_train=True)
        job = Job(cell=cell, only_train=only_train)
        if job.key not in jobs or not only_train:
            jobs[job.key] = job

    for cell in cells:
        enter(cell, only_train=False)
    return list(jobs.values())


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What all jobs of a grid share besides their cells."""

    data_dir: Path | None = None
    plugins: tuple[Path, ...] = ()
    fresh: bool = False
    deterministic: bool = False
    """the same weights again on a GPU too."""
    tracker: str | None = None
    """who else is told how training goes: ``tensorboard``, ``wandb`` or ``mlflow``."""

    def as_json(self) -> dict[str, Any]:
        """For another process."""
        return {
            "data_dir": str(self.data_dir.resolve()) if self.data_dir else None,
            "plugins": [str(path.resolve()) for path in self.plugins],
            "fresh": self.fresh,
            "deterministic": self.deterministic,
            "tracker": self.tracker,
        }


def places_for(device: str, jobs: int | None, threads: int | None) -> list[Place]:
    """Where worker processes compute.

    Args:
        device: ``auto`` spreads them over the visible GPUs; another name puts all there.
        jobs: how many; by default one for each visible GPU, or one.
        threads: of each; by default the cores, shared out.
    """
    gpus = torch.cuda.device_count() if device == "auto" else 0
    count = jobs or max(1, gpus)
    if threads is None and count > 1:
        threads = max(1, (os.cpu_count() or 1) // count)
    devices = [f"cuda:{number % gpus}" if gpus else ("cpu" if device == "auto" else device) for number in range(count)]
    return [Place(device=name, threads=threads) for name in devices]


def run_side_by_side(
    jobs: Sequence[Job], places: Sequence[Place], surroundings: Surroundings, watcher: Watcher
) -> Outcome:
    """Run the jobs on worker processes; those that fail are written down and the others go on."""
    by_key = {job.key: job for job in jobs}
    done = {} if surroundings.fresh else {job.key: None for job in jobs if job.is_done}
    for key in done:
        watcher.finished(key, 0, None)
    tasks = [
        Task(key=job.key, payload=payload_of(job), needs=tuple(str(need.folder) for need in job.cell.needs))
        for job in jobs
        if job.key not in done
    ]
    outcome = run_tasks(tasks, CELL_WORK, places, settings=surroundings.as_json(), watcher=watcher)
    outcome.results |= done
    for key, failure in outcome.failures.items():
        record_failure(by_key[key].cell, failure, surroundings.plugins)
    return outcome


def run_in_turn(jobs: Sequence[Job], device: torch.device, surroundings: Surroundings, progress: Progress) -> Outcome:
    """Run the jobs one after another in this process.

    Raises:
        FairbenchError: if the only job fails.
        StoppedError: if a signal asked a job to save its state and leave; the others are not begun.
    """
    if surroundings.deterministic:
        compute_deterministically(device)
    load, outcome = data_loader(surroundings.data_dir), Outcome()
    for number, job in enumerate(jobs, start=1):
        progress.say(f"[{number}/{len(jobs)}] {job.title}")
        broken = [need for need in job.cell.needs if str(need.folder) in outcome.failures]
        try:
            if broken:
                outcome.failures[job.key] = Failure(message=f"what it needs failed: {broken[0].folder}")
            else:
                fresh, tracker = surroundings.fresh, surroundings.tracker
                _work(job, load, device, fresh=fresh, progress=progress, tracker=tracker)
                outcome.results[job.key] = None
        except StoppedError:
            raise
        except Exception as error:
            if len(jobs) == 1 and isinstance(error, FairbenchError):
                raise
            outcome.failures[job.key] = failure_of(error)
        if job.key in outcome.failures:
            record_failure(job.cell, outcome.failures[job.key], surroundings.plugins)
            progress.say(f"failed: {outcome.failures[job.key].message}")
    return outcome


def failure_of(error: Exception) -> Failure:
    """An exception as a failure; a user's mistake needs no traceback."""
    if isinstance(error, FairbenchError):
        return Failure(message=str(error), exit_code=error.exit_code)
    return Failure(message=f"{type(error).__name__}: {error}", traceback=traceback.format_exc())


def payload_of(job: Job) -> dict[str, Any]:
    """What another process needs to do the job."""
    return {"request": job.cell.request.model_dump(mode="json"), "only_train": job.only_train, "folder": job.key}


def work_on_cell(payload: Mapping[str, Any], context: Context) -> None:
    """What a worker does with a job.

    Raises:
        WorkError: if the request means another cell here, for instance because an input file changed meanwhile.
    """
    settings = context.settings
    for path in settings["plugins"]:
        load_plugin(Path(path))
    (cell,) = resolve(validated(Request, payload["request"], place="request"))
    if str(cell.folder) != payload["folder"]:
        raise WorkError(
            f"{payload['folder']} was asked for, and is {cell.folder} here: its inputs changed; run it again"
        )
    if settings["deterministic"]:
        compute_deterministically(torch.device(settings["device"]))
    data_dir = Path(settings["data_dir"]) if settings["data_dir"] else None
    job = Job(cell=cell, only_train=payload["only_train"])
    load = _KEPT.setdefault(data_dir, data_loader(data_dir))
    device, progress = torch.device(settings["device"]), context.progress
    _work(job, load, device, fresh=settings["fresh"], progress=progress, tracker=settings["tracker"])


_KEPT: dict[Path | None, LoadData] = {}
"""Data sets stay read from one job of a worker to its next."""


def _work(
    job: Job, load: LoadData, device: torch.device, *, fresh: bool, progress: Progress, tracker: str | None
) -> None:
    with tracking(job.cell, tracker):
        if job.only_train:
            train_cell(job.cell, load, device, progress=progress)
        else:
            run_cell(job.cell, load, device, fresh=fresh, progress=progress)
    clear_failure(job.cell)
