"""The plain average of weights, and batch-norm statistics that are made anew."""

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from fairbench.compose import compose
from fairbench.training.averaging import Swa
from fairbench.training.trainer import Trainer

EPOCHS = 4


class ScriptedFeedback:
    """A clock, and the same training images whenever they are asked for."""

    def __init__(self, tiny, batches):
        self.tiny, self.batches, self.looks = tiny, batches, 0

    def after(self, epochs_done):
        self.clock = self.tiny.clock(epoch=epochs_done, epochs=EPOCHS)
        return self

    def training_images(self):
        self.looks += 1
        return iter(self.batches)


def weights_of_epoch(network: nn.Module, epoch: int) -> None:
    with torch.no_grad():
        for index, parameter in enumerate(network.parameters()):
            parameter.fill_((epoch + 1) ** 2 + index)


def batches(tiny, count=3):
    return [torch.rand(8, 1, 3, 3, generator=tiny.generator(seed)) for seed in range(count)]


@pytest.mark.parametrize(("start", "first"), [(0.0, 0), (0.25, 1), (0.3, 1), (0.5, 2)])
def test_all_epochs_from_the_start_on_weigh_the_same(tiny, start, first):
    network = tiny.network()
    part = Swa(Swa.Options(start=start)).bind(tiny.setting(network))
    feedback = ScriptedFeedback(tiny, [])
    for epoch in range(EPOCHS):
        weights_of_epoch(network, epoch)
        part.end_epoch(feedback.after(epoch + 1))
    expected = sum((epoch + 1) ** 2 for epoch in range(first, EPOCHS)) / (EPOCHS - first)
    for index, parameter in enumerate(part.reported().parameters()):
        torch.testing.assert_close(parameter, torch.full_like(parameter, expected + index))


def test_before_the_start_the_raw_weights_are_reported(tiny):
    network = tiny.bn_network()
    network[1].running_mean.fill_(3.0)
    part = Swa(Swa.Options(start=0.5)).bind(tiny.setting(network))
    feedback = ScriptedFeedback(tiny, batches(tiny))
    weights_of_epoch(network, 1)
    part.end_epoch(feedback.after(1))
    assert all(torch.equal(value, network.state_dict()[key]) for key, value in part.reported().state_dict().items())
    assert feedback.looks == 0


def test_batch_norm_statistics_are_those_of_the_averaged_weights(tiny):
    network = tiny.bn_network()
    images = batches(tiny)
    part = Swa(Swa.Options(start=0)).bind(tiny.setting(network))
    feedback = ScriptedFeedback(tiny, images)
    generator = tiny.generator(7)
    for epoch in range(2):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.copy_(torch.rand(parameter.shape, generator=generator))
        network[1].running_mean.fill_(100.0)
        part.end_epoch(feedback.after(epoch + 1))
    convolved = [part.reported()[0](x).detach() for x in images]
    mean = torch.stack([c.mean(dim=(0, 2, 3)) for c in convolved]).mean(dim=0)
    variance = torch.stack([c.transpose(0, 1).flatten(1).var(dim=1) for c in convolved]).mean(dim=0)
    torch.testing.assert_close(part.reported()[1].running_mean, mean)
    torch.testing.assert_close(part.reported()[1].running_var, variance)
    assert not part.reported().training
    assert torch.equal(network[1].running_mean, torch.full((4,), 100.0))


def test_a_saved_average_goes_on_with_its_count(tiny):
    network = tiny.network()
    parts = [Swa(Swa.Options(start=0)).bind(tiny.setting(network)) for _ in range(2)]
    feedback = ScriptedFeedback(tiny, [])
    weights_of_epoch(network, 0)
    parts[0].end_epoch(feedback.after(1))
    parts[1].load_state_dict(parts[0].state_dict())
    weights_of_epoch(network, 1)
    for part in parts:
        part.end_epoch(feedback.after(2))
    for one, other in zip(parts[0].reported().parameters(), parts[1].reported().parameters(), strict=True):
        assert torch.equal(one, other)
    assert float(parts[1].reported().weight.detach()[0, 0]) == pytest.approx((1 + 4) / 2)


def test_in_a_run_the_statistics_come_from_the_training_images_and_the_batches_stay_the_same(
    tiny, digit_splits, tmp_path
):
    def run(written):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 10))
        folder = tmp_path / written
        plan = tiny.plan(epochs=2, steps_per_epoch=2)
        trainer = Trainer(compose(written).recipe(), network, digit_splits, plan, folder, device=torch.device("cpu"))
        trainer.run()
        return trainer, load_file(folder / "last.safetensors")

    trainer, averaged = run("pgd_at+swa?start=0")
    images = list(trainer.loader.images_again(2))
    assert [len(batch) for batch in images] == [40, 40]
    convolved = [nn.functional.conv2d(x, averaged["0.weight"], averaged["0.bias"]) for x in images]
    torch.testing.assert_close(
        averaged["1.running_mean"], torch.stack([c.mean(dim=(0, 2, 3)) for c in convolved]).mean(dim=0)
    )
    raw, _ = run("pgd_at")
    # A look at the training images draws from a stream of its own.
    assert all(torch.equal(a, b) for a, b in zip(raw.network.parameters(), trainer.network.parameters(), strict=True))
