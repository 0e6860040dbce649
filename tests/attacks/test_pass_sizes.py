"""Sizes of passes: whole micro-batches and a rest, never at the price of a bit."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fairbench.attacks import apgd, autoattack
from fairbench.attacks.network import Network
from fairbench.attacks.search import in_groups
from fairbench.attacks.shapes import exact_shapes, search_sizes, sizes_for, verdict_sizes
from fairbench.attacks.steady_linear import SteadyLinear


@given(rows=st.integers(0, 500), kinds=st.sets(st.integers(1, 63)))
def test_sizes_hold_all_rows_and_little_more(rows, kinds):
    shapes = (*sorted(kinds), 64)
    sizes = sizes_for(rows, shapes)
    assert sum(sizes) >= rows
    assert set(sizes) <= set(shapes)
    assert sizes.count(64) >= rows // 64
    assert sum(sizes) - rows < min((size for size in shapes if size >= rows % 64), default=64)


@given(rows=st.integers(0, 300), most=st.integers(1, 60), shares=st.integers(1, 5))
def test_groups_hold_every_row_once_and_the_last_round_is_even(rows, most, shares):
    groups = in_groups(torch.arange(rows), most, shares)
    assert torch.equal(torch.cat([torch.arange(0), *groups]), torch.arange(rows))
    sizes = [len(group) for group in groups]
    assert all(0 < size <= most for size in sizes)
    rounds = rows // (most * shares)
    assert sizes[: rounds * shares] == [most] * (rounds * shares)
    last = sizes[rounds * shares :]
    assert len(last) <= shares
    assert not last or max(last) - min(last) <= 1


def test_groups_of_two_threads():
    assert [len(group) for group in in_groups(torch.arange(337), 28, 2)] == [28] * 12 + [1]
    assert [len(group) for group in in_groups(torch.arange(337), 256, 2)] == [169, 168]


def test_smaller_sizes_are_used_only_where_every_bit_is_the_same():
    sample = torch.rand(64, 1, 4, 4)

    def honest(x):
        return [x.flatten(1) * 3, x]

    def rounds_by_size(x):
        return [x * (1 + 1e-7 * (len(x) == 32))]

    def exact(answers, sample):
        return exact_shapes(lambda parts: [answers(part) for part in parts], sample, search_sizes(len(sample)))

    assert exact(honest, sample) == (2, 3, 4, 6, 8, 12, 16, 24, 32, 40, 48, 56, 64)
    assert exact(rounds_by_size, sample) == (2, 3, 4, 6, 8, 12, 16, 24, 40, 48, 56, 64)
    assert exact(honest, sample[:5]) == (2, 3, 4, 5)
    assert exact(honest, sample[:1]) == (1,)
    assert exact(lambda x: [x + torch.rand_like(x)], sample) == (64,)


def test_verdicts_have_few_sizes():
    assert verdict_sizes(256) == [16, 32, 64, 128]
    assert verdict_sizes(16) == verdict_sizes(4) == []


@pytest.mark.parametrize("rows", [1, 2, 7, 15, 16, 23])
def test_a_steady_layer_answers_few_rows_as_it_answers_many(rows):
    torch.manual_seed(0)
    layer = SteadyLinear(nn.Linear(512, 10))
    x, weights = torch.rand(64, 512), torch.randn(64, 10)

    def ask(part):
        images = x[part].clone().requires_grad_()
        logits = layer(images)
        return logits.detach(), torch.autograd.grad((logits * weights[part]).sum(), images)[0]

    many, few = ask(slice(0, 64)), ask(slice(64 - rows, 64))
    assert all(torch.equal(a[-rows:], b) for a, b in zip(many, few, strict=True))
    torch.testing.assert_close(many[0], nn.functional.linear(x, layer.weight, layer.bias))
    tokens = torch.rand(rows, 3, 512)
    torch.testing.assert_close(layer(tokens), nn.functional.linear(tokens, layer.weight, layer.bias))


def test_a_network_that_sees_its_company_is_asked_in_one_size(digits):
    class Sociable(nn.Module):
        def forward(self, x):
            return digits.network(x) + 1e-4 * len(x)

    result = autoattack(Sociable().eval(), digits.x[:9], digits.y[:9], eps=0.1, attacks=["apgd-ce"], micro_batch=128)
    assert result.checks["shapes"] == [128]
    usual = autoattack(digits.network, digits.x[:9], digits.y[:9], eps=0.1, attacks=["apgd-ce"], micro_batch=128)
    assert usual.checks["shapes"][-1] == 128
    assert len(usual.checks["shapes"]) > 1
    assert usual.log["apgd-ce"]["passes"]["gradient"] < result.log["apgd-ce"]["passes"]["gradient"]


class Hungry(nn.Module):
    """Has memory for so many images at once."""

    def __init__(self, network: nn.Module, most: int) -> None:
        super().__init__()
        self.network, self.most = network, most

    def forward(self, x):
        if len(x) > self.most:
            raise torch.OutOfMemoryError("no room")
        return self.network(x)


def test_out_of_memory_halves_the_passes_and_says_so(digits):
    x, y = digits.x[:20], digits.y[:20]
    result = apgd(Hungry(digits.network, 40).eval(), x, y, eps=digits.eps)
    assert result.checks["micro_batch"] <= 40
    assert "out of memory: begun again with 32 images to a pass" in result.checks["notes"][-1]
    roomy = apgd(digits.network, x, y, eps=digits.eps, micro_batch=32)
    assert torch.equal(result.x_adv, roomy.x_adv)
    with pytest.raises(torch.OutOfMemoryError):
        apgd(Hungry(digits.network, 40).eval(), x, y, eps=digits.eps, micro_batch=64)
    with pytest.raises(torch.OutOfMemoryError):
        apgd(Hungry(digits.network, 0).eval(), x, y, eps=digits.eps)


class Noisy(nn.Module):
    """Moves every image by random noise before it answers."""

    def __init__(self, network: nn.Module, size: float) -> None:
        super().__init__()
        self.network, self.size = network, size

    def forward(self, x):
        return self.network(x + self.size * torch.randn_like(x))


def test_a_gradient_is_the_mean_over_what_the_network_draws():
    draws = iter([1.0, 2.0, 6.0])

    def drawing(x):
        return x.flatten(1) * next(draws)

    network = Network(drawing, drawing, (2,), transformations=3)
    x = torch.rand(2, 1, 1, 3)
    gradient, logits, losses = network.gradient(x, lambda z: z.sum(dim=1))
    torch.testing.assert_close(gradient, torch.full_like(x, 3.0))
    torch.testing.assert_close(logits, 3 * x.flatten(1))
    torch.testing.assert_close(losses, 3 * x.flatten(1).sum(dim=1))
    assert network.passes.gradient == 6


@pytest.mark.prove
def test_rand_averages_gradients_over_what_the_network_draws(digits):
    x, y = digits.x[:40], digits.y[:40]
    noisy = Noisy(digits.network, 0.2).eval()
    before = torch.get_rng_state()
    result = autoattack(noisy, x, y, eps=digits.eps, version="rand", micro_batch=40)
    assert torch.equal(torch.get_rng_state(), before)
    assert list(result.log) == ["apgd-ce", "apgd-dlr"]
    assert result.checks["randomised"]
    again = autoattack(noisy, x, y, eps=digits.eps, version="rand", micro_batch=40)
    assert torch.equal(result.x_adv, again.x_adv)
    single = autoattack(noisy, x, y, eps=digits.eps, attacks=["apgd-ce", "apgd-dlr"], micro_batch=40)
    passes, once = (found.log["apgd-ce"]["passes"]["gradient"] for found in (result, single))
    assert passes > 10 * once
    # The mean gradient sees the network behind the noise: its points fool the quiet network more often.
    with torch.no_grad():
        mean, one = ((digits.network(found.x_adv).argmax(dim=1) != y).sum() for found in (result, single))
    assert mean >= one
