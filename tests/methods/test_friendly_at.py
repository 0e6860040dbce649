"""Friendly AT: when samples stop, how the patience grows, and the three forms of its loss."""

from itertools import pairwise

import pytest
import torch

from fairbench.compose import compose
from fairbench.losses import cross_entropy
from fairbench.training.seams import Batch, Inner


def attacked(tiny, written, network, batch, **changes):
    """The views after the attack alone, as the objective of the written form makes them."""
    method = tiny.bound(written, network, **changes)
    return method.perturb(batch, method.prepare(batch))


def at_epoch(tiny, batch, epoch, epochs):
    return Batch(batch.x, batch.y, tiny.clock(epoch=epoch, epochs=epochs))


@pytest.mark.parametrize(("form", "plain"), [("at", "pgd_at"), ("trades", "trades"), ("mart", "mart")])
def test_patience_beyond_the_last_step_is_the_plain_attack(tiny, form, plain):
    network, batch = tiny.network(), tiny.batch()
    friendly = attacked(tiny, f"friendly_at?form={form}&tau=5&jitter=0", network, batch)
    ordinary = attacked(tiny, plain, network, batch)
    # The first step clips what TRADES' and MART's start leaves outside the unit box.
    torch.testing.assert_close(friendly.x["adversarial"], ordinary.x["adversarial"])
    assert (friendly.traces["steps"] == 5).all()


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("friendly_at", "pgd on the cross-entropy, stopped early"),
        ("friendly_at?form=mart", "pgd on the cross-entropy, stopped early"),
        ("friendly_at?form=trades", "pgd on KL(clean || adversarial), stopped early"),
        ("cfa@friendly?form=trades", "pgd on KL(clean || adversarial), stopped early"),
    ],
)
def test_the_record_names_the_attack_of_the_form(tiny, written, name):
    assert tiny.bound(written, tiny.network()).attack_name == name


@pytest.mark.parametrize("form", ["at", "trades", "mart"])
def test_without_patience_samples_stop_where_they_are_first_misclassified(tiny, form):
    network, batch = tiny.network(), tiny.batch(size=40)
    views = attacked(tiny, f"friendly_at?form={form}&tau=0&jitter=0", network, batch, steps=8)
    steps = views.traces["steps"]
    wrong = network(views.x["adversarial"]).argmax(dim=1) != batch.y
    assert wrong[steps < 8].all()
    assert (steps == 0).any()
    assert ((steps > 0) & (steps < 8)).any()
    starts = attacked(tiny, f"friendly_at?form={form}&tau=0", network, batch, steps=0).x["adversarial"]
    assert torch.equal(views.x["adversarial"][steps == 0], starts[steps == 0])


def test_steps_grow_with_the_patience_and_end_at_the_plain_attack(tiny):
    network, batch = tiny.network(), tiny.batch(size=40)
    counts = [attacked(tiny, f"friendly_at?tau={tau}&jitter=0", network, batch).traces["steps"] for tau in range(6)]
    assert all((fewer <= more).all() for fewer, more in pairwise(counts))
    assert counts[0].min() == 0
    assert (counts[5] == 5).all()


@pytest.mark.parametrize(
    ("form", "epochs", "patience"),
    [
        ("at", 120, {0: 0, 49: 0, 50: 1, 89: 1, 90: 2, 119: 2}),
        ("trades", 85, {29: 0, 30: 1, 49: 1, 50: 2, 69: 2, 70: 3, 84: 3}),
        ("mart", 90, {19: 0, 20: 1, 39: 1, 40: 2, 59: 2, 60: 3, 79: 3, 80: 4}),
        ("at", 12, {0: 0, 4: 0, 5: 1, 8: 1, 9: 2}),
    ],
)
def test_the_patience_grows_as_in_the_public_code(tiny, form, epochs, patience):
    objective = compose(f"friendly_at?form={form}").recipe().method.objective
    found = {epoch: objective.tau(at_epoch(tiny, tiny.batch(), epoch, epochs)) for epoch in patience}
    assert found == patience
    fixed = compose(f"friendly_at?form={form}&tau=3").recipe().method.objective
    assert fixed.tau(at_epoch(tiny, tiny.batch(), 0, epochs)) == 3


