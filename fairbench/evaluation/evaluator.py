"""Evaluate a model: every class under every condition."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fairbench.allocator import keep_freed_memory
from fairbench.attacks.network import choose_micro_batch
from fairbench.attacks.search_copy import Precision
from fairbench.data import CorruptionSource, Dataset, Split, corruption_source, to_unit
from fairbench.errors import UsageError
from fairbench.evaluation.battery import Condition, make_condition, sees_subset
from fairbench.evaluation.identity import structure_sha256
from fairbench.evaluation.journal import JOURNAL_NAME, Journal, open_journal
from fairbench.evaluation.material import Material, material_of
from fairbench.evaluation.network import FixedShape, borrowed, probe
from fairbench.evaluation.predictions import PREDICTIONS_NAME, write_predictions
from fairbench.evaluation.replicas import replicate
from fairbench.evaluation.result import Evaluation, evaluation_of, predictions_of
from fairbench.evaluation.runner import Runner, Shape
from fairbench.evaluation.uploaded import UploadedExamples, read_uploaded, strongest_known, uploaded_condition
from fairbench.locks import claimed
from fairbench.models import weights_sha256
from fairbench.progress import Progress, Silent
from fairbench.protocol.conditions import STRONGEST, UPLOADED, expand_conditions
from fairbench.protocol.corruptions import SMALLEST_SIDE, is_corruption

_LOCK_NAME = ".evaluation.lock"
_FROM_FILE = ("uploaded", "file_sha256")
_PROBE_BATCH = 2
"""Two, because a network that squeezes its answer is only wrong for one image."""


def evaluate(
    model: nn.Module,
    dataset: Dataset | Split,
    attacks: Sequence[str] = ("clean", "pgd20", "aa"),
    eps: float = 8 / 255,
    *,
    num_classes: int | None = None,
    seed: int = 0,
    subset: int | None = None,
    batch_size: int = 500,
    square_queries: int = 5000,
    search_precision: Precision = "float32",
    corrupted: Path | str | None = None,
    adversarial: Path | str | None = None,
    device: torch.device | str | Sequence[torch.device | str] | None = None,
    out: Path | str | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Ask the model about every test image under every condition, and count class by class.

    The model is borrowed: it computes in eval mode, frozen, in float32, and gets back its modes, flags and device.
    The same call gives the same answers, whatever the batch size and however often it was interrupted.

    Args:
        model: images (B, C, H, W) float in [0, 1] -> logits (B, K).
        dataset: a data set, of which the test split is used, or a split.
        attacks: names of conditions, as in ``fairbench.protocol.conditions``; ``corruptions`` stands for the 95
            conditions ``corruptions.<type>.<severity>``, and ``corruptions.<type>`` for five of them.
        eps: L-infinity radius in pixel units of [0, 1], above 0 and below 1.
        num_classes: K; None is the data set's, or the highest label plus one.
        seed: of all random starts and searches.
        subset: AutoAttack, Square and corruptions see this many images, stratified, the same for every model; None
            is all.
        batch_size: how many images are attacked, and can be lost to a kill, at a time; rounded up to whole
            micro-batches.
        square_queries: of Square, alone and in AutoAttack.
        search_precision: ``float32``, or ``bfloat16`` for a faster search of AutoAttack and Square; what they find
            counts only if the float32 model gets it wrong.
        corrupted: folder of corrupted test images in the layout of CIFAR-10-C; None is the data set's, if it has one.
            What is not there is generated.
        adversarial: file of adversarial examples that were made elsewhere, as ``evaluation.uploaded`` reads them; adds
            the conditions ``external`` and ``strongest``.
        device: where to compute; None is where the model is. Several share the images, the others with copies of
            the model. A model that draws random numbers should be alone: its draws depend on the company.
        out: folder for ``predictions.npz`` and the journal; a call with the same folder does only what is missing
            and keeps the conditions that are there. None keeps nothing.
        fresh: forget what the folder has.
        progress: who is told how it goes.

    Returns:
        an Evaluation: the conditions asked for, and those that the folder already had.

    Raises:
        UsageError: for an unknown condition, a radius out of range, a model that does not fit the data, and a folder
            that is about another model, other data or other settings.
        WorkError: if the model answers NaN, an attack leaves its ball, or memory does not suffice.
    """
    names = expand_conditions(attacks.split(",") if isinstance(attacks, str) else list(attacks))
    _check_numbers(eps, subset=subset, batch_size=batch_size, square_queries=square_queries)
    material = material_of(dataset, num_classes)
    source = _corruptions(material, corrupted or material.corrupted, seed) if any(map(is_corruption, names)) else None
    plan = [
        (
            make_condition(
                name,
                eps=eps,
                seed=seed,
                square_queries=square_queries,
                search_precision=search_precision,
                corruptions=source,
            ),
            material.positions(subset if sees_subset(name) else None),
        )
        for name in names
    ]
    uploaded = read_uploaded(Path(adversarial), material, eps) if adversarial is not None else None
    progress = progress or Silent()
    devices = [device] if device is None or isinstance(device, str | torch.device) else list(device)
    if not devices:
        raise UsageError("device = []: there is no device to compute on; name one or more, or give None")
    keep_freed_memory()
    with borrowed(model, devices[0]) as place:
        # Everything that can be refused is, before anything is written.
        image = to_unit(material.images[:1].to(place))
        probe(FixedShape(model, _PROBE_BATCH), image, material.num_classes)
        identity = _identity(model, material, eps, seed)
        with claimed(Path(out), Path(out) / _LOCK_NAME, progress) if out is not None else nullcontext() as folder:
            journal = _journal(folder, identity, fresh=fresh)
            runner = Runner(
                replicas=replicate(model, [place, *(torch.device(str(other)) for other in devices[1:])]),
                material=material,
                shape=Shape.at_least(batch_size, choose_micro_batch(model, image, search_precision)),
                journal=journal,
                progress=progress,
            )
            if uploaded is not None:
                _forget(journal, uploaded)
                plan.append((uploaded_condition(uploaded, eps), _seen_by_search(journal, plan, material)))
            for condition, positions in plan:
                runner.known(condition, positions)
            for condition, positions in plan:
                runner.run(condition, positions)
                if condition.name == UPLOADED:
                    _merge(journal, material, positions, eps)
                if folder is not None:
                    write_predictions(folder / PREDICTIONS_NAME, predictions_of(material, journal.logs))
    return evaluation_of(model, material, journal.logs, identity)


