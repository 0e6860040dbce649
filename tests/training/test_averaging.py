"""Weight averages against the recurrence written out, on sequences of random weights."""

import copy

import pytest
import torch
from torch import nn

from fairbench.data import Split
from fairbench.training.averaging import Ema, Fawa, move_towards
from fairbench.training.feedback import Feedback, HeldOutAttack

EPOCHS = 8


def scramble(network: nn.Module, seed: int) -> dict[str, torch.Tensor]:
    """New values for all weights and buffers, as an epoch of training would leave them."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in network.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
            else:
                value.fill_(10 + seed)
    return {name: value.clone() for name, value in network.state_dict().items()}


class ScriptedFeedback:
    """A clock, and a weakest class as scripted."""

    def __init__(self, tiny):
        self.tiny, self.weakest, self.asked = tiny, 1.0, []

    def after(self, epochs_done, weakest=1.0):
        self.clock, self.weakest = self.tiny.clock(epoch=epochs_done, epochs=EPOCHS), weakest
        return self

    def validate(self, attack):
        self.asked.append(attack)
        result = type("Result", (), {})()
        result.adversarial_accuracy = torch.tensor([1.0, self.weakest, 1.0])
        return result


@pytest.fixture
def network(tiny):
    return tiny.bn_network()


def trajectory(tiny, part, network, *, weakest=(1.0,) * EPOCHS):
    """The reported weights after each epoch, and the raw ones."""
    part.bind(tiny.setting(network))
    feedback, raw, reported, notes = ScriptedFeedback(tiny), [], [], []
    for epoch in range(EPOCHS):
        raw.append(scramble(network, epoch))
        notes.append(part.end_epoch(feedback.after(epoch + 1, weakest[epoch])))
        reported.append(copy.deepcopy(part.reported().state_dict()))
    return raw, reported, notes


def assert_same(state, expected):
    assert state.keys() == expected.keys()
    for name in state:
        torch.testing.assert_close(state[name], expected[name], msg=name)


def recurrence(raw, decay, first):
    """Copies up to the first averaged epoch, from then on decay * average + (1 - decay) * raw."""
    averages = []
    for epoch, new in enumerate(raw):
        average = (
            dict(new)
            if epoch <= first
            else {
                name: decay * averages[-1][name] + (1 - decay) * value if value.is_floating_point() else value
                for name, value in new.items()
            }
        )
        averages.append(average)
    return averages


@pytest.mark.parametrize(("start", "first"), [(0.0, 0), (0.25, 2), (0.3, 2), (0.5, 4)])
def test_ema_copies_the_first_epoch_and_averages_from_then_on(tiny, network, start, first):
    raw, reported, _ = trajectory(tiny, Ema(Ema.Options(decay=0.7, start=start)), network)
    for state, expected in zip(reported, recurrence(raw, 0.7, first), strict=True):
        assert_same(state, expected)


@pytest.mark.parametrize(
    "part", [Ema(Ema.Options(decay=0, start=0)), Fawa(Fawa.Options(decay=0, start=0, threshold=0))]
)
def test_no_decay_is_the_raw_network_with_its_buffers(tiny, network, part):
    raw, reported, _ = trajectory(tiny, part, network)
    for state, expected in zip(reported, raw, strict=True):
        assert all(torch.equal(state[name], expected[name]) for name in expected)


def test_integer_buffers_are_copied_and_running_statistics_are_averaged(network):
    other = copy.deepcopy(network)
    old, new = scramble(network, 0), scramble(other, 1)
    move_towards(network, other, 0.9)
    state = network.state_dict()
    assert state["1.num_batches_tracked"] == new["1.num_batches_tracked"] == 11
    for name in ("0.weight", "1.running_mean", "1.running_var"):
        torch.testing.assert_close(state[name], 0.9 * old[name] + 0.1 * new[name])


def test_averaging_equal_networks_changes_nothing(network):
    scramble(network, 0)
    other = copy.deepcopy(network)
    move_towards(network, other, 0.6)
    assert_same(network.state_dict(), other.state_dict())


@pytest.mark.parametrize("start", [0.0, 0.25, 0.3])
def test_fawa_without_a_threshold_is_ema_with_the_same_start(tiny, network, start):
    options = {"decay": 0.7, "start": start}
    _, ema, _ = trajectory(tiny, Ema(Ema.Options(**options)), network)
    _, fawa, _ = trajectory(tiny, Fawa(Fawa.Options(**options, threshold=0)), network)
    for state, expected in zip(fawa, ema, strict=True):
        assert_same(state, expected)


def test_a_threshold_beyond_reach_never_changes_the_average_and_an_ema_stands_in(tiny, network):
    initial = copy.deepcopy(network.state_dict())
    part = Fawa(Fawa.Options(decay=0.7, start=0, threshold=1.5))
    raw, reported, notes = trajectory(tiny, part, network)
    assert_same(part.average.state_dict(), initial)
    for state, expected in zip(reported, recurrence(raw, 0.7, 0), strict=True):
        assert_same(state, expected)
    assert all("weakest class 100.0% is below 150.0%; a plain EMA stands in" in note for note in notes)


def test_fawa_takes_in_only_the_epochs_whose_weakest_class_passes(tiny, network):
    weakest = (0.9, 0.1, 0.3, 0.1, 0.25, 0.24, 0.5, 0.0)
    part = Fawa(Fawa.Options(decay=0.7, start=0.125, threshold=0.25))
    raw, reported, notes = trajectory(tiny, part, network, weakest=weakest)
    # The first epoch is before the start; epochs 2, 4, 6 (from 0) pass, and the first of them is copied.
    passing = recurrence([raw[2], raw[4], raw[6]], 0.7, 0)
    expected = [None, None, passing[0], passing[0], passing[1], passing[1], passing[2], passing[2]]
    for state, values in zip(reported[2:], expected[2:], strict=True):
        floats = {name: value for name, value in values.items() if value.is_floating_point()}
        assert_same({name: state[name] for name in floats}, floats)
    assert [note is None for note in notes] == [True, False, True, False, True, False, True, False]


def test_fawa_asks_for_the_attack_of_training_on_the_feedback_split(tiny, network):
    part = Fawa(Fawa.Options(start=0)).bind(tiny.setting(network, steps=7, epsilon=0.3, step_size=0.02))
    feedback = ScriptedFeedback(tiny)
    part.end_epoch(feedback.after(1))
    assert feedback.asked == [HeldOutAttack(steps=7, epsilon=0.3, step_size=0.02)]


def test_fawa_looks_at_the_raw_network_not_at_the_average(tiny):
    network = tiny.network(num_classes=2)
    images = torch.randint(256, (8, 1, 3, 3), generator=tiny.generator(0), dtype=torch.uint8)
    split = Split(images, torch.tensor([0, 1] * 4))
    feedback = Feedback(network, split, 2).at(tiny.clock(epoch=1), None)
    part = Fawa(Fawa.Options(start=0, threshold=0.6)).bind(tiny.setting(network, num_classes=2))
    with torch.no_grad():
        network.bias.copy_(torch.tensor([1e3, -1e3]))  # class 1 is never answered
    assert "weakest class 0.0%" in part.end_epoch(feedback)
    assert not part.has_started


def test_the_averaged_network_is_in_eval_mode_and_its_buffers_are_its_own(tiny, network):
    part = Ema().bind(tiny.setting(network.train()))
    before = copy.deepcopy(part.average.state_dict())
    x = torch.rand(6, 1, 3, 3, generator=tiny.generator(0))
    network(x)
    part.reported()(x)
    assert_same(part.average.state_dict(), before)
    assert network.training
    assert not any(parameter.requires_grad for parameter in part.average.parameters())
    assert all(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize("make", [Ema, lambda: Fawa(Fawa.Options(start=0, threshold=0.5))])
@pytest.mark.parametrize("weakest", [(0.1, 0.7, 0.2, 0.8), (0.1, 0.2, 0.3, 0.8)])
def test_a_saved_average_goes_on_as_if_nothing_had_happened(tiny, network, make, weakest):
    feedback = ScriptedFeedback(tiny)
    part = make().bind(tiny.setting(network))
    for epoch in range(2):
        scramble(network, epoch)
        part.end_epoch(feedback.after(epoch + 1, weakest[epoch]))
    saved = part.state_dict()
    fresh = make().bind(tiny.setting(tiny.bn_network(seed=9)))
    fresh.load_state_dict(saved)
    fresh.setting = part.setting
    for epoch in range(2, 4):
        scramble(network, epoch)
        for each in (part, fresh):
            each.end_epoch(feedback.after(epoch + 1, weakest[epoch]))
        assert_same(fresh.reported().state_dict(), part.reported().state_dict())
    assert_same(fresh.state_dict(), part.state_dict())


def test_a_saved_state_is_a_copy(tiny, network):
    part = Ema(Ema.Options(start=0)).bind(tiny.setting(network))
    saved = part.state_dict()
    before = copy.deepcopy(saved)
    scramble(network, 3)
    part.end_epoch(ScriptedFeedback(tiny).after(1))
    assert_same(saved, before)