@pytest.mark.parametrize(("form", "plain"), [("at", "pgd_at"), ("trades", "trades"), ("mart", "mart")])
def test_the_outer_loss_is_that_of_the_form(tiny, seams, form, plain):
    network, batch = tiny.network(), tiny.batch()
    views = seams.views(batch)
    losses = [seams.loss(tiny.bound(written, network), batch, views) for written in (f"friendly_at?form={form}", plain)]
    torch.testing.assert_close(losses[0], losses[1])
    losses = [
        seams.loss(tiny.bound(written, network), batch, views)
        for written in (f"friendly_at?form={form}&beta=2.5", "pgd_at" if form == "at" else f"{plain}?beta=2.5")
    ]
    torch.testing.assert_close(losses[0], losses[1])


def test_only_the_at_form_jitters_and_stays_inside_the_ball(tiny):
    network, batch = tiny.network(), tiny.batch()
    for form, is_moved in (("at", True), ("trades", False), ("mart", False)):
        default = attacked(tiny, f"friendly_at?form={form}&tau=5", network, batch).x["adversarial"]
        without = attacked(tiny, f"friendly_at?form={form}&tau=5&jitter=0", network, batch).x["adversarial"]
        assert torch.equal(default, without) != is_moved
        assert (default - batch.x).abs().max() <= 0.2 + 1e-6
        assert default.min() >= 0
        assert default.max() <= 1
    strong = attacked(tiny, "friendly_at?tau=5&jitter=0.5", network, batch).x["adversarial"]
    assert (strong - batch.x).abs().max() <= 0.2 + 1e-6


def test_the_variant_of_cfa_counts_misclassified_checks_and_stops_when_they_are_used_up(tiny):
    network = tiny.network(num_classes=2)
    with torch.no_grad():
        network.weight.zero_()
        network.bias.copy_(torch.tensor([0.0, 1.0]))  # always class 1
    x = torch.full((2, 1, 3, 3), 0.5)
    batch = Batch(x, torch.tensor([0, 1]), tiny.clock())
    counts = {
        written: attacked(tiny, written, network, batch, num_classes=2).traces["steps"].tolist()
        for written in ("friendly_at?tau=3&rearm=false", "friendly_at?tau=3", "friendly_at?tau=0&rearm=false")
    }
    # The first image is wrong at every check: tau steps before the stop, or tau checks; the second never is.
    assert counts["friendly_at?tau=3"] == [3, 5]
    assert counts["friendly_at?tau=3&rearm=false"] == [2, 5]
    assert counts["friendly_at?tau=0&rearm=false"] == [0, 0]


@pytest.mark.parametrize("form", ["at", "trades", "mart"])
def test_targets_turn_every_form_into_a_targeted_attack(tiny, form):
    network, batch = tiny.network(), tiny.batch(size=30)
    targets = (batch.y + 1) % 4
    objective = tiny.bound(f"friendly_at?form={form}&tau=5", network).objective
    x_adv = objective.perturb(batch, Inner(epsilon=0.2, step_size=0.05, targets=targets)).x["adversarial"]
    before, after = (cross_entropy(network(x), targets).mean() for x in (batch.x, x_adv))
    assert after < before - 0.1


def test_cfa_stands_on_its_own_variant_and_lambda_0_7():
    composition = compose("cfa@friendly")
    assert composition.options["cfa"]["radius_base"] == 0.7
    assert composition.options["friendly"] | {"form": "at", "beta": 6.0} == {
        "form": "at",
        "tau": 3,
        "rearm": False,
        "jitter": 0.0,
        "beta": 6.0,
    }
    assert composition.recipe().method.attack_bn == "train"
    assert composition.written == "cfa@friendly"
    assert compose("cfa@friendly?radius_base=0.2&friendly.tau=1").options["cfa"]["radius_base"] == 0.2
    assert compose("friendly_at").recipe().method.attack_bn == "eval"
