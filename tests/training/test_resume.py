"""A run that was interrupted ends as one that was not."""

import json
from contextlib import contextmanager

import pytest
import torch

from fairbench.compose import compose
from fairbench.errors import UsageError
from fairbench.models import create_model
from fairbench.training.method import Method
from fairbench.training.plan import Recipe
from fairbench.training.state import load_state, save_state
from fairbench.training.trainer import Trainer

EPOCHS, STEPS = 4, 3
FILES = ("last.safetensors", "model.safetensors")


class InterruptionError(Exception):
    """The process is gone."""


class InterruptedProgress:
    """Progress whose bar fails at one step."""

    def __init__(self, at=None):
        self.at, self.done, self.lines = at, 0, []

    @contextmanager
    def bar(self, title, total):
        yield self

    def advance(self, amount=1, *, note=""):
        self.done += amount
        if amount == 1 and self.done == self.at:
            raise InterruptionError

    def say(self, line):
        self.lines.append(line)


@pytest.fixture
def start(tiny, digit_splits):
    """Fresh objects every time, as a new process would have; the progress tells what was said."""

    def run(written, folder, *, at=None):
        progress = InterruptedProgress(at)
        trainer = Trainer(
            compose(written).recipe() if isinstance(written, str) else written(),
            create_model("cnn_tiny", image_shape=(1, 8, 8), seed=0),
            digit_splits,
            tiny.plan(epochs=EPOCHS, from_scratch=False),
            folder,
            device=torch.device("cpu"),
            progress=progress,
        )
        outcome = trainer.run()
        return outcome, progress

    return run


def results(folder):
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text("utf-8").splitlines()]
    timeless = [{key: value for key, value in row.items() if key != "seconds"} for row in log]
    return timeless, *((folder / name).read_bytes() for name in FILES)


@pytest.mark.parametrize(
    "written", ["pgd_at", "faal@trades+awp", "frl", "cfa?fawa.threshold=0&fawa.start=0.25", "cfa@trades+ema"]
)
def test_an_interruption_in_any_epoch_changes_nothing(start, tmp_path, written):
    undisturbed, _ = start(written, tmp_path / "whole")
    expected = results(tmp_path / "whole")
    for epoch in range(EPOCHS):
        folder = tmp_path / f"interrupted{epoch}"
        with pytest.raises(InterruptionError):
            start(written, folder, at=epoch * STEPS + 2)
        assert (folder / "resume.pt").exists() == (epoch > 0)
        assert not (folder / "model.safetensors").exists()
        outcome, progress = start(written, folder)
        assert results(folder) == expected
        assert (outcome.selected_epoch, outcome.last_epoch) == (undisturbed.selected_epoch, EPOCHS)
        assert progress.lines[:1] == ([f"resuming after epoch {epoch} of {EPOCHS}"] if epoch else progress.lines[:1])
        assert progress.done == EPOCHS * STEPS


class LooksBack(Method):
    """A method that looks at the epoch before when it starts a new one, and counts its steps."""

    state_names = ("steps",)

    def reset(self):
        self.steps, self.seen = torch.tensor(0), torch.zeros(10)

    def start_epoch(self, feedback):
        if feedback.train is not None:
            self.seen = feedback.train.adversarial.softmax.sum(dim=0)

    def weigh(self, terms, batch):
        self.steps += 1
        return {"adversarial": (1 + self.seen[batch.y] / 10) / self.steps.sqrt()}

    def diagnostics(self):
        return {"seen": self.seen, "steps": self.steps}


def test_a_method_finds_the_epoch_before_and_its_own_state_again(start, tmp_path):
    def recipe():
        return Recipe(method=LooksBack(objective=compose("pgd_at").recipe().method.objective))

    start(recipe, tmp_path / "whole")
    expected = results(tmp_path / "whole")
    assert [row["steps"] for row in expected[0]] == [3, 6, 9, 12]
    assert sum(expected[0][1]["seen"]) == pytest.approx(100, rel=1e-4)
    with pytest.raises(InterruptionError):
        start(recipe, tmp_path / "broken", at=2 * STEPS + 1)
    start(recipe, tmp_path / "broken")
    assert results(tmp_path / "broken") == expected


