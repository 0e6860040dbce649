"""Head-norm repair, confusional spectral regularisation and TRIX against small cases worked by hand."""

import numpy as np
import pytest
import torch
from fairbench.methods.head_norm import equalise_rows
from fairbench.methods.spectral import spectral_gains
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fairbench.errors import UsageError
from fairbench.losses import cross_entropy
from fairbench.models import create_model
from fairbench.training.feedback import Feedback
from fairbench.training.seams import Batch, Inner, Terms, Views
from fairbench.training.statistics import EpochStatistics

K = 4


def after_epoch(tiny, method, views, labels):
    """Close an epoch that saw these logits by view."""
    statistics = EpochStatistics(K)
    statistics.add(Terms({}, {}, views), Views({}), torch.tensor(labels))
    split = type("Split", (), {"images": None, "labels": None})()
    method.end_epoch(Feedback(method.network, split, K).at(tiny.clock(epoch=1), statistics))
    return method


# Head-norm repair


def test_all_rows_of_the_head_get_the_mean_length_and_keep_direction_and_bias(tiny):
    network = create_model("cnn_tiny", image_shape=(1, 8, 8), seed=0)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    tiny.bound("head_norm", network).finish(network)
    old, new = before["linear.weight"], network.linear.weight.detach()
    lengths = old.norm(dim=1)
    torch.testing.assert_close(new.norm(dim=1), lengths.mean().expand(10))
    torch.testing.assert_close(torch.cosine_similarity(old, new), torch.ones(10))
    untouched = [name for name in before if name != "linear.weight"]
    assert all(torch.equal(network.state_dict()[name], before[name]) for name in untouched)


def test_rows_of_equal_length_and_rows_of_zeros_stay():
    head = nn.Linear(2, 3)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[3.0, 4.0], [5.0, 0.0], [0.0, -5.0]]))
    before = head.weight.clone()
    equalise_rows(head)
    torch.testing.assert_close(head.weight, before)
    with torch.no_grad():
        head.weight[0] = 0
    equalise_rows(head)
    assert torch.equal(head.weight[0], torch.zeros(2))
    assert torch.isfinite(head.weight).all()


def test_a_network_without_such_a_head_is_refused(tiny):
    network = tiny.network()
    with pytest.raises(UsageError, match="ends in a linear layer called 'linear', not Affine"):
        tiny.bound("head_norm", network).finish(network)


# Confusional spectral regularisation


@given(st.integers(0, 10_000))
def test_gains_are_the_first_singular_vectors_rescaled(seed):
    confusion = torch.randint(1, 50, (5, 5), generator=torch.Generator().manual_seed(seed)).double()
    errors = confusion.numpy() * (1 - np.eye(5))
    values, vectors = np.linalg.eigh(errors.T @ errors)
    right = np.abs(vectors[:, -1])
    outer = np.outer(errors @ right / np.sqrt(values[-1]), right)
    expected = 0.01 + 2 * (outer - outer.min()) / (outer.max() - outer.min())
    gains = spectral_gains(confusion)
    torch.testing.assert_close(gains, torch.from_numpy(expected), rtol=1e-6, atol=1e-8)
    assert float(gains.min()) == pytest.approx(0.01)
    assert float(gains.max()) == pytest.approx(2.01)


@given(st.permutations(range(5)))
def test_renaming_the_classes_renames_the_gains(order):
    confusion = torch.randint(1, 50, (5, 5), generator=torch.Generator().manual_seed(1)).double()
    order = list(order)
    torch.testing.assert_close(spectral_gains(confusion[order][:, order]), spectral_gains(confusion)[order][:, order])


def test_without_confusions_all_gains_are_one():
    assert torch.equal(spectral_gains(torch.diag(torch.tensor([3.0, 4.0]))), torch.ones(2, 2))


def test_the_loss_has_a_third_term_weighed_by_answer_and_class(tiny, seams):
    network, batch = tiny.network(), tiny.batch()
    method = tiny.bound("spectral", network)
    method.gains = gains = torch.rand(K, K, generator=tiny.generator(1))
    views = seams.views(batch)
    clean, adversarial = network(batch.x), network(views.x["adversarial"])
    third = [
        gains[int(z.argmax()), int(y)] * -torch.log_softmax(z, dim=0)[y]
        for z, y in zip(adversarial, batch.y, strict=True)
    ]
    divergence = (clean.softmax(1) * (clean.log_softmax(1) - adversarial.log_softmax(1))).sum(1)
    expected = 0.7 * cross_entropy(clean, batch.y).mean() + 6 * divergence.mean() + 0.3 * torch.stack(third).mean()
    torch.testing.assert_close(seams.loss(method, batch, views), expected)


