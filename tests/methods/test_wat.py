"""WAT: the Hedge player's weights, its costs, and the loss they make."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fairbench.data import Split, to_unit
from fairbench.training.feedback import Feedback, HeldOutAttack, HeldOutResult
from fairbench.training.seams import Batch

K = 4


class ScriptedFeedback:
    """Held-out sums as scripted; remembers the attack that was asked for."""

    def __init__(self, cross_entropy, kl, total):
        self.result = HeldOutResult(
            total=torch.tensor(total),
            clean_correct=torch.zeros(K),
            adversarial_correct=torch.zeros(K),
            cross_entropy=torch.tensor(cross_entropy),
            adversarial_cross_entropy=torch.zeros(K),
            kl=torch.tensor(kl),
        )

    def validate(self, attack):
        self.attack = attack
        return self.result


def with_costs(tiny, costs, written="wat"):
    method = tiny.bound(written, tiny.network())
    method.costs = torch.tensor(costs)
    return method


def test_in_the_first_epoch_the_loss_is_twice_that_of_trades(tiny, seams):
    network, batch = tiny.network(), tiny.batch()
    views = seams.views(batch)
    wat, trades = (seams.loss(tiny.bound(written, network), batch, views) for written in ("wat", "trades"))
    torch.testing.assert_close(wat, 2 * trades)


@pytest.mark.parametrize(
    ("written", "costs"), [("wat?rate=0", [0.3, 9.0, 1.0, 2.0, 5.0]), ("wat?rate=2", [1.7, 1.7, 1.7, 1.7, 1.7])]
)
def test_equal_weights_give_2k_over_k_plus_1_times_trades(tiny, seams, written, costs):
    network, batch = tiny.network(), tiny.batch()
    views = seams.views(batch)
    method = tiny.bound(written, network)
    method.costs = torch.tensor(costs)
    torch.testing.assert_close(method.expert_weights, torch.full((K + 1,), K / (K + 1)))
    expected = 2 * K / (K + 1) * seams.loss(tiny.bound("trades", network), batch, views)
    torch.testing.assert_close(seams.loss(method, batch, views), expected)


@given(st.lists(st.floats(0, 60), min_size=K + 1, max_size=K + 1), st.floats(0, 2), st.floats(-20, 20))
def test_weights_are_those_of_hedge(tiny, costs, rate, shift):
    method = with_costs(tiny, costs, f"wat?rate={rate}")
    weights = method.expert_weights
    highest = max(costs)
    exponentials = [math.exp(rate * (cost - highest)) for cost in costs]
    expected = torch.tensor([K * e / sum(exponentials) for e in exponentials])
    torch.testing.assert_close(weights, expected, rtol=1e-4, atol=1e-6)
    assert float(weights.sum()) == pytest.approx(K, rel=1e-5)
    shifted = with_costs(tiny, [cost + shift for cost in costs], f"wat?rate={rate}")
    torch.testing.assert_close(shifted.expert_weights, weights, rtol=1e-4, atol=1e-6)


def test_huge_costs_do_not_overflow(tiny):
    weights = with_costs(tiny, [1e6, 0.0, 1e6 - 5, 0.0, 0.0], "wat?rate=1").expert_weights
    assert torch.isfinite(weights).all()
    assert float(weights[0] / weights[2]) == pytest.approx(math.exp(5), rel=1e-4)


def test_costs_are_class_means_that_add_up_over_epochs(tiny):
    method = tiny.bound("wat?trades.beta=2", tiny.network())
    feedback = ScriptedFeedback([2.0, 4.0, 6.0, 0.0], [1.0, 0.0, 3.0, 5.0], [2.0, 4.0, 2.0, 5.0])
    for epochs in (1, 2):
        method.end_epoch(feedback)
        cost = [2.0, 1.0, 6.0, 2.0]  # (CE + 2 KL) / total
        torch.testing.assert_close(method.costs, epochs * torch.tensor([*cost, sum(cost) / 4]))
    assert feedback.attack == HeldOutAttack(loss="kl", steps=5, epsilon=0.2, step_size=0.05)


def test_costs_of_a_real_split_are_the_mean_trades_losses_of_its_classes(tiny):
    network = tiny.network()
    images = torch.randint(256, (20, 1, 3, 3), generator=tiny.generator(1), dtype=torch.uint8)
    split = Split(images, torch.arange(20) % K)
    method = tiny.bound("wat", network, steps=0)  # the attack ends at its start, next to the image
    method.end_epoch(Feedback(network, split, K).at(tiny.clock(epoch=1), None))
    clean = torch.nn.functional.cross_entropy(network(to_unit(images)), split.labels, reduction="none").detach()
    expected = torch.stack([clean[split.labels == c].mean() for c in range(K)])
    torch.testing.assert_close(method.costs[:K], expected, rtol=1e-2, atol=1e-2)


def test_the_two_forms_of_the_loss_agree(tiny, seams):
    network, batch = tiny.network(), tiny.batch(size=20)
    views = seams.views(batch)
    method = tiny.bound("wat?rate=0.5", network)
    method.costs = torch.tensor([0.5, 2.0, 1.0, 3.0, 1.5])
    weights = method.expert_weights
    terms = method.losses(batch, views)
    losses = terms.per_sample["natural"] + 6 * terms.per_sample["boundary"]
    of_classes = sum(weights[y] * loss for y, loss in zip(batch.y, losses, strict=True)) / 20
    expected = of_classes + weights[-1] * losses.mean()
    torch.testing.assert_close(seams.loss(method, batch, views), expected)


@given(st.permutations(range(K)))
def test_renaming_the_classes_renames_the_weights(tiny, order):
    costs = torch.tensor([0.5, 2.0, 1.0, 3.0])
    average = costs.mean()[None]
    plain = with_costs(tiny, torch.cat([costs, average]).tolist(), "wat?rate=1")
    renamed = with_costs(tiny, torch.cat([costs[list(order)], average]).tolist(), "wat?rate=1")
    torch.testing.assert_close(renamed.expert_weights[:K], plain.expert_weights[:K][list(order)])


def test_a_class_that_is_absent_from_the_batch_moves_no_other(tiny):
    method = with_costs(tiny, [0.5, 2.0, 1.0, 3.0, 1.5], "wat?rate=1")
    x = torch.rand(6, 1, 3, 3, generator=tiny.generator(0))
    batch = Batch(x, torch.tensor([0, 1, 0, 1, 3, 3]), tiny.clock())
    terms = tiny.bound("trades", method.network).losses(
        batch, type("V", (), {"x": {"adversarial": x}, "traces": {}, "soft_labels": {}})()
    )
    weights = method.weigh(terms, batch)
    expected = method.expert_weights[batch.y] + method.expert_weights[-1]
    torch.testing.assert_close(weights["natural"], expected)
    torch.testing.assert_close(weights["boundary"], 6 * expected)


def test_a_saved_player_remembers_its_costs_and_a_stranger_state_is_refused(tiny):
    method = with_costs(tiny, [0.5, 2.0, 1.0, 3.0, 1.5])
    fresh = tiny.bound("wat", tiny.network())
    fresh.load_state_dict(method.state_dict())
    torch.testing.assert_close(fresh.expert_weights, method.expert_weights)
    from fairbench.errors import UsageError

    with pytest.raises(UsageError, match="Wat keeps"):
        fresh.load_state_dict({"weights": torch.zeros(5)})
