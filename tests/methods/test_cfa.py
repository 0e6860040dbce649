"""CFA against its calibration rules (Wei et al., CVPR 2023)."""

import pytest
import torch

from fairbench.training.seams import Terms, Views
from fairbench.training.statistics import EpochStatistics


class AfterEpoch:
    """Feedback whose training statistics hold scripted accuracies."""

    def __init__(self, tiny, accuracy, *, epochs_done, epochs, seen=20):
        self.clock = tiny.clock(epoch=epochs_done, epochs=epochs)
        self.train = EpochStatistics(len(accuracy))
        y = torch.arange(len(accuracy)).repeat_interleave(seen)
        right = torch.cat([torch.arange(seen) < round(share * seen) for share in accuracy])
        answers = torch.where(right, y, (y + 1) % len(accuracy))
        logits = torch.nn.functional.one_hot(answers, len(accuracy)).float()
        # The clean view says something else: CFA looks at the adversarial one.
        views = {"adversarial": logits, "clean": torch.zeros_like(logits)}
        self.train.add(Terms({}, {}, views), Views({}), y)


ACCURACY = (0.9, 0.2, 0.5, 0.0)


def calibrated(tiny, written, network, accuracy=ACCURACY, **setting):
    method = tiny.bound(written, network, **setting)
    method.end_epoch(AfterEpoch(tiny, accuracy, epochs_done=2, epochs=4))
    return method


@pytest.mark.parametrize(
    ("written", "base"),
    [("cfa", 0.5), ("cfa@trades", 0.3), ("cfa?radius_base=0.7", 0.7), ("cfa@trades?radius_base=0", 0)],
)
def test_the_radius_of_a_class_is_its_base_plus_its_accuracy_times_epsilon(tiny, seams, written, base):
    method = calibrated(tiny, written, tiny.network(), epsilon=0.1, step_size=0.02, steps=12)
    batch = tiny.batch(size=40)
    inner = method.prepare(batch)
    radius = 0.1 * (base + torch.tensor(ACCURACY))[batch.y]
    torch.testing.assert_close(inner.epsilon, radius)
    assert inner.step_size == 0.02
    distance = (seams.perturb(method, batch).x["adversarial"] - batch.x).abs().flatten(1).amax(dim=1)
    assert (distance <= radius + 1e-6).all()
    assert (distance >= radius - 1e-6).all()
    assert method.diagnostics()["margins"].tolist() == pytest.approx([base + share for share in ACCURACY])


@pytest.mark.parametrize("prepared", ["before the start", "base 0 and accuracy 1"])
def test_a_factor_of_one_is_plain_adversarial_training_to_the_bit(tiny, seams, prepared):
    network, batch = tiny.network(), tiny.batch()
    method = tiny.bound("cfa", network)
    if prepared != "before the start":
        method = calibrated(tiny, "cfa?radius_base=0", tiny.network(), accuracy=(1.0,) * 4)
    views = [seams.perturb(each, batch) for each in (method, tiny.bound("pgd_at", network))]
    assert torch.equal(*(view.x["adversarial"] for view in views))
    losses = [seams.loss(each, batch, views[0]) for each in (method, tiny.bound("pgd_at", method.network))]
    assert torch.equal(*losses)


def loss_by_hand(network, batch, views, shares):
    clean, adversarial = (network(x).detach().log_softmax(1) for x in (batch.x, views.x["adversarial"]))
    total = 0.0
    for i, label in enumerate(batch.y.tolist()):
        kl = float((clean[i].exp() * (clean[i] - adversarial[i])).sum())
        total += (1 - shares[label]) * -float(clean[i, label]) + shares[label] * kl
    return total / len(batch.y)


