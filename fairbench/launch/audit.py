"""Evaluate weights that are already there: a run of this project, or a model from anywhere."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from fairbench.data import Dataset, load_dataset
from fairbench.evaluation import environment, evaluate, masking_of, write_record
from fairbench.launch.recording import data_record, model_record
from fairbench.launch.subjects import Audit, Subject, subject_of
from fairbench.models import weights_sha256
from fairbench.progress import Progress, Silent
from fairbench.protocol.conditions import battery_departure, check_conditions, is_battery_departure
from fairbench.protocol.ledger import SelectionLedger
from fairbench.protocol.record import ConditionRecord, DataRecord, Record
from fairbench.protocol.track import load_track

__all__ = ["Audit", "audit"]


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
        WorkError: if a download that was allowed fails, or the model answers NaN.
    """
    if request.conditions is not None:
        request = replace(request, conditions=check_conditions(request.conditions))
    if request.adversarial is not None and request.out is None:
        # Beside what the run already knows, so that AutoAttack need not be run again.
        request = replace(request, out=request.run)
    subject = subject_of(request)
    dataset = load_dataset(subject.dataset, data_dir=data_dir)
    network = subject.network(dataset).to(device)
    battery = subject.battery
    evaluation = evaluate(
        network,
        dataset,
        attacks=battery.conditions,
        eps=subject.epsilon,
        **battery.settings,
        adversarial=request.adversarial,
        out=request.out,
        fresh=fresh,
        progress=progress or Silent(),
    )
    masking = masking_of(network, dataset, evaluation, progress=progress)
    record = _record(subject, dataset, network, dict(evaluation.conditions), device)
    record = record.model_copy(update={"masking": masking, "ledger": _ledger(subject.of_run)})
    if request.out is not None:
        write_record(record, request.out)
    return record


def _data(subject: Subject, dataset: Dataset) -> DataRecord:
    """That of the run, with its splits, where the data is the same."""
    now, before = data_record(dataset, with_splits=False), subject.of_run.data if subject.of_run else None
    return before if before is not None and before.fingerprint == now.fingerprint else now


def _ledger(run: Record | None) -> SelectionLedger:
    """One more look at the test images than the run has had; a foreign model's earlier ones are not known."""
    if run is None:
        return SelectionLedger(selected_on="unknown", test_evaluations=1)
    before = run.ledger or SelectionLedger(selected_on=run.selected_on, test_evaluations=1 if run.last is None else 2)
    return before.model_copy(update={"test_evaluations": before.test_evaluations + 1})


def _still_departing(subject: Subject, conditions: Collection[str]) -> list[str]:
    """What departs from the track; a run that lacked conditions of its battery may have them now."""
    lines = [line for line in subject.departures if not is_battery_departure(line)]
    if len(lines) < len(subject.departures) and subject.track is not None:
        lines += battery_departure(load_track(subject.track).battery.conditions, conditions)
    return lines


def _record(
    subject: Subject,
    dataset: Dataset,
    network: nn.Module,
    conditions: dict[str, ConditionRecord],
    device: torch.device,
) -> Record:
    model = model_record(subject.architecture, network, weights_sha256(network))
    departures = _still_departing(subject, conditions)
    common = {
        "protocol": "modified" if departures else "standard",
        "departures": departures,
        "epsilon": subject.epsilon,
        "data": _data(subject, dataset),
        "model": model.model_copy(update={"file_sha256": subject.file_sha256}),
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
