"""The private copy that searches ask, and the checks on the network under attack."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from fairbench.attacks import autoattack
from fairbench.attacks.checks import inspect, square_is_better, square_suspicion
from fairbench.attacks.network import choose_micro_batch
from fairbench.attacks.prepare import search_network
from fairbench.attacks.strided import PhaseConv, interleaved


class Residual(nn.Module):
    """Strided convolutions, batch-norm before and after convolutions, a normalisation, two ways to flatten."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mu", torch.zeros(1, 3, 1, 1))
        self.register_buffer("sd", torch.ones(1, 3, 1, 1))
        self.stem = nn.Conv2d(3, 8, 4, stride=2, padding=1)
        self.first = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.third = nn.BatchNorm2d(8)
        self.hidden = nn.Linear(8 * 16, 20)
        self.last = nn.Linear(20, 6)

    def forward(self, x):
        x = self.stem((x - self.mu) / self.sd)
        x = x + F.relu(self.third(self.second(F.relu(self.first(x)))))
        return self.last(F.relu(self.hidden(x.flatten(1))))


@pytest.fixture
def network():
    torch.manual_seed(0)
    module = Residual()
    for layer in (module.first, module.third):
        layer.running_mean.normal_()
        layer.running_var.uniform_(0.5, 2)
        nn.init.normal_(layer.weight)
    return module.eval()


def gradient_of(logits_of, x):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(logits_of(x).square().sum(), x)[0]


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-4), ("bfloat16", 5e-2)])
def test_the_copy_is_the_same_function(network, precision, tolerance):
    x = torch.rand(5, 3, 8, 8)
    before = copy.deepcopy(network.state_dict())
    logits_of, notes = search_network(network, precision, x)
    assert notes == []
    assert logits_of is not network
    expected, gradient = network(x), gradient_of(network, x)
    assert logits_of(x).dtype == torch.float32
    assert (logits_of(x) - expected).abs().max() <= tolerance * expected.abs().max()
    assert (gradient_of(logits_of, x) - gradient).abs().max() <= 2 * tolerance * gradient.abs().max()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in network.parameters())


def test_a_normalisation_that_does_something_is_kept(network):
    network.mu += 0.4
    network.sd *= 0.3
    x = torch.rand(5, 3, 8, 8)
    logits_of, notes = search_network(network, "float32", x)
    assert notes == []
    torch.testing.assert_close(logits_of(x), network(x), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_what_cannot_be_copied_faithfully_is_searched_itself(precision):
    class Branching(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(16, 3)

        def forward(self, x):
            # Rounding turns the branch, so a rounded copy answers something else.
            return self.linear(x.flatten(1).float()) * (1 if x.dtype == torch.float32 else 5)

    network = Branching().eval()
    x = torch.rand(4, 1, 4, 4)
    logits_of, notes = search_network(network, precision, x)
    torch.testing.assert_close(logits_of(x).float(), network(x), atol=1e-5, rtol=1e-4)
    notes = search_network(network.forward, precision, x)[1]
    assert "not a module" in notes[0]
    training, notes = search_network(network.train(), precision, x)
    assert training is network
    assert "eval mode" in notes[0]


def test_a_copy_that_disagrees_is_dropped():
    class Moody(nn.Linear):
        def __deepcopy__(self, memo):
            twin = Moody(16, 3)
            return memo.setdefault(id(self), twin)

        def forward(self, x):
            return super().forward(x.flatten(1))

    network = Moody(16, 3).eval()
    logits_of, notes = search_network(network, "float32", torch.rand(4, 1, 4, 4))
    assert logits_of is network
    assert "differs by" in notes[0]


@pytest.mark.parametrize(
    ("conv", "size"),
    [
        (nn.Conv2d(1, 4, 4, stride=2, padding=1), (28, 28)),
        (nn.Conv2d(3, 8, 4, stride=2), (9, 11)),
        (nn.Conv2d(2, 5, 6, stride=3, padding=2, bias=False), (13, 10)),
        (nn.Conv2d(3, 4, 2, stride=2), (7, 7)),
    ],
)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_phase_convolution_has_the_gradient_of_the_strided_one(conv, size, layout):
    phases = PhaseConv(conv).to(memory_format=layout)
    assert PhaseConv.fits(conv)
    x = torch.randn(3, conv.in_channels, *size).contiguous(memory_format=layout).requires_grad_()
    expected, found = conv(x), phases(x)
    torch.testing.assert_close(found, expected)
    downstream = torch.randn_like(expected)
    (slow,) = torch.autograd.grad(expected, x, downstream)
    (fast,) = torch.autograd.grad(found, x, downstream)
    torch.testing.assert_close(fast, slow, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("stride", "channels"), [(2, 3), (3, 2), (1, 4)])
def test_phases_interleave_like_a_pixel_shuffle(stride, channels):
    phases = torch.randn(2, stride * stride * channels, 4, 5)
    by_channel = phases.view(2, stride * stride, channels, 4, 5).transpose(1, 2).reshape(phases.shape)
    assert torch.equal(interleaved(phases, stride), F.pixel_shuffle(by_channel, stride))


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(1, 4, 3, stride=2),
        nn.Conv2d(1, 4, 4, stride=1),
        nn.Conv2d(32, 4, 4, stride=2),
        nn.Conv2d(2, 4, 4, stride=2, groups=2),
        nn.Conv2d(1, 4, 4, stride=2, padding_mode="reflect", padding=1),
        nn.Conv2d(1, 4, 4, stride=(2, 1)),
        nn.Linear(3, 3),
    ],
)
def test_other_layers_stay(conv):
    assert not PhaseConv.fits(conv)


