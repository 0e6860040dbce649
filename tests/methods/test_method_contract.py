"""What every entry of the registry must do: train on anything, the same for the same seed."""

import fnmatch
import json
from itertools import pairwise

import pytest
import torch
from compositions import COMPOSITIONS
from safetensors.torch import load_file

from fairbench import evaluate
from fairbench.compose import compose
from fairbench.data import load_dataset
from fairbench.models import create_model
from fairbench.protocol.track import track_names
from fairbench.registry import ANY_TRACK, entries
from fairbench.training.trainer import Trainer


@pytest.fixture
def train(tiny, digit_splits, tmp_path):
    def run(written, folder, *, noise=0):
        def network(seed):
            return create_model("cnn_tiny", image_shape=(1, 8, 8), seed=seed)

        torch.rand(noise)
        trainer = Trainer(
            compose(written).recipe(),
            network(0),
            digit_splits,
            tiny.plan(epochs=1, from_scratch=False, steps_per_epoch=2),
            tmp_path / folder,
            device=torch.device("cpu"),
            teachers={"robust": network(1), "clean": network(2)},
        )
        trainer.run()
        return trainer

    return run


@pytest.mark.parametrize("written", entries())
def test_it_trains_is_deterministic_and_leaves_nothing_behind(train, tmp_path, written):
    before = create_model("cnn_tiny", image_shape=(1, 8, 8), seed=0).state_dict()
    trainer = train(written, "first")
    train(written, "second", noise=5)
    assert (tmp_path / "first/last.safetensors").read_bytes() == (tmp_path / "second/last.safetensors").read_bytes()
    weights = load_file(tmp_path / "first/last.safetensors")
    assert all(torch.isfinite(value).all() for value in weights.values())
    assert not torch.equal(weights["linear.weight"], before["linear.weight"])
    assert all(parameter.requires_grad for parameter in trainer.network.parameters())
    for line in (tmp_path / "first/log.jsonl").read_text("utf-8").splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} in the log"))


@pytest.fixture(scope="module")
def images():
    return load_dataset("digits").test.take(torch.arange(40))


@pytest.mark.parametrize("written", [*entries(), *COMPOSITIONS])
def test_after_one_epoch_it_can_be_evaluated(train, images, written):
    network = train(written, "once").network
    evaluation = evaluate(network, images, ("clean", "pgd20"), eps=0.2, num_classes=10, batch_size=40)
    for condition in evaluation.conditions.values():
        assert sum(condition.class_total) == 40
        assert 0 <= condition.worst <= condition.average <= 1


@pytest.mark.parametrize("name", entries())
def test_its_entry_says_who_it_is(name):
    entry = entries()[name]
    assert entry.title
    assert entry.paper
    assert entry.summary.endswith(".")
    assert entry.link is None or entry.link.startswith("https://")
    assert entry.objective in entry.objectives
    known = {ANY_TRACK, *track_names(), *(f"@{objective}" for objective in entry.objectives)}
    assert all(place in known or fnmatch.filter(track_names(), place) for place in entry.defaults)


@pytest.mark.parametrize("name", entries())
def test_its_defaults_on_every_track_are_options_that_exist(name):
    for track in track_names():
        compose(name, track=track).recipe()


def test_each_objective_s_name_leads_back_to_it():
    for entry in entries().values():
        for objective in entry.objectives:
            if entry.objectives != (entry.objective,):
                assert compose(f"{entry.name}@{objective}").objective == objective


def test_the_listing_is_in_order():
    assert all(first < second for first, second in pairwise(entries()))
