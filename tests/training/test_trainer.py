"""The trainer: what it writes, what it chooses, and what it never sees."""

import json
from contextlib import contextmanager
from dataclasses import fields, is_dataclass

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from fairbench.compose import compose
from fairbench.data import Dataset, load_dataset
from fairbench.errors import WorkError
from fairbench.models import create_model
from fairbench.protocol.track import Augmentation, Selection
from fairbench.training.state import load_state
from fairbench.training.trainer import Trainer


@pytest.fixture
def train(tiny, digit_splits, tmp_path):
    """Train a written form in a folder of its own; the outcome, the folder and the trainer."""

    def run(written="pgd_at", *, folder="run", network=None, disturb=0, splits=digit_splits, **plan):
        network = network or create_model("cnn_tiny", image_shape=(1, 8, 8), seed=plan.get("seed", 0))
        torch.rand(disturb)
        recipe = compose(written).recipe()
        trainer = Trainer(recipe, network, splits, tiny.plan(**plan), tmp_path / folder, device=torch.device("cpu"))
        outcome = trainer.run()
        return outcome, tmp_path / folder, trainer

    return run


def rows(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text("utf-8").splitlines()]


def same_weights(first, second, name="last.safetensors"):
    one, other = (load_file(folder / name) for folder in (first, second))
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("written", ["pgd_at", "faal@trades+awp", "frl", "cfa", "natural+ema"])
def test_the_same_seed_gives_the_same_weights_whatever_else_draws_random_numbers(train, written):
    _, first, _ = train(written, folder="first", epochs=2)
    _, second, _ = train(written, folder="second", epochs=2, disturb=17)
    for name in ("model.safetensors", "last.safetensors"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    timeless = [
        [{key: value for key, value in row.items() if key != "seconds"} for row in rows(f)] for f in (first, second)
    ]
    assert timeless[0] == timeless[1]


def test_training_leaves_the_global_generator_alone(train):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(epochs=1)
    assert torch.equal(torch.rand(3), expected)


def test_another_seed_gives_another_order_and_noise(train):
    def network():
        return create_model("cnn_tiny", image_shape=(1, 8, 8), seed=0)

    _, first, _ = train(folder="first", seed=0, epochs=1, network=network())
    _, second, _ = train(folder="second", seed=1, epochs=1, network=network())
    assert not same_weights(first, second)


def test_training_learns(train):
    plan = {"epochs": 8, "epsilon": 0.02, "batch_size": 10, "milestones": {}, "augmentation": Augmentation()}
    _, folder, _ = train(**plan)
    log = rows(folder)
    assert log[-1]["loss"] < 0.75 * log[0]["loss"]
    assert log[-1]["select_score"] > log[0]["select_score"]


def test_the_log_has_a_row_for_each_epoch(train):
    outcome, folder, _ = train("faal@trades", epochs=4, learning_rate=0.02, milestones={0.5: 0.1, 0.75: 0.01})
    log = rows(folder)
    assert [row["epoch"] for row in log] == [1, 2, 3, 4]
    assert [row["learning_rate"] for row in log] == pytest.approx([0.02, 0.02, 0.002, 0.0002])
    assert [row["seconds"] for row in log] == sorted(row["seconds"] for row in log)
    assert outcome.last_epoch == 4
    for row in log:
        for name in ("select_clean", "select_pgd", "train_clean", "train_adversarial"):
            accuracy = row[f"{name}_class_accuracy"]
            assert len(accuracy) == 10
            assert 0 <= min(accuracy) <= max(accuracy) <= 1
        # The split `select` has as many images of each class, so its average is the mean over classes.
        pgd = row["select_pgd_class_accuracy"]
        assert row["select_score"] == pytest.approx((sum(pgd) / 10 + min(pgd)) / 2, abs=1e-6)
        assert sum(row["class_weights"]) == pytest.approx(1, abs=1e-5)
        assert len(row["train_adversarial_class_risk"]) == 10
        assert row["train_adversarial_risk_deviation"] >= 0
        assert row["loss"] > 0


def test_only_the_finished_files_remain(train):
    _, folder, _ = train(epochs=1)
    assert sorted(path.name for path in folder.iterdir()) == ["last.safetensors", "log.jsonl", "model.safetensors"]


SCORES = [0.1, 0.4, 0.3, 0.4, 0.2]


def scripted(monkeypatch, scores):
    """Let the score on the split `select` follow a script."""
    left = iter(scores)

    def validate(trainer):
        result = validated(trainer)
        score = next(left)
        return type(result)(**vars(result) | {"adversarial_correct": score * result.total})

    validated = Trainer._validate
    monkeypatch.setattr(Trainer, "_validate", validate)


@pytest.mark.parametrize(
    ("rule", "scores", "selected"),
    [("select", SCORES, 2), ("select", [0.0] * 5, 1), ("select", [0.1, 0.2, 0.3, 0.4, 0.5], 5), ("last", SCORES, 5)],
)
def test_the_earliest_best_epoch_is_selected(train, monkeypatch, rule, scores, selected):
    # Without milestones the first epochs are the same however many follow.
    _, shorter, _ = train("natural", folder="shorter", epochs=selected, milestones={})
    scripted(monkeypatch, scores)
    outcome, folder, _ = train("natural", epochs=5, milestones={}, selection=Selection(steps=1, rule=rule))
    assert outcome.selected_epoch == selected
    one, other = load_file(folder / "model.safetensors"), load_file(shorter / "last.safetensors")
    assert all(torch.equal(one[name], other[name]) for name in other)
    assert same_weights(folder, shorter) == (selected == 5)


def test_no_epochs_leave_the_start_as_it_is(train):
    network = create_model("cnn_tiny", image_shape=(1, 8, 8), seed=3)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    outcome, folder, _ = train(epochs=0, network=network)
    assert (outcome.selected_epoch, outcome.last_epoch) == (0, 0)
    for file in ("model.safetensors", "last.safetensors"):
        assert all(torch.equal(value, before[name]) for name, value in load_file(folder / file).items())
    assert rows(folder) == []


def test_an_average_is_what_gets_validated_and_reported(train):
    _, folder, trainer = train("pgd_at+ema?ema.decay=1&ema.start=0", epochs=3)
    _, alone, _ = train("pgd_at", folder="alone", epochs=1, milestones={})
    last = load_file(folder / "last.safetensors")
    assert all(torch.equal(value, trainer.recipe.averaging.average.state_dict()[name]) for name, value in last.items())
    # With decay 1 the average is the copy that the first epoch left.
    assert all(torch.equal(value, load_file(alone / "last.safetensors")[name]) for name, value in last.items())
    scores = [row["select_score"] for row in rows(folder)]
    assert scores == [scores[0]] * 3


def test_awp_without_gamma_is_the_plain_step(train):
    _, plain, _ = train("trades", folder="plain", epochs=1)
    _, without, _ = train("trades+awp?gamma=0", folder="without", epochs=1)
    _, perturbed, _ = train("trades+awp?gamma=0.02", folder="perturbed", epochs=1)
    assert same_weights(plain, without)
    assert not same_weights(plain, perturbed)


def test_notes_of_the_average_stand_in_the_log(train):
    _, folder, _ = train("pgd_at+fawa?fawa.threshold=2&fawa.start=0", epochs=2)
    assert all("fawa: epoch left out" in row["note"] for row in rows(folder))


class Exploding(nn.Module):
    """A linear network whose logits are infinite from some step on."""

    def __init__(self, after):
        super().__init__()
        self.linear, self.after, self.calls = nn.Linear(64, 10), after, 0

    def forward(self, x):
        self.calls += self.training
        return self.linear(x.flatten(1)) * (torch.inf if self.calls > self.after else 1)


def test_a_loss_that_is_not_finite_names_the_epoch_and_keeps_what_was_good(train, tmp_path):
    with pytest.raises(
        WorkError, match=r"loss of natural became (nan|inf) in epoch 2, step 2; .*run.*learning_rate"
    ) as error:
        train("natural", epochs=3, network=Exploding(after=4))
    assert error.value.exit_code == 1
    folder = tmp_path / "run"
    assert [row["epoch"] for row in rows(folder)] == [1]
    state = load_state(folder / "resume.pt")
    assert all(torch.isfinite(value).all() for value in state["network"].values())
    assert json.loads(state["position"])["epoch"] == 1
    assert not (folder / "model.safetensors").exists()


def test_a_loss_that_is_not_finite_in_the_first_epoch_writes_nothing(train, tmp_path):
    with pytest.raises(WorkError, match="in epoch 1, step 1;"):
        train("natural", epochs=3, network=Exploding(after=0))
    assert not list(tmp_path.glob("run/*"))


def test_the_last_smaller_batch_counts_by_its_size(train):
    """With next to no step the mean loss of an epoch is the mean over images, whatever the batches."""
    losses = []
    for size in (40, 100, 33):
        network = create_model("cnn_tiny", image_shape=(1, 8, 8), seed=0)
        plan = {"batch_size": size, "learning_rate": 1e-30, "augmentation": Augmentation()}
        _, folder, _ = train("natural", folder=f"{size}", epochs=1, network=network, **plan)
        losses.append(rows(folder)[0]["loss"])
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-6)


