"""Every method with a teacher trains: finite, the same for the same seed, and over an interruption."""

import json
import math
from contextlib import contextmanager

import pytest
import safetensors.torch
import torch

from fairbench.compose import compose
from fairbench.models import create_model
from fairbench.registry import entries
from fairbench.training.trainer import Trainer

WRITTEN = [
    "ard",
    "rslad",
    "iad?warm_up=0",
    "adaad",
    "mtard",
    "b_mtard",
    "iad_ii?warm_up=0",
    "ada_iad?warm_up=0",
    "absld",
    "absld?temperature_coupling=product",
    "fair_ard",
    "fair_rslad?count=first_failure",
    "fair_iad",
    "fair_mtard+ema",
    "absld+awp",
]
EPOCHS, STEPS = 2, 3


class InterruptionError(Exception):
    """The process is gone."""


class Breaking:
    """Progress whose bar fails at one step."""

    def __init__(self, at):
        self.at, self.done = at, 0

    @contextmanager
    def bar(self, title, total):
        yield self

    def advance(self, amount=1, *, note=""):
        self.done += amount
        if self.done == self.at:
            raise InterruptionError

    def say(self, line):
        pass


@pytest.fixture
def train(tiny, digit_splits):
    """Fresh objects every time, as a new process would have."""

    def run(written, folder, *, at=None, epochs=EPOCHS):
        Trainer(
            compose(written, track="digits").recipe(),
            create_model("cnn_tiny", image_shape=(1, 8, 8), seed=0),
            digit_splits,
            tiny.plan(epochs=epochs, from_scratch=False, epsilon=0.2),
            folder,
            device=torch.device("cpu"),
            teachers={
                role: create_model("cnn_tiny", image_shape=(1, 8, 8), seed=seed)
                for role, seed in (("robust", 5), ("clean", 6))
            },
            progress=Breaking(at),
        ).run()
        return (folder / "last.safetensors").read_bytes()

    return run


def rows(folder):
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text("utf-8").splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in log]


@pytest.mark.parametrize("written", WRITTEN)
def test_it_trains_and_an_interruption_changes_nothing(train, tmp_path, written):
    whole = train(written, tmp_path / "whole")
    with pytest.raises(InterruptionError):
        train(written, tmp_path / "resumed", at=STEPS + 2)
    assert (tmp_path / "resumed" / "resume.pt").exists()
    assert train(written, tmp_path / "resumed") == whole
    log = rows(tmp_path / "whole")
    assert log == rows(tmp_path / "resumed")
    assert len(log) == EPOCHS
    assert all(math.isfinite(row["loss"]) and row["loss"] > 0 for row in log)
    assert all(tensor.isfinite().all() for tensor in safetensors.torch.load(whole).values())


def test_no_method_with_a_teacher_is_left_out():
    taught = {name for name in entries() if "teacher" in compose(name).needs}
    assert taught == {compose(written).entry.name for written in WRITTEN}


@pytest.fixture
def plain(train, tmp_path):
    return {name: train(name, tmp_path / f"plain-{name}") for name in ("ard", "rslad", "iad", "mtard")}


def test_the_limits_of_the_methods_are_their_objectives_and_nothing_else_is(train, plain, tmp_path):
    limits = {
        "absld?rate=0": "rslad",
        "absld?rate=0&temperature_coupling=product": "rslad",
        "fair_ard?fair_ard.beta=0": "ard",
        "fair_rslad?beta=0": "rslad",
        "fair_iad?beta=0": "iad",
        "fair_mtard?beta=0": "mtard",
    }
    for number, (written, base) in enumerate(limits.items()):
        trained = safetensors.torch.load(train(written, tmp_path / f"limit{number}"))
        for name, tensor in safetensors.torch.load(plain[base]).items():
            # ABSLD divides by temperatures of exactly 1; weights of 1 multiply in another order.
            torch.testing.assert_close(
                trained[name], tensor, rtol=0, atol=0 if base == "rslad" and "absld" in written else 1e-5
            )
    others = ("adaad", "absld", "iad_ii", "ada_iad", "b_mtard", "fair_ard", "fair_rslad", "fair_iad", "fair_mtard")
    assert len({*plain.values(), *(train(name, tmp_path / name) for name in others)}) == 4 + len(others)
