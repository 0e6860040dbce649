"""Answers depend on the image, the model and the seed, and on nothing else."""

import numpy as np
import pytest
import torch
from torch import nn

from fairbench.attacks import cw, pgd
from fairbench.errors import WorkError
from fairbench.evaluation.evaluator import evaluate
from fairbench.evaluation.network import FixedShape
from fairbench.progress import Silent

EPS = 0.15


def predictions(network, split, attacks, **options):
    return evaluate(network, split, attacks, eps=EPS, square_queries=60, **options).predictions


@pytest.mark.parametrize("batch_size", [1, 37, 130])
def test_batch_size_changes_nothing(network, digits, micro_batch, batch_size):
    attacks = ["clean", "fgsm", "pgd20", "cw20"]
    whole = predictions(network, digits, attacks, batch_size=1000)
    parts = predictions(network, digits, attacks, batch_size=batch_size)
    for name in attacks:
        np.testing.assert_array_equal(parts[name], whole[name], err_msg=name)
    accuracies = [(whole[name] == digits.labels.numpy()).mean() for name in attacks]
    assert accuracies[0] > 0.8
    assert 0.05 < accuracies[2] < accuracies[0]


@pytest.mark.parametrize(("attack", "steps"), [(pgd, 20), (cw, 20), (cw, 30)])
def test_a_condition_is_its_attack(network, digits, micro_batch, attack, steps):
    name = f"{attack.__name__}{steps}"
    found = predictions(network, digits, [name], seed=5)[name]
    logits_of = FixedShape(network, micro_batch)
    x_adv = attack(logits_of, digits.images / 255, digits.labels, eps=EPS, steps=steps, step_size=EPS / 4, seed=5)
    with torch.no_grad():
        np.testing.assert_array_equal(found, logits_of(x_adv).argmax(dim=1))


def test_the_costly_conditions_do_not_depend_on_the_batch_either(network, few_digits, micro_batch):
    whole = predictions(network, few_digits, ["aa", "square"], batch_size=1000)
    parts = predictions(network, few_digits, ["aa", "square"], batch_size=1)
    for name in ("aa", "square"):
        np.testing.assert_array_equal(parts[name], whole[name], err_msg=name)


def test_weaker_attacks_are_contained(network, few_digits, micro_batch):
    answers = predictions(network, few_digits, ["clean", "square", "aa"])
    labels = few_digits.labels.numpy()
    correct = {name: answers[name] == labels for name in answers}
    assert not (correct["aa"] & ~correct["clean"]).any()
    assert not (correct["square"] & ~correct["clean"]).any()
    assert correct["aa"].sum() < correct["square"].sum() < correct["clean"].sum()


def test_the_seed_matters_and_decides(network, digits):
    attacks = ["pgd20"]
    first, again, other = (predictions(network, digits, attacks, seed=seed)["pgd20"] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_a_subset_is_stratified_and_answers_as_in_the_whole(network, digits):
    options = {"attacks": ["clean", "square"], "eps": EPS, "square_queries": 60}
    part, whole = evaluate(network, digits, subset=50, **options), evaluate(network, digits, **options)
    seen = part.predictions["square"] >= 0
    assert seen.sum() == 50
    assert part.conditions["square"].class_total == [5] * 10
    assert part.conditions["square"].settings["images"] == 50
    assert (part.predictions["clean"] >= 0).all()
    np.testing.assert_array_equal(part.predictions["square"][seen], whole.predictions["square"][seen])


def test_a_fixed_shape_hides_the_company_of_an_image(network, digits):
    x = digits.images[:64] / 255
    logits_of = FixedShape(network, 24)
    with torch.no_grad():
        together = logits_of(x)
        order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
        assert torch.equal(logits_of(x[order]), together[order])
        assert torch.equal(torch.cat([logits_of(part) for part in x.split(5)]), together)
        assert logits_of(x[:0]).shape == (0, 10)
    assert torch.allclose(together, network(x), atol=1e-5)


def test_padding_takes_no_gradient(network, digits):
    x = (digits.images[:5] / 255).requires_grad_()
    (padded,) = torch.autograd.grad(FixedShape(network, 8)(x)[:, 3].sum(), x)
    (plain,) = torch.autograd.grad(network(x)[:, 3].sum(), x)
    torch.testing.assert_close(padded, plain)


def test_a_network_that_draws_numbers_leaves_the_callers_alone(few_digits, network):
    model = nn.Sequential(Noise(), network)
    state = torch.get_rng_state()
    first = predictions(model, few_digits, ["clean", "pgd20"])
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    second = predictions(model, few_digits, ["clean", "pgd20"])
    np.testing.assert_array_equal(first["pgd20"], second["pgd20"])


class Noise(nn.Module):
    def forward(self, x):
        return x + 0.1 * torch.randn_like(x)


class Limited(nn.Module):
    """A network that cannot take many images at a time."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.limit = 9
        self.network = network

    def forward(self, x):
        if len(x) > self.limit:
            raise torch.OutOfMemoryError("out of memory")
        return self.network(x)


class Spoken:
    def __init__(self, progress) -> None:
        self.bar = progress.bar
        self.lines = []

    def say(self, line):
        self.lines.append(line)


def test_out_of_memory_starts_the_condition_again_with_less(network, few_digits, tmp_path):
    spoken = Spoken(Silent())
    result = evaluate(Limited(network), few_digits, ["clean"], out=tmp_path, batch_size=256, progress=spoken)
    settings = result.conditions["clean"].settings
    assert (settings["micro_batch"], settings["batch_size"], settings["asked_batch_size"]) == (8, 8, 256)
    assert spoken.lines[-1] == "clean: out of memory, again with 8 images at a time"
    assert result.average("clean") > 0.8


def test_not_even_one_image_fits(network, few_digits):
    class Shrinking(Limited):
        calls = 0

        def forward(self, x):
            self.calls += 1
            self.limit = 100 if self.calls <= 2 else 0
            return super().forward(x)

    with pytest.raises(WorkError, match="clean: not even one image at a time fits into the memory of cpu"):
        evaluate(Shrinking(network), few_digits, ["clean"])
