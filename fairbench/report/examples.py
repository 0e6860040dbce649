"""Images of the weakest classes, what became of them under attack, and what the network said to both."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from fairbench.attacks import pgd
from fairbench.data import Dataset, load_dataset
from fairbench.data.catalogue import SOURCES
from fairbench.errors import UsageError
from fairbench.evaluation.predictions import PREDICTIONS_NAME, read_predictions
from fairbench.models import create_model, load_weights, normalisation_of
from fairbench.protocol.record import Record

WEIGHTS_NAME = "model.safetensors"
_CLASSES = 3
_IMAGES_PER_CLASS = 4
_STEPS = 20


@dataclass(frozen=True, kw_only=True)
class Example:
    """One test image, its adversarial version, and the answers to both."""

    index: int
    """place in the test split."""
    true: str
    clean_answer: str
    adversarial_answer: str
    clean: str
    adversarial: str
    """PNG as data addresses."""


@dataclass(frozen=True, kw_only=True)
class Examples:
    """The pictures of one run, or why there are none."""

    shown: tuple[Example, ...] = ()
    licence: str = ""
    reason: str = ""


def examples_of(record: Record, folder: Path | None, condition: str, data_dir: Path | None) -> Examples:
    """Pictures of the weakest classes under a condition, attacked anew by PGD-20 within the record's radius.

    Args:
        record: the run.
        folder: where its weights and answers lie.
        condition: that says which classes are weakest and which images are answered wrongly.
        data_dir: where data is kept; None is the user's default.

    Raises:
        UsageError: if weights or answers are damaged.
    """
    source = SOURCES.get(record.data.name)
    if source is None or not source.licence:
        return Examples(reason=f"no licence is known under which images of {record.data.name} may be shown")
    if folder is None or not (folder / WEIGHTS_NAME).is_file() or not (folder / PREDICTIONS_NAME).is_file():
        return Examples(reason=f"the run's {WEIGHTS_NAME} and {PREDICTIONS_NAME} are not beside its record")
    try:
        dataset = load_dataset(record.data.name, data_dir=data_dir)
    except UsageError as error:
        return Examples(reason=str(error))
    if dataset.fingerprint != record.data.fingerprint:
        return Examples(reason=f"the {record.data.name} found here is not the one that the run saw")
    indices = _chosen(record, folder, condition)
    if not len(indices):
        return Examples(reason="no image of the weakest classes is answered wrongly")
    return Examples(
        shown=_attacked(_network(record, folder, dataset), record, dataset, indices), licence=source.licence
    )


def _chosen(record: Record, folder: Path, condition: str) -> Tensor:
    """The first images of each of the weakest classes that are right when clean and wrong under the condition."""
    found = read_predictions(folder)
    answers = found.by_condition.get(condition)
    if answers is None:
        return torch.zeros(0, dtype=torch.int64)
    one = record.conditions[condition]
    accuracy = np.array(one.class_correct) / np.maximum(one.class_total, 1)
    wrong = (answers >= 0) & (answers != found.labels)
    clean = found.by_condition.get("clean")
    if clean is not None:
        wrong &= clean == found.labels
    weakest = np.argsort(accuracy, kind="stable")[:_CLASSES]
    places = [np.flatnonzero(wrong & (found.labels == c))[:_IMAGES_PER_CLASS] for c in weakest]
    return torch.from_numpy(np.concatenate(places).astype(np.int64))


def _network(record: Record, folder: Path, dataset: Dataset) -> nn.Module:
    mean, deviation = normalisation_of(record.data.name) or (None, None)
    network = create_model(
        record.model.architecture,
        num_classes=dataset.num_classes,
        image_shape=dataset.image_shape,
        mean=mean,
        std=deviation,
    )
    load_weights(network, folder / WEIGHTS_NAME)
    return network.eval().requires_grad_(False)


def _attacked(network: nn.Module, record: Record, dataset: Dataset, indices: Tensor) -> tuple[Example, ...]:
    split = dataset.test.take(indices)
    x = split.images.float() / 255
    x_adv = pgd(network, x, split.labels, eps=record.epsilon, steps=_STEPS, seed=0, indices=indices)
    with torch.no_grad():
        answers = [network(images).argmax(dim=1).tolist() for images in (x, x_adv)]
    names = dataset.classes
    return tuple(
        Example(
            index=int(indices[place]),
            true=names[int(split.labels[place])],
            clean_answer=names[answers[0][place]],
            adversarial_answer=names[answers[1][place]],
            clean=_png(x[place]),
            adversarial=_png(x_adv[place]),
        )
        for place in range(len(indices))
    )


def _png(image: Tensor) -> str:
    """(C, H, W) in [0, 1] as the address of a PNG."""
    pixels = (image * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    written = io.BytesIO()
    Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).save(written, format="PNG")
    return "data:image/png;base64," + base64.b64encode(written.getvalue()).decode("ascii")
