"""PGD-AT, TRADES and training on clean images: their losses written out, and their attacks."""

import copy
import math

import pytest
import torch

from fairbench.training.seams import Views


def log_softmax(row):
    highest = max(row)
    return [value - highest - math.log(sum(math.exp(v - highest) for v in row)) for value in row]


def by_hand(network, batch, x_adv, beta):
    """Mean cross-entropy and mean summed KL(clean || adversarial), sample by sample."""
    natural, boundary = [], []
    for clean, adversarial, y in zip(network(batch.x).tolist(), network(x_adv).tolist(), batch.y.tolist(), strict=True):
        log_p, log_q = log_softmax(clean), log_softmax(adversarial)
        natural.append(-log_p[y])
        boundary.append(sum(math.exp(p) * (p - q) for p, q in zip(log_p, log_q, strict=True)))
    size = len(natural)
    return sum(natural) / size + beta * sum(boundary) / size


@pytest.mark.parametrize("beta", [6.0, 1.5, 0.0])
def test_the_loss_of_trades(tiny, seams, beta):
    network, batch = tiny.network(), tiny.batch()
    views = seams.views(batch)
    method = tiny.bound(f"trades?beta={beta}", network)
    loss = seams.loss(method, batch, views)
    expected = by_hand(network, batch, views.x["adversarial"], beta)
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)
    assert float(method.losses(batch, views).base_loss().detach()) == pytest.approx(expected, rel=1e-5)
    divided = seams.loss(tiny.bound(f"trades?beta={beta}&divide=true", network), batch, views)
    torch.testing.assert_close(divided * (1 + beta), loss)


def test_trades_without_beta_is_clean_training_and_at_the_image_itself_too(tiny, seams):
    network, batch = tiny.network(), tiny.batch()
    clean = seams.loss(tiny.bound("natural", network), batch, Views({}))
    torch.testing.assert_close(seams.loss(tiny.bound("trades?beta=0", network), batch, seams.views(batch)), clean)
    unmoved = Views({"adversarial": batch.x})
    torch.testing.assert_close(seams.loss(tiny.bound("trades", network), batch, unmoved), clean)


def test_a_constant_on_all_logits_changes_no_loss(tiny, seams):
    network, batch = tiny.network(), tiny.batch()
    shifted = copy.deepcopy(network)
    with torch.no_grad():
        shifted.bias.add_(7)
    views = seams.views(batch)
    for written in ("pgd_at", "trades", "natural"):
        torch.testing.assert_close(
            seams.loss(tiny.bound(written, network), batch, views),
            seams.loss(tiny.bound(written, shifted), batch, views),
        )


def test_gradients_of_trades_flow_through_both_branches(tiny, seams):
    network, batch = tiny.network(), tiny.batch()
    method, views = tiny.bound("trades", network), seams.views(batch)
    gradient = seams.gradient(method, seams.loss(method, batch, views))
    clean, adversarial = network(batch.x), network(views.x["adversarial"])
    cross_entropy = torch.nn.functional.cross_entropy(clean, batch.y)

    def kl(target, logits):
        return torch.nn.functional.kl_div(
            logits.log_softmax(1), target.log_softmax(1), reduction="batchmean", log_target=True
        )

    expected = seams.gradient(method, cross_entropy + 6 * kl(clean, adversarial))
    torch.testing.assert_close(gradient, expected)
    one_branch = seams.gradient(
        method,
        torch.nn.functional.cross_entropy(network(batch.x), batch.y)
        + 6 * kl(clean.detach(), network(views.x["adversarial"])),
    )
    assert not torch.allclose(gradient, one_branch, atol=1e-4)


def test_the_loss_of_adversarial_training_is_the_cross_entropy_at_the_perturbed_images(tiny, seams):
    network, batch = tiny.network(), tiny.batch()
    views = seams.views(batch)
    expected = torch.nn.functional.cross_entropy(network(views.x["adversarial"]), batch.y)
    torch.testing.assert_close(seams.loss(tiny.bound("pgd_at", network), batch, views), expected)


@pytest.mark.parametrize("written", ["pgd_at", "trades"])
def test_attacks_stay_in_the_ball_and_in_the_box_and_reach_its_border(tiny, seams, written):
    method, batch = tiny.bound(written, tiny.network(), epsilon=0.15, step_size=0.04, steps=6), tiny.batch(size=20)
    x_adv = seams.perturb(method, batch).x["adversarial"]
    distance = (x_adv - batch.x).abs().flatten(1).amax(dim=1)
    assert (distance <= 0.15 + 1e-6).all()
    assert (distance >= 0.15 - 1e-6).all()
    assert x_adv.min() >= 0
    assert x_adv.max() <= 1
    assert not x_adv.requires_grad
    assert all(parameter.grad is None and parameter.requires_grad for parameter in method.network.parameters())


@pytest.mark.parametrize(
    ("written", "mode"),
    [("pgd_at", "train"), ("trades", "eval"), ("pgd_at?attack_bn=eval", "eval"), ("trades?attack_bn=train", "train")],
)
def test_batch_norm_while_attacking_is_as_published_unless_asked_otherwise(tiny, seams, written, mode):
    network = tiny.bn_network().train()
    method = tiny.bound(written, network)
    before = copy.deepcopy(network[1].running_mean)
    seams.perturb(method, tiny.batch())
    assert method.attack_bn == mode
    assert torch.equal(network[1].running_mean, before) == (mode == "eval")
    assert network.training
    assert method.hidden_settings()["attack_bn"] == mode


def test_training_on_clean_images_neither_perturbs_nor_needs_to(tiny, seams):
    network, batch = tiny.network(), tiny.batch()
    method = tiny.bound("natural", network)
    views = seams.perturb(method, batch)
    assert not views.x
    expected = torch.nn.functional.cross_entropy(network(batch.x), batch.y)
    torch.testing.assert_close(seams.loss(method, batch, views), expected)


def test_the_adversarial_start_of_trades_is_small_and_not_zero(tiny, seams):
    method, batch = tiny.bound("trades", tiny.network(), steps=1, step_size=0.0), tiny.batch(size=40)
    noise = seams.perturb(method, batch).x["adversarial"] - batch.x
    inside = noise[(batch.x > 0.01) & (batch.x < 0.99)]
    assert 0.0008 < float(inside.std()) < 0.0012