def test_confusions_are_counted_with_the_true_logit_shrunk(tiny):
    network = tiny.network()
    with torch.no_grad():
        network.weight.zero_()
        network.bias.copy_(torch.tensor([1.0, 0.95, 0.0, 0.0]))  # class 0 wins, by less than a tenth
    batch = Batch(torch.rand(4, 1, 3, 3, generator=tiny.generator(0)), torch.tensor([0, 0, 1, 2]), tiny.clock())
    method = tiny.bound("spectral", network)
    logits = method.losses(batch, Views({"adversarial": batch.x})).logits
    assert logits["adversarial"].argmax(dim=1).tolist() == [0, 0, 0, 0]
    assert logits["confusion"].argmax(dim=1).tolist() == [1, 1, 0, 0]
    assert not logits["confusion"].requires_grad
    after_epoch(tiny, method, {"confusion": logits["confusion"]}, [0, 0, 1, 2])
    # Answers by truth: two images of 0 as 1, one of 1 as 0, one of 2 as 0.
    expected = torch.zeros(K, K)
    expected[1, 0], expected[0, 1], expected[0, 2] = 2, 1, 1
    torch.testing.assert_close(method.gains, spectral_gains(expected))


def test_without_a_share_it_is_trades(tiny, seams):
    network, batch = tiny.network(), tiny.batch()
    views = seams.views(batch)
    torch.testing.assert_close(
        seams.loss(tiny.bound("spectral?share=0", network), batch, views),
        seams.loss(tiny.bound("trades", network), batch, views),
    )


# TRIX


def with_accuracy(tiny, accuracy, written="trix", **changes):
    method = tiny.bound(written, tiny.network(), **changes)
    method.robust_accuracy = torch.tensor(accuracy)
    return method


def test_strong_classes_are_attacked_towards_targets_and_weak_ones_away_from_the_truth(tiny):
    network, batch = tiny.network(), tiny.batch(size=40)
    accuracy = [0.9, 0.1, 0.6, 0.0]
    method = with_accuracy(tiny, accuracy)
    inner = method.prepare(batch)
    state = method.setting.generator.get_state()
    mixed = method.perturb(batch, inner).x["adversarial"]
    for targets, chosen in ((inner.targets, [0, 2]), (None, [1, 3])):
        plain = tiny.bound("pgd_at", network)
        plain.setting.generator.set_state(state)
        alone = plain.perturb(batch, Inner(epsilon=inner.epsilon, step_size=inner.step_size, targets=targets))
        rows = torch.isin(batch.y, torch.tensor(chosen))
        torch.testing.assert_close(mixed[rows], alone.x["adversarial"][rows])
    assert (inner.targets != batch.y).all()
    torch.testing.assert_close(inner.epsilon, 0.2 * (0.5 + torch.tensor(accuracy))[batch.y])


def test_weights_follow_the_error_and_sum_to_the_classes(tiny):
    method = with_accuracy(tiny, [0.9, 0.1, 0.6, 0.0])
    torch.testing.assert_close(method.class_weights, 4 * torch.tensor([0.1, 0.9, 0.4, 1.0]) / 2.4)
    perfect = with_accuracy(tiny, [1.0, 1.0, 1.0, 1.0])
    torch.testing.assert_close(perfect.class_weights, torch.ones(4))
    assert not perfect.is_strong.any()


def test_the_first_epoch_is_plain_adversarial_training(tiny, seams):
    network, batch = tiny.network(), tiny.batch()
    method = tiny.bound("trix", network)
    inner = method.prepare(batch)
    torch.testing.assert_close(inner.epsilon, torch.full((len(batch.y),), 0.2))
    plain = tiny.bound("pgd_at", network)
    plain.setting.generator.set_state(method.setting.generator.get_state())
    views = method.perturb(batch, inner)
    torch.testing.assert_close(views.x["adversarial"], plain.perturb(batch, plain.prepare(batch)).x["adversarial"])
    torch.testing.assert_close(seams.loss(method, batch, views), seams.loss(plain, batch, views))


def test_accuracy_is_that_of_the_adversarial_answers(tiny):
    logits = torch.nn.functional.one_hot(torch.tensor([0, 1, 1, 3]), K).float()
    method = after_epoch(tiny, tiny.bound("trix", tiny.network()), {"adversarial": logits}, [0, 0, 1, 2])
    torch.testing.assert_close(method.robust_accuracy, torch.tensor([0.5, 1.0, 0.0, 0.0]))
