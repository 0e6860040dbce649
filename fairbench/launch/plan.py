"""What a grid costs before it runs: device-hours, wall time, disk."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from fairbench.launch.done import is_trained, recorded_conditions
from fairbench.launch.grid import Job
from fairbench.launch.probe import Cost, Prober
from fairbench.launch.run import LoadData
from fairbench.progress import Progress

Measure = Callable[[Job], Cost]


@dataclass(frozen=True, kw_only=True)
class PlannedJob:
    """A job with its price."""

    job: Job
    cost: Cost | None
    """what is left to pay; None if it is done."""

    @property
    def seconds(self) -> float:
        """What is left; a start that nobody evaluates costs its training alone."""
        if self.cost is None:
            return 0.0
        return self.cost.training if self.job.only_train else self.cost.seconds


@dataclass(frozen=True, kw_only=True)
class GridPlan:
    """The price of a grid."""

    jobs: list[PlannedJob]
    workers: int

    @property
    def device_seconds(self) -> float:
        """Of all devices together."""
        return sum(job.seconds for job in self.jobs)

    @property
    def wall_seconds(self) -> float:
        """Until the last cell is done, when jobs are begun in order as workers come free and needs are met."""
        return _makespan(self.jobs, self.workers)

    @property
    def disk_bytes(self) -> int:
        """Of all cells together."""
        return sum(job.cost.disk_bytes for job in self.jobs if job.cost)


def plan_grid(jobs: Sequence[Job], workers: int, measure: Measure) -> GridPlan:
    """Price every job that is not done; cells that differ in their seed alone are measured once.

    Args:
        jobs: needs first.
        workers: how many run at a time.
        measure: what a job costs.
    """
    costs: dict[str, Cost] = {}
    planned = []
    for job in jobs:
        cell, cost = job.cell, None
        if not job.is_done:
            if cell.config_sha256 not in costs:
                costs[cell.config_sha256] = measure(job)
            evaluated = recorded_conditions(cell.folder) or ()
            cost = costs[cell.config_sha256].left(trained=is_trained(cell.folder), evaluated=evaluated)
        planned.append(PlannedJob(job=job, cost=cost))
    return GridPlan(jobs=planned, workers=workers)


def prober(load: LoadData, device: torch.device, progress: Progress) -> Measure:
    """Measures a job by a few batches of it."""
    made = Prober(device, progress)

    def measure(job: Job) -> Cost:
        progress.say(f"measuring {job.cell.track.name}: {job.cell.written}")
        return made.probe(job.cell, load(job.cell.track.dataset))

    return measure


def _makespan(jobs: Sequence[PlannedJob], workers: int) -> float:
    free = [0.0] * workers
    ends: dict[str, float] = {}
    for job in jobs:
        needed = max((ends.get(str(need.folder), 0.0) for need in job.job.cell.needs), default=0.0)
        ends[job.job.key] = end = max(heapq.heappop(free), needed) + job.seconds
        heapq.heappush(free, end)
    return max(ends.values(), default=0.0)
