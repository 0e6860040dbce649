import pytest
import torch
from hypothesis import settings
from torch import Tensor, nn

from fairbench.data import Split, TrainingSplits, load_dataset, training_splits
from fairbench.protocol.track import Augmentation, Schedule, Selection, TrainingAttack
from fairbench.training.seams import Batch, Clock, Setting

settings.register_profile("fairbench", deadline=None, max_examples=25)
settings.load_profile("fairbench")
torch.set_num_threads(1)  # the workers of pytest share the cores


class Affine(nn.Module):
    """Flatten and one linear layer: gradients known in closed form."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.weight.T + self.bias


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def affine_network(*, num_classes: int = 4, pixels: int = 9, seed: int = 0, scale: float = 2.0) -> Affine:
    generator = seeded(seed)
    weight = scale * torch.randn(num_classes, pixels, generator=generator)
    # At the grey image all classes are about alike, so predictions differ from image to image.
    return Affine(weight, -weight.sum(dim=1) / 2 + 0.1 * torch.randn(num_classes, generator=generator))


def bn_network(*, num_classes: int = 4, seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(36, num_classes)
        )


def make_batch(*, size: int = 12, num_classes: int = 4, seed: int = 0, clock: Clock | None = None) -> Batch:
    generator = seeded(seed)
    x = torch.rand(size, 1, 3, 3, generator=generator)
    return Batch(x, torch.randint(num_classes, (size,), generator=generator), clock or make_clock())


def make_clock(*, epoch: int = 0, step: int = 0, epochs: int = 4) -> Clock:
    return Clock(epoch=epoch, step=step, epochs=epochs, steps_per_epoch=2, learning_rate_factor=1.0)


def make_setting(network: nn.Module, *, seed: int = 0, num_classes: int = 4, **changes) -> Setting:
    values = {"epsilon": 0.2, "step_size": 0.05, "steps": 5, "epochs": 4, "from_scratch": False} | changes
    return Setting(network=network, num_classes=num_classes, generator=seeded(seed), **values)


def bound(written: str, network: nn.Module, **changes):
    """The method of a written form, bound to a setting."""
    from fairbench.compose import compose

    return compose(written).recipe().method.bind(make_setting(network, **changes))


def make_plan(*, seed: int = 0, epochs: int = 3, epsilon: float = 0.1, **changes):
    from fairbench.training.plan import Plan

    schedule = {"epochs": epochs, "batch_size": 40, "learning_rate": 0.02, "milestones": {0.5: 0.1}}
    for key in set(Schedule.model_fields) & set(changes):
        schedule[key] = changes.pop(key)
    values = {
        "schedule": Schedule.model_validate(schedule),
        "augmentation": Augmentation(crop_padding=1),
        "attack": TrainingAttack(steps=2),
        "selection": Selection(steps=2),
        "from_scratch": True,
    } | changes
    return Plan(epsilon=epsilon, seed=seed, **values)


@pytest.fixture(scope="session")
def digit_splits() -> TrainingSplits:
    """Parts of scikit-learn's digits: 100 images to train on, 50 and 50 held out."""
    splits = training_splits(load_dataset("digits"))

    def some(split: Split, count: int) -> Split:
        return split.take(torch.arange(count))

    return TrainingSplits(
        splits.name,
        splits.classes,
        some(splits.train, 100),
        some(splits.select, 50),
        some(splits.feedback, 50),
        splits.sha256,
    )


@pytest.fixture(scope="session")
def tiny():
    """Makers of tiny networks, batches, settings and plans."""

    class Makers:
        network = staticmethod(affine_network)
        bn_network = staticmethod(bn_network)
        batch = staticmethod(make_batch)
        clock = staticmethod(make_clock)
        setting = staticmethod(make_setting)
        bound = staticmethod(bound)
        plan = staticmethod(make_plan)
        generator = staticmethod(seeded)

    return Makers
