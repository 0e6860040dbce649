"""The look back at an epoch against slow counts, and attacks that leave the network as it was."""

import copy

import pytest
import torch

from fairbench.attacks.ascent import projected_ascent
from fairbench.data import Split
from fairbench.losses import cross_entropy, kl_divergence
from fairbench.training.feedback import Feedback, HeldOutAttack, attack_split
from fairbench.training.modes import attacking
from fairbench.training.seams import Terms, Views
from fairbench.training.statistics import EpochStatistics

ATTACKS = [
    HeldOutAttack(steps=3, epsilon=0.2, step_size=0.05),
    HeldOutAttack(loss="kl", steps=3, epsilon=0.2, step_size=0.05, seed=4),
]


@pytest.fixture
def split(tiny):
    generator = tiny.generator(0)
    images = torch.randint(256, (30, 1, 3, 3), generator=generator, dtype=torch.uint8)
    return Split(images, torch.randint(4, (30,), generator=generator))


@pytest.mark.parametrize("attack", ATTACKS)
def test_sums_on_a_held_out_split_do_not_depend_on_the_batches(tiny, split, attack):
    whole, parts = (attack_split(tiny.bn_network(), split, attack, num_classes=4, batch_size=size) for size in (30, 7))
    for name, value in vars(whole).items():
        torch.testing.assert_close(value, vars(parts)[name], msg=name)


@pytest.mark.parametrize("attack", ATTACKS)
def test_sums_on_a_held_out_split_are_those_of_a_loop_over_images(tiny, split, attack):
    network = tiny.bn_network().eval()
    result = attack_split(network, split, attack, num_classes=4)
    expected = torch.zeros(4, 4)
    for image, label in zip(split.images, split.labels, strict=True):
        logits = network(image[None] / 255).detach()
        expected[0, label] += 1
        expected[1, label] += int(logits.argmax()) == int(label)
        expected[2, label] += float(-logits.log_softmax(dim=1)[0, label])
    torch.testing.assert_close(result.total, expected[0])
    torch.testing.assert_close(result.clean_correct, expected[1])
    torch.testing.assert_close(result.cross_entropy, expected[2])
    torch.testing.assert_close(result.clean_accuracy, expected[1] / expected[0])
    assert (result.adversarial_correct <= result.total).all()
    torch.testing.assert_close(result.adversarial_accuracy, result.adversarial_correct / result.total)


def test_the_held_out_attacks_ascend_their_own_loss(tiny, split):
    network = tiny.network()
    by_cross_entropy, by_kl = (attack_split(network, split, attack, num_classes=4) for attack in ATTACKS)
    assert (by_cross_entropy.adversarial_cross_entropy > by_cross_entropy.cross_entropy).all()
    assert by_cross_entropy.adversarial_cross_entropy.sum() > by_kl.adversarial_cross_entropy.sum()
    assert by_kl.kl.sum() > by_cross_entropy.kl.sum()
    assert by_cross_entropy.adversarial_correct.sum() < by_cross_entropy.clean_correct.sum()


def test_an_attack_on_a_split_leaves_the_network_as_it_was(tiny, split):
    network = tiny.bn_network().train()
    frozen = network[0].weight.requires_grad_(False)
    before = copy.deepcopy(network.state_dict())
    attack_split(network, split, ATTACKS[0], num_classes=4)
    assert network.training
    assert network[1].training
    assert not frozen.requires_grad
    assert network[4].weight.requires_grad
    assert all(parameter.grad is None for parameter in network.parameters())
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize(("mode", "moves"), [("eval", False), ("train", True)])
def test_the_mode_of_the_attack_decides_whether_batch_norm_statistics_move(tiny, mode, moves):
    network, batch = tiny.bn_network().train(), tiny.batch()
    before = copy.deepcopy(dict(network.named_buffers()))
    with attacking(network, mode):
        assert network.training is moves
        assert not any(parameter.requires_grad for parameter in network.parameters())
        projected_ascent(
            network,
            batch.x,
            lambda _, logits: cross_entropy(logits, batch.y),
            start=batch.x,
            epsilon=0.1,
            step_size=0.05,
            steps=2,
        )
    moved = [not torch.equal(value, before[name]) for name, value in network.named_buffers()]
    assert moved == [moves] * 3
    assert network.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in network.parameters())


