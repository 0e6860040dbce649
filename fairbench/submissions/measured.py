"""What can be measured without attacking anything: data, network, weights, answers, and the numbers made of them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fairbench.data import Dataset, training_splits
from fairbench.errors import FairbenchError
from fairbench.evaluation.battery import make_condition, sees_subset
from fairbench.evaluation.material import Material, material_of
from fairbench.evaluation.predictions import NOT_EVALUATED, Predictions, read_predictions
from fairbench.evaluation.records import agree
from fairbench.evaluation.summary import rates_of
from fairbench.metrics import confusion_matrix
from fairbench.models import create_model, load_weights, model_names, normalisation_of, weights_sha256
from fairbench.protocol.conditions import CHEAP_CONDITIONS
from fairbench.protocol.record import ConditionRecord
from fairbench.submissions import bundle as names
from fairbench.submissions.bundle import Bundle
from fairbench.submissions.checks import FailedCheckError, require

LoadData = Callable[[str], Dataset]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """The weights of one moment, and what they answered."""

    title: str
    """``selected`` or ``last``."""
    network: nn.Module
    predictions: Predictions
    conditions: Mapping[str, ConditionRecord]


def check_data(bundle: Bundle, load: LoadData) -> Dataset:
    """The data set of the record, as it is here.

    Raises:
        FailedCheckError: ``data``.
    """
    said = bundle.record.data
    try:
        dataset = load(said.name)
        splits = training_splits(dataset).sha256
    except FairbenchError as error:
        raise FailedCheckError("data", str(error)) from None
    here = {
        "fingerprint": dataset.fingerprint,
        "classes": list(dataset.classes),
        "image_shape": list(dataset.image_shape),
        "splits_sha256": splits,
    }
    for key, value in here.items():
        came = getattr(said, key)
        require(came == value, "data", f"{key} is {ascii(came)[:60]}, {said.name} here has {ascii(value)[:60]}")
    return dataset


def make_network(bundle: Bundle, dataset: Dataset, *, allow_code: bool) -> nn.Module:
    """A network of the record's architecture with new weights.

    Args:
        bundle: the bundle.
        dataset: whose images it takes.
        allow_code: whether code of the bundle may run.

    Raises:
        FailedCheckError: ``architecture``.
    """
    said = bundle.record.model
    known = said.architecture in model_names()
    has_code = bundle.has(names.CODE_NAME)
    require(known or has_code, "architecture", f"{ascii(said.architecture)[:80]} is not known and comes without code")
    cure = "its code was not run; read network.py, then give --allow-code"
    require(known or allow_code, "architecture", f"{ascii(said.architecture)[:80]} is not known; {cure}")
    mean, deviation = normalisation_of(dataset.name) or (None, None)
    if known:
        network: nn.Module = create_model(
            said.architecture,
            num_classes=dataset.num_classes,
            image_shape=dataset.image_shape,
            mean=mean,
            std=deviation,
        )
    else:
        network = _foreign_network(bundle.folder / names.CODE_NAME, dataset)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    differ = f"{said.architecture} has {parameters} parameters, the record says {said.parameters}"
    require(parameters == said.parameters, "architecture", differ)
    return network


def load_answers(bundle: Bundle, make: Callable[[], nn.Module], device: torch.device) -> list[Answers]:
    """The selected weights and, where they differ, the last ones, each with its answers; no number is checked yet.

    Raises:
        FailedCheckError: ``weights`` or ``predictions``.
    """
    record = bundle.record
    selected = Answers(
        title="selected",
        network=_loaded(bundle, names.WEIGHTS_NAME, make(), record.model.weights_sha256).to(device),
        predictions=_read_predictions(bundle, names.PREDICTIONS_NAME),
        conditions=record.conditions,
    )
    if record.last is None:
        return [selected]
    network = selected.network
    is_same = record.last.weights_sha256 == record.model.weights_sha256
    if not is_same:
        require(bundle.has(names.LAST_WEIGHTS_NAME), "weights", "the last epoch's weights differ and are not there")
        network = _loaded(bundle, names.LAST_WEIGHTS_NAME, make(), record.last.weights_sha256).to(device)
        require(bundle.has(names.LAST_PREDICTIONS_NAME), "predictions", "the last epoch's answers are not there")
    kept = names.PREDICTIONS_NAME if is_same else names.LAST_PREDICTIONS_NAME
    last = Answers(
        title="last",
        network=network,
        predictions=_read_predictions(bundle, kept),
        conditions=record.last.conditions,
    )
    return [selected, last]


def check_predictions(bundle: Bundle, dataset: Dataset, answers: Answers) -> None:
    """That the battery was asked about exactly the images of the protocol.

    Raises:
        FailedCheckError: ``predictions``.
    """
    material = material_of(dataset)
    labels = answers.predictions.labels
    same = len(labels) == len(material.labels) and bool((labels == material.labels.numpy()).all())
    require(same, "predictions", f"{answers.title}: the labels are not those of {dataset.name}")
    asked = set(answers.conditions)
    if answers.title == "last":
        require(asked <= set(CHEAP_CONDITIONS), "predictions", f"last: {', '.join(sorted(asked))} were not asked for")
        require(bool(asked), "predictions", "last: no condition was asked")
    lacking = asked - set(answers.predictions.by_condition)
    require(not lacking, "predictions", f"{answers.title}: no answers under {', '.join(sorted(lacking))}")
    clean = answers.predictions.by_condition.get("clean")
    for name in answers.conditions:
        column = answers.predictions.by_condition[name]
        seen = np.flatnonzero(column != NOT_EVALUATED)
        expected = expected_positions(bundle, material, name)
        where = f"{answers.title}, {name}"
        amount = f"{where}: {len(seen)} images were asked, not the {len(expected)} of the protocol"
        require(np.array_equal(seen, expected), "predictions", amount)
        require(int(column.max()) < dataset.num_classes, "predictions", f"{where}: answer {column.max()} is no class")
        if clean is not None and make_condition(name, eps=0.5).adversarial:
            lost = seen[clean[seen] != labels[seen]]
            kept = bool((column[lost] == clean[lost]).all())
            require(kept, "predictions", f"{where}: an image that is lost without attack has another answer under it")


def expected_positions(bundle: Bundle, material: Material, condition: str) -> NDArray[np.int64]:
    """The test images that a condition must have been asked about: (n,), ascending.

    Raises:
        FailedCheckError: ``predictions``.
    """
    subset = bundle.config.track.battery.subset if sees_subset(condition) else None
    try:
        return material.positions(subset).numpy()
    except FairbenchError as error:
        raise FailedCheckError("predictions", str(error)) from None


def check_aggregates(dataset: Dataset, answers: Answers) -> None:
    """That every number follows from the answers, image by image.

    Raises:
        FailedCheckError: ``aggregates``.
    """
    for name, condition in answers.conditions.items():
        column = answers.predictions.by_condition[name]
        seen = column != NOT_EVALUATED
        confusion = confusion_matrix(column[seen], answers.predictions.labels[seen], dataset.num_classes)
        counted = {"confusion": confusion.tolist()} | rates_of(confusion)
        del counted["undefined"]
        images = condition.settings.get("images")
        amount = f"{answers.title}, {name}: images = {images}, {seen.sum()} were asked"
        require(images == int(seen.sum()), "aggregates", amount)
        for key, value in counted.items():
            came = getattr(condition, key)
            differ = f"{answers.title}, {name}: {key} is {ascii(came)[:60]}, the answers give {ascii(value)[:60]}"
            require(agree(came, value), "aggregates", differ)


def _loaded(bundle: Bundle, name: str, network: nn.Module, expected: str) -> nn.Module:
    try:
        load_weights(network, bundle.folder / name)
    except FairbenchError as error:
        raise FailedCheckError("weights", str(error).replace(f"{bundle.folder}/", "")) from None
    came = weights_sha256(network)
    require(came == expected, "weights", f"{name} has hash {came[:12]}..., the record says {expected[:12]}...")
    return network


def _read_predictions(bundle: Bundle, name: str) -> Predictions:
    try:
        return read_predictions(bundle.folder / name)
    except FairbenchError as error:
        raise FailedCheckError("predictions", str(error).replace(f"{bundle.folder}/", "")) from None


def _foreign_network(path: Path, dataset: Dataset) -> nn.Module:
    """What ``build(num_classes=..., image_shape=...)`` of the bundle's code gives; its code runs."""
    spec = importlib.util.spec_from_file_location("fairbench_submitted_network", path)
    try:
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        network = module.build(num_classes=dataset.num_classes, image_shape=dataset.image_shape)
    except (Exception, SystemExit) as error:
        raise FailedCheckError("architecture", f"network.py failed: {type(error).__name__}: {error}") from None
    require(isinstance(network, nn.Module), "architecture", "build() of network.py gave no torch.nn.Module")
    return network
