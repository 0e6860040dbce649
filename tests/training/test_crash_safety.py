"""A run that is killed anywhere, even inside an epoch, ends with the weights of one that was not."""

import os
import signal
import threading
from contextlib import contextmanager

import pytest
import torch

from fairbench.compose import compose
from fairbench.models import create_model
from fairbench.registry import entries
from fairbench.training.interruption import StoppedError, noticing_signals
from fairbench.training.state import load_newest, load_state, previous_of, save_state
from fairbench.training.trainer import Trainer

EPOCHS, STEPS = 2, 3
FILES = ("last.safetensors", "model.safetensors")


class GoneError(Exception):
    """The process is gone."""


class Disturbed:
    """Progress that does something when a step is done."""

    def __init__(self, at=None, what=None):
        self.at, self.what, self.done, self.lines = at, what, 0, []

    @contextmanager
    def bar(self, title, total):
        yield self

    def advance(self, amount=1, *, note=""):
        self.done += amount
        if self.done == self.at and amount == 1:
            self.what()

    def say(self, line):
        self.lines.append(line)


def gone():
    raise GoneError


@pytest.fixture
def train(tiny, digit_splits):
    """Train in a folder, with a state saved at every step; what was said."""

    def run(written, folder, *, at=None, what=gone, save_seconds=0.0, **plan):
        progress = Disturbed(at, what)
        Trainer(
            compose(written).recipe(),
            create_model("cnn_tiny", image_shape=(1, 8, 8), seed=0),
            digit_splits,
            tiny.plan(epochs=EPOCHS, from_scratch=False, **plan),
            folder,
            device=torch.device("cpu"),
            progress=progress,
            save_seconds=save_seconds,
        ).run()
        return progress.lines

    return run


def results(folder):
    log = [line.partition('"seconds"') for line in (folder / "log.jsonl").read_text("utf-8").splitlines()]
    timeless = [(before, after.partition(",")[2]) for before, _, after in log]
    return timeless, *((folder / name).read_bytes() for name in FILES)


SOME = ["bat", "frl", "faal@trades+awp+ema", "fair_tat", "cfa@trades+fawa?fawa.threshold=0&fawa.start=0"]
OTHERS = [name for name in sorted(entries()) if name not in SOME and "teacher" not in " ".join(compose(name).needs)]


@pytest.mark.parametrize("written", [*SOME, *(pytest.param(name, marks=pytest.mark.prove) for name in OTHERS)])
def test_an_end_inside_an_epoch_changes_nothing(train, tmp_path, written):
    train(written, tmp_path / "whole", save_seconds=600)
    for at in (2, STEPS + 3):
        with pytest.raises(GoneError):
            train(written, tmp_path / "broken", at=at)
    state = load_state(tmp_path / "broken/resume.pt")
    assert '"step": 2' in state["position"]
    assert train(written, tmp_path / "broken")[0] == f"resuming after epoch 1 of {EPOCHS}, step 2"
    assert results(tmp_path / "broken") == results(tmp_path / "whole")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
def test_a_signal_saves_the_state_and_leaves_with_a_code_that_says_so(train, tmp_path, name):
    signum = getattr(signal, name)
    before = signal.getsignal(signum)
    train("pgd_at", tmp_path / "whole")
    words = rf"stopped by {name} after epoch 1, step 1; .*stopped.* same command"
    with pytest.raises(StoppedError, match=words) as error:
        train(
            "pgd_at",
            tmp_path / "stopped",
            at=STEPS + 1,
            what=lambda: os.kill(os.getpid(), signum),
            save_seconds=600,
        )
    assert error.value.exit_code == 128 + signum
    assert signal.getsignal(signum) == before
    assert not (tmp_path / "stopped/model.safetensors").exists()
    train("pgd_at", tmp_path / "stopped")
    assert results(tmp_path / "stopped") == results(tmp_path / "whole")


def test_signals_are_left_alone_outside_the_main_thread():
    seen = []

    def listen():
        with noticing_signals() as interruption:
            seen.append(interruption.signum)

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert seen == [None]


def test_the_first_signal_is_remembered():
    with noticing_signals() as interruption:
        os.kill(os.getpid(), signal.SIGUSR1)
        assert (interruption.signum, interruption.name) == (signal.SIGUSR1, "SIGUSR1")


def flipped(path, place):
    content = bytearray(path.read_bytes())
    content[int(place * (len(content) - 1))] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("place", [0, 0.001, 0.3, 0.7, 1])
def test_a_flipped_byte_is_noticed_and_the_state_before_is_used(train, tmp_path, place):
    train("faal@trades+awp+ema", tmp_path / "whole")
    folder = tmp_path / "broken"
    with pytest.raises(GoneError):
        train("faal@trades+awp+ema", folder, at=STEPS + 3)
    flipped(folder / "resume.pt", place)
    lines = train("faal@trades+awp+ema", folder)
    assert lines[0].startswith(f"{folder / 'resume.pt'} is damaged (")
    assert lines[0].endswith("going on from the state before it")
    assert lines[1] == f"resuming after epoch 1 of {EPOCHS}, step 1"
    assert results(folder) == results(tmp_path / "whole")


def test_a_damaged_state_never_pushes_out_a_good_one(tmp_path):
    path = tmp_path / "state.pt"
    for number in range(2):
        save_state(path, {"number": number})
    flipped(path, 0.5)
    assert load_newest(path)[0] == {"number": 0}
    save_state(path, {"number": 2})
    assert load_state(previous_of(path)) == {"number": 0}


def test_an_end_between_the_two_renames_of_a_save_loses_nothing(tmp_path):
    path = tmp_path / "state.pt"
    assert load_newest(path) == (None, None)
    save_state(path, {"number": 1})
    path.rename(previous_of(path))
    assert load_newest(path) == ({"number": 1}, None)