def reachable(thing, seen):
    """Every object that can be reached over attributes and containers."""
    if id(thing) in seen or isinstance(thing, (str, bytes, int, float, type(None), type)):
        return
    seen[id(thing)] = thing
    inside = []
    if isinstance(thing, dict):
        inside = [*thing.keys(), *thing.values()]
    elif isinstance(thing, (list, tuple, set, frozenset)):
        inside = list(thing)
    if is_dataclass(thing):
        inside += [getattr(thing, field.name, None) for field in fields(thing)]
    inside += list(vars(thing).values()) if hasattr(thing, "__dict__") else []
    for part in inside:
        reachable(part, seen)


def test_no_way_leads_from_the_trainer_to_test_images(tiny, digit_splits, tmp_path):
    trainer = Trainer(
        compose("cfa").recipe(),
        create_model("cnn_tiny", image_shape=(1, 8, 8)),
        digit_splits,
        tiny.plan(),
        tmp_path,
        device=torch.device("cpu"),
    )
    seen = {}
    reachable(trainer, seen)
    images = [
        thing
        for thing in seen.values()
        if isinstance(thing, torch.Tensor) and thing.dtype == torch.uint8 and thing.ndim == 4
    ]
    assert any(image is digit_splits.select.images for image in images)
    assert any(image is digit_splits.feedback.images for image in images)
    assert not any(isinstance(thing, Dataset) for thing in seen.values())
    test = {image.numpy().tobytes() for image in load_dataset("digits").test.images}
    assert not any(image.numpy().tobytes() in test for batch in images for image in batch)


