"""Rounded, rewritten and compiled passes: the same function, the same seams, and nothing left behind."""

import copy

import pytest
import torch
from torch import nn

from fairbench.compose import compose
from fairbench.losses import cross_entropy
from fairbench.models import create_model
from fairbench.protocol.track import Compute
from fairbench.training import numerics
from fairbench.training.numerics import Numerics, choose_numerics
from fairbench.training.passes import Passes
from fairbench.training.rewrite import Twin
from fairbench.training.trainer import Trainer

ROUNDED = [Numerics("mixed"), Numerics("bfloat16")]


def input_gradient(logits_of, x, y):
    x = x.clone().requires_grad_()
    logits = logits_of(x)
    (gradient,) = torch.autograd.grad(cross_entropy(logits, y).sum(), x)
    return logits.detach(), gradient


def images(shape, tiny, size=3):
    return torch.rand(size, *shape, generator=tiny.generator(1)), torch.arange(size)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("cnn_tiny", (1, 8, 8)),
        ("cnn_small", (1, 28, 28)),
        ("cnn_small", (3, 32, 32)),
        ("cnn_small", (1, 29, 30)),
        ("prn18", (3, 8, 8)),
        ("rn18", (3, 8, 8)),
    ],
)
def test_a_rewritten_network_is_the_same_function_with_the_same_input_gradient(tiny, name, shape):
    network = create_model(name, image_shape=shape, seed=1, mean=[0.4] * shape[0], std=[0.2] * shape[0]).eval()
    x, y = images(shape, tiny)
    twin = Twin(network, torch.float32, x[:1])
    for got, expected in zip(input_gradient(twin, x, y), input_gradient(network, x, y), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_a_rewritten_network_follows_the_weights_when_it_is_refreshed(tiny):
    network = create_model("cnn_small", image_shape=(1, 28, 28), seed=1).eval()
    x, _ = images((1, 28, 28), tiny)
    twin = Twin(network, torch.float32, x[:1])
    before = twin(x)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1.1)
    assert torch.equal(twin(x), before)
    twin.refresh()
    torch.testing.assert_close(twin(x), network(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("how", ROUNDED)
def test_the_network_answers_rounded_inside_the_blocks_and_as_itself_outside(tiny, how):
    network = create_model("cnn_small", image_shape=(1, 28, 28), seed=1).eval()
    x, _ = images((1, 28, 28), tiny)
    exact = network(x)
    passes = Passes(network, how, example=x)
    with passes.attack():
        attacked, copied = network(x), copy.deepcopy(network)(x)
    with passes.outer():
        outer = network(x)
    for logits in (attacked, outer):
        torch.testing.assert_close(logits, exact, rtol=0.05, atol=0.05)
        assert logits.dtype == torch.float32
    assert not torch.equal(attacked, exact)
    assert torch.equal(outer, exact) == (how.precision == "mixed")
    assert torch.equal(network(x), exact)
    assert torch.equal(copied, exact)


def test_gradients_of_a_rounded_outer_pass_reach_every_weight_in_float32(tiny):
    network = create_model("cnn_small", image_shape=(1, 28, 28), seed=1)
    x, y = images((1, 28, 28), tiny)
    expected = torch.autograd.grad(cross_entropy(network(x), y).sum(), list(network.parameters()))
    with Passes(network, Numerics("bfloat16"), example=x).outer():
        cross_entropy(network(x), y).sum().backward()
    for parameter, exact in zip(network.parameters(), expected, strict=True):
        assert parameter.grad.dtype == torch.float32
        assert (parameter.grad - exact).norm() < 0.1 * exact.norm()


def test_an_attack_in_train_mode_moves_the_statistics_of_the_network_itself(tiny):
    network = tiny.bn_network()
    x = torch.rand(6, 1, 3, 3, generator=tiny.generator(1))
    passes = Passes(network, Numerics("mixed"), example=x)
    assert passes.twin is not None
    expected = copy.deepcopy(network).train()
    expected(x)
    with passes.attack():
        network.train()(x)
    torch.testing.assert_close(network[1].running_mean, expected[1].running_mean, rtol=0.02, atol=0.002)
    assert int(network[1].num_batches_tracked) == 1


class Branching(nn.Module):
    """A network that cannot be traced: it looks at its images."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(9, 4)

    def forward(self, x):
        return self.linear(x.flatten(1)) * (2 if x.mean() > 2 else 1)


def test_a_network_that_cannot_be_traced_computes_rounded_all_the_same(tiny):
    network, x = Branching(), torch.rand(4, 1, 3, 3, generator=tiny.generator(1))
    passes = Passes(network, Numerics("mixed"), example=x)
    assert passes.twin is None
    with passes.attack():
        rounded = network(x)
    assert not torch.equal(rounded, network(x))
    torch.testing.assert_close(rounded, network(x), rtol=0.05, atol=0.05)


class FailsBackward(torch.autograd.Function):
    """As a compiler that meets its trouble when the gradient is asked for."""

    @staticmethod
    def forward(ctx, logits):
        return logits.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise RuntimeError("no compiler here\nand a long story")


def fails_forward(_):
    def fail(_):
        raise RuntimeError("no compiler here\nand a long story")

    return fail


def fails_backward(network):
    return lambda x: FailsBackward.apply(network(x))


@pytest.mark.parametrize("broken", [fails_forward, fails_backward])
def test_a_compiler_that_fails_is_given_up_with_one_line(tiny, monkeypatch, broken):
    monkeypatch.setattr(torch, "compile", lambda network, **_: broken(network))
    network, lines = tiny.bn_network(), []
    x, y = torch.rand(3, 1, 3, 3, generator=tiny.generator(1)), torch.arange(3)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    passes = Passes(network, Numerics("float32", compiled=True), example=x, say=lines.append)
    network.train()
    with passes.outer():
        outer = network(x)
    expected = copy.deepcopy(network)
    expected.load_state_dict(before)
    assert torch.equal(outer, expected(x))
    # What was tried has left no trace in the statistics.
    assert all(torch.equal(a, b) for a, b in zip(network.buffers(), expected.buffers(), strict=True))
    with passes.attack():
        input_gradient(network, x, y)
    assert lines == ["computing without compilation (RuntimeError: no compiler here)"]
    assert not passes.is_compiled


def plan_of(tiny, precision="auto", compiled="auto", **changes):
    return tiny.plan(compute=Compute(precision=precision, compile=compiled), **changes)


def test_auto_leaves_short_runs_as_they_are_and_goes_by_the_whole_work(tiny, digit_splits, monkeypatch):
    network, cpu = create_model("cnn_tiny", image_shape=(1, 8, 8)), torch.device("cpu")
    assert choose_numerics(plan_of(tiny), network, digit_splits.train, cpu) == Numerics("float32", compiled=False)
    monkeypatch.setattr(numerics, "AUTO_PRECISION", "mixed")
    monkeypatch.setattr(numerics, "has_bfloat16", lambda _: True)
    monkeypatch.setattr(numerics, "has_compiler", lambda: True)
    # A forward pass of cnn_tiny: 8 x 8 x 16 x 9, 4 x 4 x 32 x 144, 512 x 64 and 64 x 10 products and sums.
    forward = 2 * (8 * 8 * 16 * 9 + 4 * 4 * 32 * 144 + 512 * 64 + 64 * 10)
    work = 2 * forward * 100 * 3 * (2 + 2)
    for limit, expected in ((work * 1.001, "float32"), (work * 0.999, "mixed")):
        monkeypatch.setattr(numerics, "WORTH_ROUNDING", limit)
        assert choose_numerics(plan_of(tiny), network, digit_splits.train, cpu) == Numerics(expected)
    monkeypatch.setattr(numerics, "WORTH_COMPILING", work * 0.999)
    assert not choose_numerics(plan_of(tiny), network, digit_splits.train, cpu).compiled
    monkeypatch.setattr(numerics, "WORTH_A_CALL", forward * 40)
    assert choose_numerics(plan_of(tiny), network, digit_splits.train, cpu).compiled
    half = plan_of(tiny, steps_per_epoch=1)
    assert not choose_numerics(half, network, digit_splits.train, cpu).compiled


@pytest.mark.parametrize("precision", ["float32", "mixed", "bfloat16"])
@pytest.mark.parametrize("compiled", [True, False])
def test_what_the_plan_says_is_done(tiny, digit_splits, precision, compiled):
    network = create_model("cnn_tiny", image_shape=(1, 8, 8))
    plan = plan_of(tiny, precision, compiled)
    chosen = choose_numerics(plan, network, digit_splits.train, torch.device("cpu"))
    assert chosen == Numerics(precision, compiled) == Numerics.from_state_dict(chosen.state_dict())
    assert (chosen.attack == torch.float32) == (precision == "float32")
    assert (chosen.outer == torch.bfloat16) == (precision == "bfloat16")


class StopError(Exception):
    """The process is gone."""


@pytest.fixture
def train(tiny, digit_splits, monkeypatch):
    def run(folder, written, compute, *, breaks=False):
        network = create_model("cnn_tiny", image_shape=(1, 8, 8), seed=0)
        plan = tiny.plan(epochs=2, from_scratch=False, compute=compute)
        trainer = Trainer(
            compose(written).recipe(), network, digit_splits, plan, folder, device=torch.device("cpu"), save_seconds=0.0
        )
        if breaks:
            trainer._end_epoch = gone
        return trainer.run()

    def gone(_):
        raise StopError

    return run


@pytest.mark.parametrize("precision", ["mixed", "bfloat16"])
@pytest.mark.parametrize("written", ["pgd_at", "faal@trades+awp+ema"])
def test_rounded_runs_resume_to_the_bit_in_the_precision_that_they_began_in(train, tmp_path, written, precision):
    compute = Compute(precision=precision, compile=False)
    outcome = train(tmp_path / "whole", written, compute)
    assert (outcome.precision, outcome.compiled) == (precision, False)
    with pytest.raises(StopError):
        train(tmp_path / "broken", written, compute, breaks=True)
    # Where another machine would choose float32, the run goes on as it began.
    assert train(tmp_path / "broken", written, Compute(precision="float32")).precision == precision
    exact = train(tmp_path / "exact", written, Compute(precision="float32"))
    assert exact.precision == "float32"
    weights = {name: (tmp_path / name / "last.safetensors").read_bytes() for name in ("whole", "broken", "exact")}
    assert weights["whole"] == weights["broken"] != weights["exact"]


@pytest.mark.prove
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch, while it compiles
def test_a_compiled_run_is_the_same_every_time_and_close_to_an_eager_one(tiny):
    network = create_model("cnn_small", image_shape=(1, 28, 28), seed=1)
    x, y = images((1, 28, 28), tiny, size=8)
    lines = []
    passes = Passes(network, Numerics("bfloat16", compiled=True), example=x, say=lines.append)
    eager = Passes(network, Numerics("bfloat16"), example=x)
    network.requires_grad_(False)
    answers = []
    for each in (passes, passes, eager):
        with each.attack():
            answers.append(input_gradient(network, x, y))
    assert all(torch.equal(a, b) for a, b in zip(answers[0], answers[1], strict=True))
    for got, expected in zip(answers[0], answers[2], strict=True):
        assert (got - expected).norm() < 0.05 * expected.norm()
    assert not lines
    assert passes.is_compiled
