"""BAT: the two points that bracket the boundary, and the loss of four terms."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fairbench.training.seams import Batch, Views


def bracketed(tiny, network, batch, written="bat", **changes):
    method = tiny.bound(written, network, **changes)
    return method.perturb(batch, method.prepare(batch)).x


def constant_network(tiny, answer):
    """Answers one class by a wide margin, yet with a gradient."""
    network = tiny.network()
    with torch.no_grad():
        network.bias[answer] += 1e3
    return network


def of_class(tiny, answer, *, size=10):
    batch = tiny.batch(size=size)
    return Batch(batch.x, torch.full((size,), answer), batch.clock)


def test_a_network_that_is_never_fooled_gives_the_full_attack_twice(tiny):
    network, batch = constant_network(tiny, 2), of_class(tiny, 2)
    both = bracketed(tiny, network, batch)
    trades = tiny.bound("trades", network)
    first, second = (trades.perturb(batch, trades.prepare(batch)).x["adversarial"] for _ in range(2))
    torch.testing.assert_close(both["last_clean"], first)
    torch.testing.assert_close(both["first_adversarial"], second)


def test_a_network_that_is_always_wrong_gives_the_start_and_one_step(tiny):
    network, batch = constant_network(tiny, 2), of_class(tiny, 1)
    both = bracketed(tiny, network, batch)
    assert (both["last_clean"] - batch.x).abs().max() < 0.01
    moved = (both["first_adversarial"] - batch.x).abs().max()
    assert moved <= 0.05 + 0.01
    first = bracketed(tiny, network, batch, "bat?patience=0")["first_adversarial"]
    assert (first - batch.x).abs().max() < 0.01


def test_points_that_were_stopped_lie_on_their_side_of_the_boundary(tiny):
    network, batch = tiny.network(), tiny.batch(size=60)
    right_at_first = network(batch.x).argmax(dim=1) == batch.y
    both = bracketed(tiny, network, batch, steps=20)
    adversarial_right = network(both["first_adversarial"]).argmax(dim=1) == batch.y
    clean_right = network(both["last_clean"]).argmax(dim=1) == batch.y
    fooled = right_at_first & ~adversarial_right
    assert fooled.sum() > 5
    assert clean_right[fooled].all()
    assert (both["last_clean"] - batch.x).abs().flatten(1).amax(dim=1)[~right_at_first].max() < 0.01


def loss_by_hand(logits, y, beta, uniformity):
    def softmax(z):
        exponentials = [math.exp(v) for v in z]
        return [e / sum(exponentials) for e in exponentials]

    last_clean, first_adversarial, clean = (softmax(z) for z in logits)
    divergence = sum(p * math.log(p / q) for p, q in zip(clean, first_adversarial, strict=True))
    penalties = [sum(p * math.log(p * len(z)) for p in z) for z in (last_clean, first_adversarial)]
    return -math.log(last_clean[y]) + beta * divergence + uniformity * sum(penalties)


@given(st.integers(0, 1000), st.floats(0, 8), st.floats(0, 2))
def test_the_loss_is_the_sum_of_the_four_terms(tiny, seams, seed, beta, uniformity):
    network, batch = tiny.network(seed=seed), tiny.batch(seed=seed, size=6)
    method = tiny.bound(f"bat?beta={beta}&uniformity={uniformity}", network)
    views = Views({"last_clean": (batch.x + 0.05).clamp(0, 1), "first_adversarial": (batch.x - 0.1).clamp(0, 1)})
    logits = [network(x).tolist() for x in (*views.x.values(), batch.x)]
    by_hand = [loss_by_hand(three, int(y), beta, uniformity) for *three, y in zip(*logits, batch.y, strict=True)]
    assert float(seams.loss(method, batch, views).detach()) == pytest.approx(sum(by_hand) / 6, rel=1e-4, abs=1e-5)


def test_uniform_terms_vanish_for_uniform_predictions_and_are_log_k_minus_entropy(tiny):
    network, batch = tiny.network(), tiny.batch()
    views = Views({"last_clean": batch.x, "first_adversarial": batch.x})
    terms = tiny.bound("bat", network).losses(batch, views)
    entropy = torch.distributions.Categorical(logits=network(batch.x)).entropy()
    torch.testing.assert_close(terms.per_sample["uniform_clean"], math.log(4) - entropy)
    with torch.no_grad():
        network.weight.zero_()
        network.bias.fill_(0.7)
    terms = tiny.bound("bat", network).losses(batch, views)
    for name in ("uniform_clean", "uniform_adversarial"):
        torch.testing.assert_close(terms.per_sample[name], torch.zeros(len(batch.y)))


def test_without_uniform_terms_and_bracket_it_is_trades(tiny, seams):
    network, batch = tiny.network(), tiny.batch()
    x_adv = (batch.x + 0.1).clamp(0, 1)
    bat = tiny.bound("bat?uniformity=0", network)
    trades = tiny.bound("trades", network)
    loss = seams.loss(bat, batch, Views({"last_clean": batch.x, "first_adversarial": x_adv}))
    torch.testing.assert_close(loss, seams.loss(trades, batch, Views({"adversarial": x_adv})))


def test_gradients_reach_all_three_forwards(tiny):
    network, batch = tiny.network(), tiny.batch()
    terms = tiny.bound("bat", network).losses(batch, Views({"last_clean": batch.x, "first_adversarial": batch.x + 0.1}))
    for name in ("clean", "last_clean", "adversarial"):
        (gradient,) = torch.autograd.grad(terms.base_loss(), terms.logits[name], retain_graph=True)
        assert gradient.abs().max() > 0
