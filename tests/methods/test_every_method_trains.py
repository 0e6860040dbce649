"""Every method that needs no teacher, and the compositions of the papers: they train, they differ, they resume."""

import json
import math
from contextlib import contextmanager
from itertools import combinations

import pytest
import torch
from compositions import COMPOSITIONS
from safetensors.torch import load_file

from fairbench.compose import compose
from fairbench.models import create_model
from fairbench.protocol.track import TrainingAttack
from fairbench.registry import entries
from fairbench.training.trainer import Trainer

METHODS = [name for name, entry in entries().items() if not {"teacher", "clean teacher"} & set(compose(name).needs)]
WRITTEN = [*METHODS, *COMPOSITIONS]
QUICK = [*METHODS, "fair_tat@friendly+ema", "dafa+awp", "fairly_at@trades+awp+swa", "faal@mart+awp"]
EPOCHS, STEPS = 2, 2


class StoppedError(Exception):
    """The process is gone."""


class StoppingProgress:
    """Progress whose bar fails in the middle of the second epoch."""

    def __init__(self):
        self.done = 0

    @contextmanager
    def bar(self, title, total):
        yield self

    def advance(self, amount=1, *, note=""):
        self.done += amount
        if self.done == STEPS + 1:
            raise StoppedError

    def say(self, line):
        pass


@pytest.fixture(scope="module")
def train(tiny, digit_splits, tmp_path_factory):
    """Two epochs of a written form from the same weights and random numbers; the folder. Made once per folder."""
    root = tmp_path_factory.mktemp("runs")

    def run(written, name="whole", progress=None):
        folder = root / name / str(WRITTEN.index(written))
        if not (folder / "model.safetensors").exists():
            Trainer(
                compose(written).recipe(),
                create_model("cnn_tiny", image_shape=(1, 8, 8), seed=0),
                digit_splits,
                # Five attack steps: beyond the patience of the friendly attacks.
                tiny.plan(epochs=EPOCHS, from_scratch=False, steps_per_epoch=STEPS, attack=TrainingAttack(steps=5)),
                folder,
                device=torch.device("cpu"),
                progress=progress,
            ).run()
        return folder

    return run


def weights(folder):
    return load_file(folder / "last.safetensors")


@pytest.mark.parametrize("written", WRITTEN)
def test_it_trains_with_finite_losses(train, written):
    folder = train(written)
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == EPOCHS
    assert all(math.isfinite(row["loss"]) for row in rows)
    assert all(torch.isfinite(value).all() for value in weights(folder).values())


def test_different_forms_give_different_weights(train):
    ends = {written: weights(train(written))["linear.weight"] for written in WRITTEN}
    alike = [(one, other) for one, other in combinations(WRITTEN, 2) if torch.equal(ends[one], ends[other])]
    assert not alike


def resumes(train, written):
    whole = train(written)
    with pytest.raises(StoppedError):
        train(written, "stopped", StoppingProgress())
    resumed = train(written, "stopped")
    return all((whole / name).read_bytes() == (resumed / name).read_bytes() for name in WEIGHT_FILES)


WEIGHT_FILES = ("last.safetensors", "model.safetensors")


@pytest.mark.parametrize("written", QUICK)
def test_a_stop_in_the_second_epoch_changes_nothing_for_any_method(train, written):
    assert resumes(train, written)


@pytest.mark.prove
@pytest.mark.parametrize("written", [written for written in WRITTEN if written not in QUICK])
def test_a_stop_changes_nothing_for_any_composition(train, written):
    assert resumes(train, written)
