"""``fairbench plan``: what a grid would cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fairbench.cli import options

if TYPE_CHECKING:
    from fairbench.launch.plan import GridPlan, PlannedJob


def plan(
    methods: options.Methods,
    track: options.Tracks = "digits",
    seeds: options.Seeds = "0",
    init: options.Init = None,
    teacher: options.Teachers = None,
    assignments: options.Assignments = None,
    dataset: options.OtherData = None,
    data_dir: options.DataDir = None,
    device: options.Device = "auto",
    out: options.Out = Path("checkpoints"),
    plugin: options.Plugins = None,
    local_methods: options.LocalMethods = False,
    train_bases: options.TrainBases = False,
    jobs: options.Jobs = None,
    threads: options.Threads = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print for programs.")] = False,
) -> None:
    """Say what fairbench run with the same options would do and cost, from a few measured batches."""
    import torch

    from fairbench.cli.arguments import all_plugins, data_folder
    from fairbench.cli.output import make_progress, print_json
    from fairbench.launch.cells import resolve
    from fairbench.launch.device import resolve_device
    from fairbench.launch.grid import jobs_of, places_for
    from fairbench.launch.plan import plan_grid, prober
    from fairbench.launch.run import data_loader

    plugin = all_plugins(plugin, local=local_methods)
    request = options.make_request(
        methods=methods,
        track=track,
        seeds=seeds,
        init=init,
        teacher=teacher,
        assignments=assignments,
        dataset=dataset,
        out=out,
        plugin=plugin,
        train_bases=train_bases,
    )
    where, places = resolve_device(device), places_for(device, jobs, threads)
    if places[0].threads:
        torch.set_num_threads(places[0].threads)
    measure = prober(data_loader(data_folder(data_dir)), where, make_progress())
    priced = plan_grid(jobs_of(resolve(request)), len(places), measure)
    if as_json:
        print_json(_for_programs(priced))
    else:
        _print(priced)


def _for_programs(plan: GridPlan) -> dict[str, object]:
    return {
        "cells": [
            {
                "track": each.job.cell.track.name,
                "method": each.job.cell.written,
                "seed": each.job.cell.seed,
                "folder": each.job.key,
                "done": each.cost is None,
                "training_seconds": each.cost.training if each.cost else 0.0,
                "evaluation_seconds": each.cost.evaluation if each.cost and not each.job.only_train else 0.0,
            }
            for each in plan.jobs
        ],
        "device_seconds": plan.device_seconds,
        "wall_seconds": plan.wall_seconds,
        "workers": plan.workers,
        "disk_bytes": plan.disk_bytes,
    }


def _print(plan: GridPlan) -> None:
    from fairbench.cli.output import print_table

    print_table(["track", "method", "seed", "training", "evaluation", "note"], [_row(each) for each in plan.jobs])
    left = sum(each.cost is not None for each in plan.jobs)
    typer.echo(
        f"{left} of {len(plan.jobs)} cells to do: about {_duration(plan.device_seconds)} of computing, "
        f"{_duration(plan.wall_seconds)} from start to end with {plan.workers} at a time, "
        f"{plan.disk_bytes / 2**20:.1f} MiB on disk"
    )


def _row(planned: PlannedJob) -> list[str]:
    cell, cost = planned.job.cell, planned.cost
    name = [cell.track.name, cell.written, str(cell.seed)]
    if cost is None:
        return [*name, "done", "done", ""]
    evaluation = "-" if planned.job.only_train else _duration(cost.evaluation)
    return [*name, _duration(cost.training), evaluation, cost.note]


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
