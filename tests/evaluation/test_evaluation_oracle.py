"""A linear model of two classes: what the strongest attack can do is known in closed form."""

import numpy as np
import pytest
import torch
from torch import nn

from fairbench.data import Split
from fairbench.evaluation.evaluator import evaluate
from fairbench.metrics import class_accuracy

EPS = 0.1


@pytest.fixture
def linear():
    """Images far from the borders of the box, and a linear model of two classes."""
    numbers = np.random.default_rng(1)
    images = torch.from_numpy(numbers.integers(40, 215, size=(90, 1, 3, 3), dtype=np.uint8))
    layer = nn.Linear(9, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(numbers.normal(size=(2, 9))))
        layer.bias.copy_(-(layer.weight @ torch.full((9,), 0.5)))
    model = nn.Sequential(nn.Flatten(), layer)
    with torch.no_grad():
        labels = model(images / 255).argmax(dim=1)
    labels[::10] = 1 - labels[::10]
    return model, Split(images, labels)


def closed_form(model, split, eps):
    """The answers when every image moves against its label as far as the ball allows."""
    difference = (model[1].weight[1] - model[1].weight[0]).detach().double()
    offset = (model[1].bias[1] - model[1].bias[0]).detach().double()
    sign = torch.where(split.labels == 1, -1.0, 1.0).double()
    margin = (split.images.flatten(1) / 255).double() @ difference + offset
    moved = margin + sign * eps * difference.abs().sum()
    wrong_already = (margin > 0).long() != split.labels
    return torch.where(wrong_already, margin > 0, moved > 0).long().numpy()


def test_every_attack_finds_what_exists(linear):
    model, split = linear
    result = evaluate(model, split, ["clean", "fgsm", "pgd20", "cw20", "cw30"], eps=EPS)
    truth = split.labels.numpy()
    np.testing.assert_array_equal(result.predictions["clean"], closed_form(model, split, 0))
    expected = closed_form(model, split, EPS)
    assert 0.1 < (expected == truth).mean() < 0.8
    for name in ("fgsm", "pgd20", "cw20", "cw30"):
        np.testing.assert_array_equal(result.predictions[name], expected, err_msg=name)
        record = result.conditions[name]
        accuracies = class_accuracy(expected, truth, 2)
        assert record.average == result.average(name) == (expected == truth).mean()
        assert record.worst == result.worst(name) == accuracies.min()
        assert record.class_correct == [int(((expected == truth) & (truth == k)).sum()) for k in (0, 1)]


def test_an_image_that_is_wrong_as_it_is_stays_wrong(linear):
    model, split = linear
    # One gradient step leads away from the label only where the loss is monotone; here it often leads back to it.
    folded = nn.Sequential(nn.Flatten(), Folded(model[1]))
    result = evaluate(folded, split, ["clean", "fgsm"], eps=EPS)
    wrong = result.predictions["clean"] != result.labels
    assert wrong.any()
    np.testing.assert_array_equal(result.predictions["fgsm"][wrong], result.predictions["clean"][wrong])


class Folded(nn.Module):
    """Two classes in thin stripes: a full step often lands in the right stripe again."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x):
        logits = self.layer(x)
        phase = (logits[:, 1] - logits[:, 0]) * 3
        return torch.stack([phase.sin(), -phase.sin()], dim=1)


def test_settings_tell_how_each_condition_was_run(linear):
    model, split = linear
    record = evaluate(model, split, ["pgd20", "clean"], eps=EPS, seed=3).conditions
    assert list(record) == ["clean", "pgd20"]
    settings = record["pgd20"].settings
    assert {key: settings[key] for key in ("epsilon", "steps", "step_size", "start", "seed", "images")} == {
        "epsilon": EPS,
        "steps": 20,
        "step_size": EPS / 4,
        "start": "uniform",
        "seed": 3,
        "images": 90,
    }
    assert settings["batch_size"] % settings["micro_batch"] == 0
    assert settings["threads"] == torch.get_num_threads()
    assert record["clean"].settings["images"] == 90


def test_a_condition_without_errors_has_no_false_positive_score(linear):
    model, split = linear
    with torch.no_grad():
        split = Split(split.images, model(split.images / 255).argmax(dim=1))
    record = evaluate(model, split, ["clean"]).conditions["clean"]
    assert record.class_false_positive_score is None
    assert record.undefined == {"class_false_positive_score": "no image is misclassified"}


def test_data_and_model_are_described(linear):
    model, split = linear
    result = evaluate(model, split, ["clean"])
    assert result.data.image_shape == [1, 3, 3]
    assert result.data.classes == ["0", "1"]
    assert result.model.parameters == 20
    other = Split(split.images.clone(), split.labels)
    other.images[0, 0, 0, 0] += 1
    assert evaluate(model, other, ["clean"]).data.fingerprint != result.data.fingerprint
    with torch.no_grad():
        model[1].bias[0] += 1e-3
    assert evaluate(model, split, ["clean"]).model.weights_sha256 != result.model.weights_sha256
