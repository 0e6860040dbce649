"""Evaluate weights that are already there: a run of this project, or a checkpoint from anywhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from fairbench.data import Dataset, load_dataset
from fairbench.errors import UsageError
from fairbench.evaluation import environment, evaluate, read_record, write_record
from fairbench.launch.recording import data_record, model_record
from fairbench.models import create_model, load_weights, normalisation_of, weights_sha256
from fairbench.progress import Progress, Silent
from fairbench.protocol.conditions import CONDITIONS, check_conditions
from fairbench.protocol.record import ConditionRecord, Record
from fairbench.protocol.track import Battery, Track, load_track


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What is to be evaluated, as on the command line; what is None comes from the track or the run."""

    run: Path | None = None
    model: str | None = None
    checkpoint: Path | None = None
    track: str | None = None
    dataset: str | None = None
    conditions: list[str] | None = None
    epsilon: float | None = None
    subset: int | None = None
    out: Path | None = None


@dataclass(frozen=True)
class _Subject:
    """The audit with all its gaps filled."""

    title: str
    architecture: str
    weights: Path
    dataset: str
    epsilon: float
    battery: Battery
    track: str | None
    departures: list[str]
    of_run: Record | None = None


def audit(
    request: Audit,
    data_dir: Path | None,
    device: torch.device,
    *,
    fresh: bool = False,
    progress: Progress | None = None,
) -> Record:
    """Run the battery on the weights and, with ``out``, write the record there.

    Raises:
        UsageError: if the request is incomplete, or names something that is not there.
    """
    if request.conditions is not None:
        request = replace(request, conditions=check_conditions(request.conditions))
    subject = _of_run(request) if request.run is not None else _of_checkpoint(request)
    dataset = load_dataset(subject.dataset, data_dir=data_dir)
    network = _network(subject, dataset, device)
    battery = subject.battery
    evaluation = evaluate(
        network,
        dataset,
        attacks=battery.conditions,
        eps=subject.epsilon,
        seed=battery.seed,
        subset=battery.subset,
        batch_size=battery.batch_size,
        square_queries=battery.square_queries,
        out=request.out,
        fresh=fresh,
        progress=progress or Silent(),
    )
    record = _record(subject, dataset, network, dict(evaluation.conditions), device)
    if request.out is not None:
        write_record(record, request.out)
    return record


def _of_run(request: Audit) -> _Subject:
    assert request.run is not None
    if request.model or request.checkpoint or request.track or request.dataset:
        raise UsageError("--run brings its own model and data: leave out --model, --checkpoint, --track and --dataset")
    record = read_record(request.run / "record.json")
    if record.track is None:
        raise UsageError(f"{request.run} holds no run of a track; use --model and --checkpoint")
    track = load_track(record.track)
    return _Subject(
        title=record.method,
        architecture=record.model.architecture,
        weights=request.run / "model.safetensors",
        dataset=record.data.name,
        epsilon=request.epsilon or record.epsilon,
        battery=_battery(request, track),
        track=record.track,
        departures=[*record.departures, *_departures(request, track)],
        of_run=record,
    )


def _of_checkpoint(request: Audit) -> _Subject:
    if request.checkpoint is None or not (request.model or request.track):
        raise UsageError("nothing to evaluate: give --run DIR, or --checkpoint FILE with --model NAME or --track NAME")
    track = load_track(request.track) if request.track else None
    dataset = request.dataset or (track.dataset if track else None)
    if dataset is None:
        raise UsageError("no data to evaluate on: give --dataset NAME, --dataset folder:PATH or --track NAME")
    departures = _departures(request, track) if track else ["evaluated outside a track"]
    if track and dataset != track.dataset:
        departures.append(f"dataset = {dataset} instead of {track.dataset}")
    architecture = request.model or (track.architecture if track else "")
    return _Subject(
        title=request.checkpoint.stem,
        architecture=architecture,
        weights=request.checkpoint,
        dataset=dataset,
        epsilon=request.epsilon or (track.epsilon if track else 8 / 255),
        battery=_battery(request, track),
        track=track.name if track else None,
        departures=departures,
    )


def _battery(request: Audit, track: Track | None) -> Battery:
    battery = track.battery if track else Battery.model_validate({"conditions": list(CONDITIONS)})
    changes = {"conditions": request.conditions, "subset": request.subset}
    return battery.model_copy(update={key: value for key, value in changes.items() if value is not None})


def _departures(request: Audit, track: Track) -> list[str]:
    lines = []
    if request.epsilon is not None and request.epsilon != track.epsilon:
        lines.append(f"epsilon = {request.epsilon} instead of {track.epsilon}")
    if request.subset is not None and request.subset != track.battery.subset:
        lines.append(f"battery.subset = {request.subset} instead of {track.battery.subset}")
    return lines


def _network(subject: _Subject, dataset: Dataset, device: torch.device) -> nn.Module:
    mean, deviation = normalisation_of(subject.dataset) or (None, None)
    network = create_model(
        subject.architecture,
        num_classes=dataset.num_classes,
        image_shape=dataset.image_shape,
        mean=mean,
        std=deviation,
    )
    load_weights(network, subject.weights)
    return network.to(device)


def _record(
    subject: _Subject,
    dataset: Dataset,
    network: nn.Module,
    conditions: dict[str, ConditionRecord],
    device: torch.device,
) -> Record:
    common = {
        "protocol": "modified" if subject.departures else "standard",
        "departures": subject.departures,
        "epsilon": subject.epsilon,
        "data": data_record(dataset, with_splits=False),
        "model": model_record(subject.architecture, network, weights_sha256(network)),
        "conditions": conditions,
        "environment": environment(device),
    }
    if subject.of_run is not None:
        return subject.of_run.model_copy(update=common)
    return Record(
        method=subject.title,
        title=f"{subject.title} ({subject.architecture})",
        origin="checkpoint",
        track=subject.track,
        seed=None,
        init="unknown",
        selected_on="unknown",
        selected_epoch=None,
        **common,
    )