def test_interruptions_in_a_row_change_nothing(start, tmp_path):
    start("frl", tmp_path / "whole")
    for at in (2, 5, 4, 8, 12):
        with pytest.raises(InterruptionError):
            start("frl", tmp_path / "broken", at=at)
    start("frl", tmp_path / "broken")
    assert results(tmp_path / "broken") == results(tmp_path / "whole")


def test_an_end_right_before_the_state_was_written_changes_nothing(start, tmp_path, monkeypatch):
    """The selected weights are on disk already, the state that knows of them is not."""
    start("pgd_at", tmp_path / "whole")
    calls = []

    def save(trainer):
        calls.append(trainer)
        if len(calls) == 2:
            raise InterruptionError
        saved(trainer)

    saved = Trainer._save
    monkeypatch.setattr(Trainer, "_save", save)
    with pytest.raises(InterruptionError):
        start("pgd_at", tmp_path / "broken")
    monkeypatch.undo()
    start("pgd_at", tmp_path / "broken")
    assert results(tmp_path / "broken") == results(tmp_path / "whole")


def test_an_end_right_before_the_weights_were_written_trains_nothing_again(start, tmp_path, monkeypatch):
    start("pgd_at", tmp_path / "whole")

    def finish(_):
        raise InterruptionError

    monkeypatch.setattr(Trainer, "_finish", finish)
    with pytest.raises(InterruptionError):
        start("pgd_at", tmp_path / "broken")
    monkeypatch.undo()
    _, progress = start("pgd_at", tmp_path / "broken")
    assert results(tmp_path / "broken") == results(tmp_path / "whole")
    assert progress.lines == [f"resuming after epoch {EPOCHS} of {EPOCHS}"]


@pytest.fixture
def interrupted(start, tmp_path):
    with pytest.raises(InterruptionError):
        start("cfa", tmp_path, at=STEPS + 1)
    return tmp_path


def damaged(state, how):
    content = state.read_bytes()
    return {
        "empty": b"",
        "truncated": content[: len(content) // 2],
        "not a state": b"what is this",
        "a pickle that would run": b"cos\nsystem\n(S'true'\ntR.",
    }[how]


@pytest.mark.parametrize("how", ["empty", "truncated", "not a state", "a pickle that would run"])
def test_a_damaged_state_is_refused_and_left_as_it_is(start, interrupted, how):
    state = interrupted / "resume.pt"
    state.write_bytes(damaged(state, how))
    before = {path.name: path.read_bytes() for path in interrupted.iterdir()}
    with pytest.raises(UsageError, match=r"resume\.pt is damaged .*--fresh") as error:
        start("cfa", interrupted)
    assert error.value.exit_code == 2
    assert {path.name: path.read_bytes() for path in interrupted.iterdir()} == before


EDITS = {
    "no network": {"network": None},
    "no parts": {"parts": {}},
    "position of another version": {"position": json.dumps({"epoch": 1, "half": 7})},
    "position that is no JSON": {"position": "{"},
    "generator of another kind": {"generators": {"order": torch.zeros(3, dtype=torch.uint8), "noise": torch.zeros(3)}},
    "another network": {"network": {"other.weight": torch.zeros(2)}},
    "no optimizer": {"optimizer": {}},
    "no statistics": {"statistics": [1, 2]},
    "no numerics": {"numerics": None},
    "numerics of another version": {"numerics": {"precision": "float32", "threads": 3}},
}


@pytest.mark.parametrize("how", [*EDITS, "a list", "nothing in it"])
def test_a_state_that_is_not_this_run_s_is_refused(start, interrupted, how):
    path = interrupted / "resume.pt"
    state = load_state(path)
    save_state(path, {"a list": [1, 2], "nothing in it": {}}.get(how, state | EDITS.get(how, {})))
    with pytest.raises(UsageError, match=r"resume\.pt .*--fresh"):
        start("cfa", interrupted)


def test_the_state_of_another_method_is_refused(start, interrupted):
    with pytest.raises(UsageError, match=r"resume\.pt .*--fresh"):
        start("frl", interrupted)


def test_code_in_a_state_never_runs(start, interrupted, tmp_path_factory):
    witness = tmp_path_factory.mktemp("witness") / "ran"

    class Malicious:
        def __reduce__(self):
            return type(witness).touch, (witness,)

    (interrupted / "resume.pt").unlink()
    save_state(interrupted / "resume.pt", {"position": Malicious()})
    with pytest.raises(UsageError, match="damaged"):
        start("cfa", interrupted)
    assert not witness.exists()