@pytest.mark.parametrize(("written", "base"), [("cfa@trades", 0.5), ("cfa@trades?regularisation_base=0.1", 0.1)])
def test_the_share_of_the_boundary_term_follows_the_accuracy(tiny, seams, written, base):
    method, batch = calibrated(tiny, written, tiny.network()), tiny.batch()
    beta = [6 * (base + share) for share in ACCURACY]
    shares = [value / (1 + value) for value in beta]
    views = seams.views(batch)
    loss = seams.loss(method, batch, views)
    assert float(loss.detach()) == pytest.approx(loss_by_hand(method.network, batch, views, shares), rel=1e-5)


@pytest.mark.parametrize("prepared", ["before the start", "base plus accuracy is 1"])
def test_a_regularisation_factor_of_one_is_a_seventh_of_trades(tiny, seams, prepared):
    network, batch = tiny.network(), tiny.batch()
    method = tiny.bound("cfa@trades", network)
    if prepared != "before the start":
        method = calibrated(tiny, "cfa@trades?regularisation_base=0.5", network, accuracy=(0.5,) * 4)
    views = seams.views(batch)
    trades = seams.loss(tiny.bound("trades", network), batch, views)
    torch.testing.assert_close(7 * seams.loss(method, batch, views), trades)


def test_dividing_the_loss_of_trades_changes_nothing_for_cfa(tiny, seams):
    network, batch = tiny.network(), tiny.batch()
    views = seams.views(batch)
    plain, divided = (calibrated(tiny, f"cfa@trades?divide={divide}", network) for divide in ("false", "true"))
    torch.testing.assert_close(seams.loss(plain, batch, views), seams.loss(divided, batch, views))


def test_adversarial_training_has_no_regularisation_to_calibrate(tiny, seams):
    method, batch = calibrated(tiny, "cfa", tiny.network()), tiny.batch()
    views = seams.views(batch)
    expected = torch.nn.functional.cross_entropy(method.network(views.x["adversarial"]), batch.y)
    torch.testing.assert_close(seams.loss(method, batch, views), expected)


def test_calibration_begins_with_the_eleventh_of_200_epochs_and_follows_the_last_epoch(tiny):
    method = tiny.bound("cfa", tiny.network())
    factors = []
    for epoch in range(12):
        factors.append(method.diagnostics()["margins"].tolist())
        accuracy = tuple(((epoch + k) % 10) / 10 for k in range(4))
        method.end_epoch(AfterEpoch(tiny, accuracy, epochs_done=epoch + 1, epochs=200))
    assert factors[:10] == [[1.0] * 4] * 10
    assert factors[10] == pytest.approx([0.5 + ((9 + k) % 10) / 10 for k in range(4)])
    assert factors[11] == pytest.approx([0.5 + ((10 + k) % 10) / 10 for k in range(4)])


def test_a_start_at_once_calibrates_from_the_second_epoch_on(tiny):
    method = tiny.bound("cfa?cfa.start=0", tiny.network())
    assert method.diagnostics()["margins"].tolist() == [1.0] * 4
    method.end_epoch(AfterEpoch(tiny, ACCURACY, epochs_done=1, epochs=200))
    assert method.diagnostics()["margins"].tolist() == pytest.approx([0.5 + share for share in ACCURACY])


@pytest.mark.parametrize(("written", "mode"), [("cfa", "train"), ("cfa@trades", "eval")])
def test_the_attack_runs_in_the_mode_of_the_public_code(tiny, seams, written, mode):
    network = tiny.bn_network().train()
    method = tiny.bound(written, network)
    before = network[1].running_mean.clone()
    seams.perturb(method, tiny.batch())
    assert method.attack_bn == mode
    assert torch.equal(network[1].running_mean, before) == (mode == "eval")


def test_the_state_comes_back_before_the_start_and_after_it(tiny):
    for method in (tiny.bound("cfa", tiny.network()), calibrated(tiny, "cfa", tiny.network())):
        other = tiny.bound("cfa", tiny.network())
        other.load_state_dict(method.state_dict())
        assert torch.equal(other.diagnostics()["margins"], method.diagnostics()["margins"])