def test_the_mode_is_put_back_when_the_attack_fails(tiny):
    network = tiny.bn_network().train()
    with pytest.raises(ZeroDivisionError), attacking(network, "eval"):
        raise ZeroDivisionError
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_equal_attacks_on_equal_weights_are_made_once(tiny, split):
    network = tiny.network()
    feedback = Feedback(network, split, 4).at(tiny.clock(), None)
    first = feedback.validate(ATTACKS[0])
    assert feedback.validate(HeldOutAttack(**vars(ATTACKS[0]))) is first
    assert feedback.validate(ATTACKS[1]) is not first
    with torch.no_grad():
        network.weight.neg_()
    feedback.at(tiny.clock(epoch=1), None)
    assert not torch.equal(feedback.validate(ATTACKS[0]).clean_correct, first.clean_correct)


def filled_statistics(tiny):
    statistics, batches = EpochStatistics(4), []
    for seed, size in ((0, 9), (1, 5)):
        y = tiny.batch(size=size, seed=seed).y
        logits = {name: torch.randn(size, 4, generator=tiny.generator(9 + seed)) for name in ("adversarial", "clean")}
        trace = torch.arange(size)
        statistics.add(Terms({}, {}, logits), Views({}, {"steps": trace}), y)
        batches.append((logits, y, trace))
    return statistics, batches


def test_epoch_statistics_count_as_a_loop_would(tiny):
    statistics, batches = filled_statistics(tiny)
    for name, view in statistics.views.items():
        confusion, entropy, softmax = torch.zeros(4, 4), torch.zeros(4), torch.zeros(4, 4)
        for logits, y, _ in batches:
            for row, label in zip(logits[name], y, strict=True):
                confusion[label, row.argmax()] += 1
                entropy[label] -= row.log_softmax(dim=0)[label]
                softmax[label] += row.softmax(dim=0)
        torch.testing.assert_close(view.confusion, confusion)
        torch.testing.assert_close(view.cross_entropy, entropy)
        torch.testing.assert_close(view.softmax, softmax)
        torch.testing.assert_close(view.class_accuracy, confusion.diagonal() / confusion.sum(dim=1))
        risk = entropy / confusion.sum(dim=1)
        shown = statistics.log_entries()
        torch.testing.assert_close(shown[f"train_{name}_class_risk"], risk)
        deviation = float(((risk - risk.mean()) ** 2).mean() ** 0.5)
        assert float(shown[f"train_{name}_risk_deviation"]) == pytest.approx(deviation, rel=1e-5)
    steps = torch.zeros(4)
    for _, y, trace in batches:
        for value, label in zip(trace, y, strict=True):
            steps[label] += value
    torch.testing.assert_close(statistics.traces["steps"], steps)
    assert statistics.adversarial is statistics.views["adversarial"]


def test_a_class_that_was_not_seen_has_accuracy_zero_and_no_nan():
    statistics = EpochStatistics(3)
    statistics.add(Terms({}, {}, {"adversarial": torch.tensor([[1.0, 0, 0]])}), Views({}), torch.tensor([0]))
    assert statistics.adversarial.class_accuracy.tolist() == [1, 0, 0]


def test_epoch_statistics_survive_being_written_down(tiny):
    statistics, _ = filled_statistics(tiny)
    again = EpochStatistics.from_state_dict(4, statistics.state_dict())
    assert again.state_dict().keys() == statistics.state_dict().keys()
    for name, value in again.state_dict().items():
        assert torch.equal(value, statistics.state_dict()[name]), name


def test_kl_of_a_held_out_split_has_the_clean_prediction_first(tiny, split):
    network = tiny.network().eval()
    attack = HeldOutAttack(steps=0, epsilon=0.2, step_size=0.05)
    result = attack_split(network, split, attack, num_classes=4)
    x = split.images / 255
    end = projected_ascent(
        network,
        x,
        lambda _, logits: logits.sum(dim=1),
        start=_keyed_start(x, attack),
        epsilon=attack.epsilon,
        step_size=attack.step_size,
        steps=0,
    )
    assert float(result.kl.sum()) == pytest.approx(
        float(kl_divergence(network(x), network(end.x_adv)).sum().detach()), rel=1e-5
    )


def _keyed_start(x, attack):
    from fairbench.attacks.starts import keyed_uniform

    noise = keyed_uniform(x, seed=attack.seed, indices=torch.arange(len(x)), purpose="held-out")
    return (x + attack.epsilon * noise).clamp(0, 1)
