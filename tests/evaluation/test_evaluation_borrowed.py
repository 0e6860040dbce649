"""The model comes back as it was."""

from contextlib import nullcontext

import pytest
import torch
from torch import nn

from fairbench.errors import UsageError, WorkError
from fairbench.evaluation.evaluator import evaluate
from fairbench.evaluation.network import borrowed, exact_float32


@pytest.fixture
def mixed(network):
    """Some modules training, some parameters frozen, gradients lying around."""
    network.train()
    network[0][0][1].eval()
    network[1].bias.requires_grad_(False)
    network[1].weight.grad = torch.ones_like(network[1].weight)
    return network


def state(model):
    return (
        {name: module.training for name, module in model.named_modules()},
        {name: (p.requires_grad, None if p.grad is None else p.grad.clone()) for name, p in model.named_parameters()},
        {name: value.clone() for name, value in model.state_dict().items()},
    )


def assert_same(before, after):
    assert before[0] == after[0]
    torch.testing.assert_close(before[1:], after[1:], rtol=0, atol=0)


def test_modes_flags_gradients_and_buffers_are_untouched(mixed, few_digits, micro_batch):
    before = state(mixed)
    evaluate(mixed, few_digits, ["clean", "fgsm", "pgd20", "cw20", "square"], eps=0.1, square_queries=5)
    assert_same(before, state(mixed))


def test_they_are_untouched_after_a_failure_too(mixed, few_digits, monkeypatch):
    before = state(mixed)

    def fail(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("fairbench.evaluation.evaluator.Runner.run", fail)
    with pytest.raises(KeyboardInterrupt):
        evaluate(mixed, few_digits, ["clean"])
    assert_same(before, state(mixed))


def test_the_network_computes_in_eval_mode_and_without_weight_gradients(mixed, few_digits):
    seen = []

    class Watched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = mixed

        def forward(self, x):
            modes = any(module.training for module in self.modules())
            flags = any(parameter.requires_grad for parameter in self.parameters())
            seen.append((modes, flags, x.dtype, torch.is_autocast_enabled("cpu")))
            return self.inner(x)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        evaluate(Watched(), few_digits, ["clean", "pgd20"])
    assert set(seen) == {(False, False, torch.float32, False)}


def test_precision_of_matrix_products_is_put_back():
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with exact_float32(torch.device("cpu")):
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


def test_a_model_moves_to_the_device_and_home_again(network, monkeypatch):
    moves = []
    monkeypatch.setattr(nn.Module, "to", lambda self, place: moves.append(place))
    monkeypatch.setattr("fairbench.evaluation.network.exact_float32", nullcontext)
    with borrowed(network, "meta") as place:
        assert moves == [place] == [torch.device("meta")]
    assert moves == [torch.device("meta"), torch.device("cpu")]
    with borrowed(network, "cpu"), borrowed(network):
        assert len(moves) == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda model: model.double(), r"expected float32 weights, .* is torch\.float64; .*\.float\(\)"),
        (lambda model: model.forward, "expected a torch.nn.Module, got method"),
        (lambda model: nn.Sequential(model, nn.Linear(10, 7)), "answers 7 classes, the data has 10"),
        (lambda model: nn.Sequential(nn.Flatten(), nn.Linear(5, 10)), r"cannot take images of shape \(1, 8, 8\)"),
        (lambda model: nn.Sequential(model, Broken("nan")), "NaN or infinite logits to unchanged images"),
    ],
)
def test_models_that_do_not_fit_are_refused_before_anything_is_written(network, few_digits, tmp_path, change, words):
    with pytest.raises(UsageError, match=words):
        evaluate(change(network), few_digits, ["clean"], out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


class Broken(nn.Module):
    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def forward(self, logits):
        if self.how == "nan":
            return logits * float("nan")
        if self.how == "pair":
            return logits, logits
        # Only images far from the first one.
        return torch.where(logits.argmax(dim=1, keepdim=True) == 3, logits / 0, logits)


@pytest.mark.parametrize(
    ("how", "words"),
    [("pair", r"the model answers tuple to 2 images, expected logits of shape \(2, K\)"), ("late", "under clean")],
)
def test_answers_that_are_no_logits(network, few_digits, how, words):
    with pytest.raises(WorkError, match=words):
        evaluate(nn.Sequential(network, Broken(how)), few_digits, ["clean"])
