"""Pack a run into a bundle that others can verify."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch

from fairbench.errors import UsageError
from fairbench.evaluation.records import read_record
from fairbench.evaluation.spot import perturbed, recorded_shape
from fairbench.files import json_bytes, replacing
from fairbench.protocol.record import Record
from fairbench.protocol.schema import validated
from fairbench.submissions.archive import write_archive
from fairbench.submissions.bundle import (
    CODE_NAME,
    CONFIG_NAME,
    LAST_PREDICTIONS_NAME,
    LAST_WEIGHTS_NAME,
    PREDICTIONS_NAME,
    RECORD_NAME,
    WEIGHTS_NAME,
    Bundle,
    read_card,
    read_config,
)
from fairbench.submissions.card import CARD_NAME, MethodCard, card_of, card_text
from fairbench.submissions.checks import FailedCheckError
from fairbench.submissions.content import read_plain_yaml
from fairbench.submissions.environment import ENVIRONMENT_NAME, packed_on
from fairbench.submissions.examples import EXAMPLES_NAME, Examples, content_seed, write_examples
from fairbench.submissions.manifest import MANIFEST_NAME, manifest_of
from fairbench.submissions.measured import LoadData, load_answers, make_network
from fairbench.submissions.rerun import attacked_conditions, condition_of, example_positions


def pack(
    run: Path,
    out: Path | None,
    load: LoadData,
    *,
    card: Path | None = None,
    code: Path | None = None,
    examples_seed: int | None = None,
    device: torch.device,
) -> Path:
    """Write the bundle of a run.

    Args:
        run: the folder of a finished run.
        out: the file to write; None is ``<folder of the method>-seed<k>.zip`` where the command runs.
        load: gives data sets by name.
        card: the method card; None is ``card.yaml`` in the run's folder, or else one made from the record.
        code: a Python file with ``build(num_classes, image_shape)``, for a network that fairbench does not know.
        examples_seed: that a maintainer asked for; None takes the one that follows from the content.
        device: where the adversarial examples are computed.

    Returns:
        The path of the bundle.

    Raises:
        UsageError: if the run is not whole, or the card is not one.
    """
    record = _finished(run)
    out = out or Path(f"{run.resolve().parent.name}-{run.resolve().name}.zip")
    with tempfile.TemporaryDirectory(prefix="fairbench-") as name:
        folder = Path(name)
        try:
            _gather(run, folder, record, card, code)
            bundle = _bundle(folder, record)
            _add_examples(bundle, load, examples_seed, device)
        except FailedCheckError as error:
            raise UsageError(f"{run} cannot be packed: {error.detail}") from None
        members = [file.name for file in folder.iterdir()]
        (folder / MANIFEST_NAME).write_bytes(json_bytes(manifest_of(folder, members).model_dump(mode="json")))
        with replacing(out) as temporary:
            write_archive(temporary, folder, [*members, MANIFEST_NAME])
    return out


def _finished(run: Path) -> Record:
    record = read_record(run)
    if record.training is None:
        raise UsageError(f"{run} holds no training, so there is nothing to submit; pack a run of a method")
    for name in (CONFIG_NAME, WEIGHTS_NAME, PREDICTIONS_NAME):
        if not (run / name).is_file():
            raise UsageError(f"{run} has no {name}; run the command that made it again")
    return record


def _gather(run: Path, folder: Path, record: Record, card: Path | None, code: Path | None) -> None:
    (folder / RECORD_NAME).write_bytes(json_bytes(record.model_dump(mode="json")))
    (folder / ENVIRONMENT_NAME).write_bytes(json_bytes(packed_on().model_dump(mode="json")))
    copies = {
        CONFIG_NAME: run / CONFIG_NAME,
        WEIGHTS_NAME: run / WEIGHTS_NAME,
        PREDICTIONS_NAME: run / PREDICTIONS_NAME,
    }
    if record.last is not None and record.last.weights_sha256 != record.model.weights_sha256:
        copies[LAST_WEIGHTS_NAME] = run / LAST_WEIGHTS_NAME
        copies[LAST_PREDICTIONS_NAME] = run / "last" / PREDICTIONS_NAME
    if code is not None:
        copies[CODE_NAME] = code
    for name, source in copies.items():
        if not source.is_file():
            raise UsageError(f"{source} does not exist; run the command that made {run} again")
        shutil.copyfile(source, folder / name)
    given = card or (run / CARD_NAME if (run / CARD_NAME).is_file() else None)
    (folder / CARD_NAME).write_text(card_text(_card(given) if given else card_of(record)), "utf-8")


def _card(path: Path) -> MethodCard:
    if not path.is_file():
        raise UsageError(f"method card {path} does not exist; print one to fill in with: fairbench submit card RUN")
    return validated(MethodCard, read_plain_yaml(path, "card"), place=str(path))


def _bundle(folder: Path, record: Record) -> Bundle:
    config, raw = read_config(folder)
    return Bundle(
        folder=folder,
        names=[file.name for file in folder.iterdir()],
        record=record,
        card=read_card(folder),
        config=config,
        raw_config=raw,
        packed_on=packed_on(),
    )


def _add_examples(bundle: Bundle, load: LoadData, seed: int | None, device: torch.device) -> None:
    dataset = load(bundle.record.data.name)
    selected = load_answers(bundle, lambda: make_network(bundle, dataset, allow_code=True), device)[0]
    conditions = attacked_conditions(list(selected.conditions))
    if not conditions:
        return
    seed = content_seed(bundle.folder) if seed is None else seed
    positions = example_positions(selected, seed)
    images = [
        perturbed(
            selected.network,
            dataset,
            condition_of(bundle, name),
            torch.from_numpy(positions),
            recorded_shape(selected.conditions[name]),
            device=device,
        ).numpy()
        for name in conditions
    ]
    examples = Examples(seed=seed, positions=positions, conditions=conditions, images=np.stack(images))
    write_examples(bundle.folder / EXAMPLES_NAME, examples)
