"""What is evaluated: a run of this project, a checkpoint, an entry of a zoo, or somebody's own network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from fairbench.data import Dataset
from fairbench.errors import UsageError, unknown_name
from fairbench.evaluation import read_record
from fairbench.files import sha256_file
from fairbench.launch.foreign import foreign_network, is_foreign
from fairbench.launch.zoo import zoo_network
from fairbench.models import NORMALISATIONS, create_model, load_weights, normalisation_of
from fairbench.protocol.conditions import CONDITIONS
from fairbench.protocol.record import Record
from fairbench.protocol.track import Battery, Track, load_track

AUTO = "auto"
"""The normalisation that the checkpoint carries, else the one that is usual for the data set."""


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What is to be evaluated, as on the command line; what is None comes from the track or the run."""

    run: Path | None = None
    robustbench: str | None = None
    model: str | None = None
    """an architecture, or ``package.module:function``."""
    checkpoint: Path | None = None
    normalise: str = AUTO
    download: bool = False
    """whether weights of RobustBench may be downloaded."""
    track: str | None = None
    dataset: str | None = None
    conditions: list[str] | None = None
    epsilon: float | None = None
    subset: int | None = None
    adversarial: Path | None = None
    """file of adversarial examples that were made elsewhere."""
    out: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Subject:
    """An audit with all its gaps filled."""

    title: str
    architecture: str
    network: Callable[[Dataset], nn.Module]
    """makes the network for a data set, weights loaded, on the CPU."""
    dataset: str
    epsilon: float
    battery: Battery
    track: str | None
    departures: list[str]
    file_sha256: str | None = None
    """of the checkpoint, as it came."""
    of_run: Record | None = None


def subject_of(request: Audit) -> Subject:
    """What an audit asks for.

    Raises:
        UsageError: if the request is incomplete or contradicts itself, or names something that is not there.
    """
    if request.normalise not in (AUTO, *NORMALISATIONS):
        raise unknown_name("normalisation", request.normalise, (AUTO, *NORMALISATIONS))
    sources = {"--run": request.run, "--robustbench": request.robustbench, "--model": request.model}
    given = [option for option, value in sources.items() if value]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} each name a model; keep one of them")
    if request.run is not None:
        return _of_run(request, request.run)
    if not given and not (request.checkpoint and request.track):
        raise UsageError(
            "nothing to evaluate: give --run DIR, --robustbench NAME, --model NAME with --checkpoint FILE, "
            "or --track NAME with --checkpoint FILE"
        )
    return _of_model(request)


def _of_run(request: Audit, run: Path) -> Subject:
    if request.checkpoint or request.track or request.dataset:
        raise UsageError("--run brings its own model and data: leave out --checkpoint, --track and --dataset")
    record = read_record(run / "record.json")
    if record.track is None:
        raise UsageError(f"{run} holds no run of a track; use --model and --checkpoint")
    track, architecture = load_track(record.track), record.model.architecture
    weights = run / "model.safetensors"
    return Subject(
        title=record.method,
        architecture=architecture,
        network=lambda dataset: _own_network(architecture, weights, request, dataset),
        dataset=record.data.name,
        epsilon=request.epsilon or record.epsilon,
        battery=_battery(request, track),
        track=record.track,
        departures=[*record.departures, *_departures(request, track)],
        file_sha256=sha256_file(weights) if weights.is_file() else None,
        of_run=record,
    )


def _of_model(request: Audit) -> Subject:
    track = load_track(request.track) if request.track else None
    dataset = request.dataset or (track.dataset if track else None)
    if dataset is None:
        raise UsageError("no data to evaluate on: give --dataset NAME, --dataset folder:PATH or --track NAME")
    departures = _departures(request, track) if track else ["evaluated outside a track"]
    if track and dataset != track.dataset:
        departures.append(f"dataset = {dataset} instead of {track.dataset}")
    title, architecture, network = _source(request, track)
    checkpoint = request.checkpoint
    return Subject(
        title=title,
        architecture=architecture,
        network=network,
        dataset=dataset,
        epsilon=request.epsilon or (track.epsilon if track else 8 / 255),
        battery=_battery(request, track),
        track=track.name if track else None,
        departures=departures,
        file_sha256=sha256_file(checkpoint) if checkpoint is not None and checkpoint.is_file() else None,
    )


def _source(request: Audit, track: Track | None) -> tuple[str, str, Callable[[Dataset], nn.Module]]:
    """Title, architecture and maker of a model that is no run of this project."""
    checkpoint = request.checkpoint
    if request.robustbench is not None:
        zoo, download = request.robustbench, request.download
        return (
            zoo,
            f"robustbench:{zoo}",
            lambda dataset: zoo_network(zoo, num_classes=dataset.num_classes, checkpoint=checkpoint, download=download),
        )
    architecture = request.model or (track.architecture if track else "")
    if is_foreign(architecture):
        title = checkpoint.stem if checkpoint else architecture.partition(":")[2]
        return title, architecture, lambda dataset: _foreign(architecture, checkpoint, dataset)
    if checkpoint is None:
        raise UsageError(f"--model {architecture} has random weights; give its weights as --checkpoint FILE")
    return checkpoint.stem, architecture, lambda dataset: _own_network(architecture, checkpoint, request, dataset)


def _own_network(architecture: str, weights: Path, request: Audit, dataset: Dataset) -> nn.Module:
    chosen = normalisation_of(dataset.name) if request.normalise == AUTO else NORMALISATIONS[request.normalise]
    network = create_model(architecture, num_classes=dataset.num_classes, image_shape=dataset.image_shape)
    load_weights(network, weights, normalisation=chosen)
    return network


def _foreign(name: str, checkpoint: Path | None, dataset: Dataset) -> nn.Module:
    network = foreign_network(name, num_classes=dataset.num_classes)
    if checkpoint is not None:
        load_weights(network, checkpoint)
    return network


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
