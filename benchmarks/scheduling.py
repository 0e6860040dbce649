"""What a grid costs besides its work, and what a second process gains.

python -m benchmarks.scheduling overhead     a thousand cells that sleep: milliseconds a cell, and fairbench status
python -m benchmarks.scheduling side-by-side twelve cells of the digits on one process and on two, one thread each
python -m benchmarks.scheduling plan TRACK METHODS [key=value ...]   the estimate beside the measured time
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from fairbench.files import write_json
from fairbench.launch.cells import Request, resolve
from fairbench.launch.grid import Job, Surroundings, jobs_of, run_side_by_side
from fairbench.launch.plan import plan_grid, prober
from fairbench.launch.pool import run_tasks
from fairbench.launch.run import data_loader, run_cell
from fairbench.launch.status import Planned, statuses
from fairbench.launch.tasks import Place, Task, Watcher
from fairbench.launch.worker import Context
from fairbench.progress import Silent
from fairbench.protocol.conditions import CONDITIONS

_CELLS, _SLEEP, _WORKERS = 1000, 0.005, 2


def sleep(payload: dict[str, float], context: Context) -> None:
    """What the fake method does."""
    time.sleep(payload["seconds"])


def _timed(work: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def overhead() -> None:
    """A thousand cells that sleep."""
    places = [Place()] * _WORKERS
    tasks = [Task(key=str(number), payload={"seconds": _SLEEP}) for number in range(_CELLS)]
    start = _timed(lambda: run_tasks(tasks[:_WORKERS], "benchmarks.scheduling:sleep", places))
    spent = _timed(lambda: run_tasks(tasks, "benchmarks.scheduling:sleep", places)) - start
    per_cell = (spent * _WORKERS - _CELLS * _SLEEP) / _CELLS
    print(f"{_CELLS} cells on {_WORKERS} workers: {1000 * per_cell:.2f} ms a cell besides the work")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        planned = [
            Planned(
                track="t", method=f"m{number}", seed=0, folder=f"t/m{number}/seed0", epochs=9, conditions=[*CONDITIONS]
            )
            for number in range(_CELLS)
        ]
        record = {"conditions": {name: {"confusion": [[1] * 10] * 10} for name in CONDITIONS}}
        for number, cell in enumerate(planned):
            if number % 2:
                write_json(out / cell.folder / ("record.json" if number % 3 else "config.json"), record)
        print(f"status of {_CELLS} cells: {_timed(lambda: statuses(out, planned)):.3f} s")


def side_by_side() -> None:
    """Twelve cells on one process and on two."""
    seconds = {}
    for workers in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            request = Request(
                methods=["pgd_at", "trades", "faal"],
                tracks=["digits"],
                seeds=[0, 1, 2, 3],
                out=Path(folder),
                overrides={"conditions": "[clean, pgd20]"},
            )
            jobs, places = jobs_of(resolve(request)), [Place(threads=1)] * workers

            def run(jobs: list[Job] = jobs, places: list[Place] = places) -> None:
                if run_side_by_side(jobs, places, Surroundings(), Watcher()).failures:
                    raise RuntimeError("a cell failed")

            seconds[workers] = _timed(run)
            print(f"{len(jobs)} cells on {workers} processes of one thread: {seconds[workers]:.1f} s")
    print(f"ratio {seconds[2] / seconds[1]:.2f}")


def plan(track: str, methods: str, *changes: str) -> None:
    """The estimate of a grid beside the time that it takes."""
    with tempfile.TemporaryDirectory() as folder:
        overrides = dict(change.split("=", 1) for change in changes)
        request = Request(methods=methods.split(","), tracks=[track], seeds=[0], out=Path(folder), overrides=overrides)
        jobs, load, device = jobs_of(resolve(request)), data_loader(None), torch.device("cpu")
        load(jobs[0].cell.track.dataset)
        begun = time.perf_counter()
        estimate = plan_grid(jobs, 1, prober(load, device, Silent()))
        print(f"probes took {time.perf_counter() - begun:.1f} s")
        for planned in estimate.jobs:
            measured = _timed(lambda job=planned.job: run_cell(job.cell, load, device))
            ratio = planned.seconds / measured
            print(f"{planned.job.title}: estimated {planned.seconds:.1f} s, took {measured:.1f} s, ratio {ratio:.2f}")


def main() -> None:
    """Run what the command line names."""
    parts: dict[str, Callable[..., None]] = {"overhead": overhead, "side-by-side": side_by_side, "plan": plan}
    parts[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()
