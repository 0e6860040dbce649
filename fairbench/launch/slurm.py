"""A grid as job arrays on a cluster, through submitit: pre-empted cells go on where they were, dependants wait."""

from __future__ import annotations

import importlib
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fairbench.errors import UsageError, WorkError
from fairbench.launch.cells import Request, resolve
from fairbench.launch.done import is_trained
from fairbench.launch.failures import FAILURE_NAME, clear_failure, record_failure
from fairbench.launch.grid import Job, Surroundings, failure_of, payload_of, work_on_cell
from fairbench.launch.worker import Context
from fairbench.progress import Silent
from fairbench.protocol.schema import validated

_NAMES = {"gpus": "gpus_per_node", "cpus": "cpus_per_task", "memory": "mem_gb", "partition": "slurm_partition"}
_SECONDS_BETWEEN_LOOKS = 2.0
_KNOWN = ("partition", "time", "gpus", "cpus", "memory", "at_once", "cluster")


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """What is asked of the cluster for each cell."""

    cluster: str = "slurm"
    """``local`` runs the same path as processes of this machine, to try a submission out."""
    minutes: int = 24 * 60
    parameters: dict[str, Any] = field(default_factory=dict)
    """submitit's names."""
    additional: dict[str, str] = field(default_factory=dict)
    """further options of sbatch: account, qos, constraint, ..."""

    @classmethod
    def parse(cls, pairs: Sequence[str]) -> ClusterOptions:
        """From ``["partition=gpu", "time=12:00:00", "gpus=1"]``.

        Raises:
            UsageError: for a pair that cannot be read.
        """
        values: dict[str, Any] = {"parameters": {}, "additional": {}}
        for pair in pairs:
            key, equals, value = pair.partition("=")
            if not (equals and key and value):
                raise UsageError(f"cannot read --slurm {pair!r}; the form is KEY=VALUE with {', '.join(_KNOWN)}, ...")
            if key == "cluster":
                if value not in ("slurm", "local"):
                    raise UsageError(f"--slurm cluster={value}: use slurm, or local to try the submission out here")
                values["cluster"] = value
            elif key == "time":
                values["minutes"] = _minutes(value)
            elif key == "at_once":
                values["parameters"]["slurm_array_parallelism"] = _whole(pair, value)
            elif key in ("gpus", "cpus", "memory"):
                values["parameters"][_NAMES[key]] = _whole(pair, value)
            elif key in _NAMES:
                values["parameters"][_NAMES[key]] = value
            else:
                values["additional"][key] = value
        return cls(**values)


def _whole(pair: str, value: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,5}", value):
        raise UsageError(f"--slurm {pair}: give a whole number above 0")
    return int(value)


def _minutes(text: str) -> int:
    match = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d{2})(?::(\d{2}))?|(\d+)", text)
    if match is None:
        raise UsageError(f"--slurm time={text}: write minutes, HH:MM:SS or D-HH:MM:SS")
    days, first, second, third, minutes = match.groups()
    if minutes:
        return int(minutes)
    hours, rest = (int(first), int(second)) if third is not None or days else (0, int(first))
    return max(1, int(days or 0) * 24 * 60 + hours * 60 + rest)


@dataclass(frozen=True, kw_only=True)
class CellJob:
    """What a node of the cluster does with one cell; submitit calls it, and asks for it again when it is pre-empted."""

    payload: dict[str, Any]
    settings: dict[str, Any]
    waits_for: tuple[str, ...]
    """folders that must hold trained weights before."""

    def __call__(self) -> str:
        """Run the cell from where it is.

        Returns:
            The folder of the cell.
        """
        (cell,) = resolve(validated(Request, self.payload["request"], place="request"))
        try:
            self._wait()
            work_on_cell(self.payload, Context(self.settings, Silent()))
        except Exception as error:
            record_failure(cell, failure_of(error), [Path(path) for path in self.settings["plugins"]])
            raise
        return str(cell.folder)

    def checkpoint(self) -> Any:
        """The same again: what is done is on disk."""
        return _submitit().helpers.DelayedSubmission(self)

    def _wait(self) -> None:
        for folder in map(Path, self.waits_for):
            while not is_trained(folder):
                if (folder / FAILURE_NAME).exists():
                    raise WorkError(f"what it needs failed: {folder}")
                time.sleep(_SECONDS_BETWEEN_LOOKS)


def submit(
    jobs: Sequence[Job], surroundings: Surroundings, options: ClusterOptions, folder: Path, *, device: str
) -> dict[str, str]:
    """Submit what is missing of a grid.

    Args:
        jobs: needs first.
        surroundings: what the cells share; ``fresh`` is not offered here, since a requeued cell would start over.
        options: partition, time, GPUs, ...
        folder: where submitit keeps its files and logs.
        device: where each cell computes on its node.

    Returns:
        The cluster's job id of each cell's key.

    Raises:
        UsageError: if submitit is not installed, there is no cluster here, or ``fresh`` is asked for.
    """
    if surroundings.fresh:
        raise UsageError("--fresh cannot go with --launcher slurm: remove the folders of those cells first")
    settings = surroundings.as_json() | {"device": device, "threads": None}
    ids: dict[str, str] = {}
    for wave in _waves([job for job in jobs if not job.is_done]):
        executor = _executor(options, folder, after=[ids[key] for job in wave for key in _needs(job) if key in ids])
        calls = [CellJob(payload=payload_of(job), settings=settings, waits_for=_needs(job)) for job in wave]
        for job in wave:
            clear_failure(job.cell)
        submitted = executor.submit_array(calls)
        ids |= {job.key: handle.job_id for job, handle in zip(wave, submitted, strict=True)}
    return ids


def _needs(job: Job) -> tuple[str, ...]:
    return tuple(str(need.folder) for need in job.cell.needs)


def _waves(jobs: Sequence[Job]) -> list[list[Job]]:
    """Jobs by how many must come before them in a row."""
    depths: dict[str, int] = {}
    waves: dict[int, list[Job]] = {}
    for job in jobs:
        depths[job.key] = depth = 1 + max((depths.get(need, 0) for need in _needs(job)), default=0)
        waves.setdefault(depth, []).append(job)
    return [waves[depth] for depth in sorted(waves)]


def _executor(options: ClusterOptions, folder: Path, *, after: Sequence[str]) -> Any:
    submitit = _submitit()
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=options.cluster)
    except RuntimeError as error:
        raise UsageError(f"no cluster here: {str(error).lower()}; use --launcher local") from None
    executor.update_parameters(name="fairbench", timeout_min=options.minutes, **_for_cluster(options, after))
    return executor


def _for_cluster(options: ClusterOptions, after: Sequence[str]) -> Mapping[str, Any]:
    if options.cluster == "local":
        return {key: value for key, value in options.parameters.items() if key == "gpus_per_node"}
    additional = dict(options.additional)
    if after:
        additional["dependency"] = "afterok:" + ":".join(sorted(set(after)))
    return options.parameters | ({"slurm_additional_parameters": additional} if additional else {})


def _submitit() -> Any:
    try:
        return importlib.import_module("submitit")
    except ImportError:
        raise UsageError("--launcher slurm needs submitit: pip install 'robust-fairbench[slurm]'") from None