class Recorder:
    """Progress that writes down what it hears."""

    def __init__(self):
        self.lines, self.total, self.done = [], None, 0

    @contextmanager
    def bar(self, title, total):
        self.total = total
        yield self

    def advance(self, amount=1, *, note=""):
        self.done += amount

    def say(self, line):
        self.lines.append(line)


def test_the_bar_counts_every_step(tiny, digit_splits, tmp_path):
    progress = Recorder()
    Trainer(
        compose("natural").recipe(),
        create_model("cnn_tiny", image_shape=(1, 8, 8)),
        digit_splits,
        tiny.plan(epochs=2),
        tmp_path,
        device=torch.device("cpu"),
        progress=progress,
    ).run()
    assert progress.total == progress.done == 2 * 3


def test_teachers_are_frozen_and_in_eval_mode(tiny, digit_splits, tmp_path):
    teacher = create_model("cnn_tiny", image_shape=(1, 8, 8)).train()
    recipe = compose("natural").recipe()
    Trainer(
        recipe,
        create_model("cnn_tiny", image_shape=(1, 8, 8)),
        digit_splits,
        tiny.plan(),
        tmp_path,
        device=torch.device("cpu"),
        teachers={"robust": teacher},
    )
    held = recipe.method.setting.teachers["robust"]
    assert not held.training
    assert not any(parameter.requires_grad for parameter in held.parameters())