def test_the_micro_batch_follows_the_cost_of_the_network_alone():
    x = torch.rand(1, 3, 32, 32)
    small = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))
    large = nn.Sequential(nn.Conv2d(3, 256, 3, padding=1), nn.Conv2d(256, 256, 3, padding=1))
    assert choose_micro_batch(small, x) == 256
    assert choose_micro_batch(large, x) == 32
    assert choose_micro_batch(large, x, "bfloat16") == 64


def test_a_plain_network_raises_no_suspicion(digits):
    found = inspect(digits.network, digits.x[:8])
    assert not found["randomised"]
    assert not found["probabilities"]
    assert not found["dynamic"]
    low, high = autoattack(digits.network, digits.x[:8], digits.y[:8], eps=0.0, attacks=[]).checks["logits_range"]
    with torch.no_grad():
        logits = digits.network(digits.x[:8])
    assert (low, high) == pytest.approx((logits.min().item(), logits.max().item()), abs=1e-5)


def test_randomised_dynamic_and_probability_outputs_are_seen(digits):
    def noisy(x):
        return digits.network(x + 0.1 * torch.rand(x.shape, generator=generator))

    def purifying(x):
        with torch.enable_grad():
            z = x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(digits.network(z).sum(), z)
        return digits.network(x - 0.01 * gradient)

    generator = torch.Generator().manual_seed(0)
    x = digits.x[:8]
    assert inspect(noisy, x)["randomised"]
    assert inspect(purifying, x)["dynamic"]
    assert inspect(lambda images: digits.network(images).softmax(dim=1), x)["probabilities"]


def test_masked_gradients_are_noted_where_square_succeeds(digits):
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = digits.network

        def forward(self, x):
            # The forward pass answers, the backward pass is silent.
            return self.inner(x).detach() + 0 * x.sum()

    x, y = digits.x[:60], digits.y[:60]
    result = autoattack(Masked().eval(), x, y, eps=digits.eps, attacks=["apgd-ce", "square"], square_queries=200)
    assert sum(result.log["apgd-ce"]["zero_gradient"]) == result.log["apgd-ce"]["attacked"]
    assert result.checks["square_better"]
    assert "masked" in result.checks["suspicion"]


def test_square_is_not_suspected_without_a_comparison():
    assert square_is_better({"square": 50}, 100) is None
    assert square_suspicion({"square": 50}, 100) is None
    assert square_is_better({"apgd-ce": 9, "square": 2}, 1000) is False
    assert square_is_better({"apgd-ce": 9, "square": 3}, 1000) is True
    assert square_suspicion({"apgd-ce": 9, "square": 0}, 100) is None