def _seen_by_search(journal: Journal, plan: list[tuple[Condition, Tensor]], material: Material) -> Tensor:
    """The images that AutoAttack sees or has seen, so that the strongest known attack includes it; else all."""
    if "aa" in journal.logs and journal.logs["aa"].indices is not None:
        return torch.tensor(journal.logs["aa"].indices)
    planned = next((positions for condition, positions in plan if condition.name == "aa"), None)
    return torch.arange(len(material.labels)) if planned is None else planned


def _forget(journal: Journal, uploaded: UploadedExamples) -> None:
    """Another file takes the place of the one before it."""
    before = journal.logs.get(UPLOADED)
    if before is not None and before.settings.get("file_sha256") != uploaded.sha256:
        del journal.logs[UPLOADED]


def _merge(journal: Journal, material: Material, positions: Tensor, eps: float) -> None:
    answers, merged = strongest_known(journal.logs, material.labels.numpy(), positions.numpy(), eps)
    indices = None if len(positions) == len(material.labels) else positions.tolist()
    settings = {"epsilon": eps, "merged": merged, **{key: journal.logs[UPLOADED].settings[key] for key in _FROM_FILE}}
    journal.open_condition(STRONGEST, settings=settings, indices=indices, shape=journal.logs[UPLOADED].shape)
    journal.add_batch(STRONGEST, answers, 0.0)


def _corruptions(material: Material, folder: Path | str | None, seed: int) -> CorruptionSource:
    channels, height, width = material.images.shape[1:]
    if min(height, width) < SMALLEST_SIDE or channels not in (1, 3):
        raise UsageError(
            f"corruptions need grey or RGB images of at least {SMALLEST_SIDE} pixels a side, those of {material.name} "
            f"are {width}x{height} with {channels} channels; leave corruptions out"
        )
    return corruption_source(
        Path(folder) if folder else None, labels=material.labels.numpy(), fingerprint=material.fingerprint, seed=seed
    )


def _check_numbers(eps: float, **counts: int | None) -> None:
    if not 0 < eps < 1:
        raise UsageError(
            f"eps = {eps}: expected a radius above 0 and below 1, in units of pixels in [0, 1], for instance 8/255"
        )
    for name, value in counts.items():
        if value is not None and value < 1:
            raise UsageError(f"{name} = {value}: expected at least 1")


def _identity(model: nn.Module, material: Material, eps: float, seed: int) -> dict[str, Any]:
    return {
        "weights_sha256": weights_sha256(model),
        "structure_sha256": structure_sha256(model),
        "data_fingerprint": material.fingerprint,
        "num_classes": material.num_classes,
        "images": len(material.labels),
        "epsilon": eps,
        "seed": seed,
    }


def _journal(folder: Path | None, identity: dict[str, Any], *, fresh: bool) -> Journal:
    if folder is None:
        return open_journal(None, identity)
    journal = open_journal(folder / JOURNAL_NAME, identity, fresh=fresh)
    if fresh:
        (folder / PREDICTIONS_NAME).unlink(missing_ok=True)
    return journal
