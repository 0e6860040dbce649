"""Batches, seeds, and the state on disk."""

import pytest
import torch

from fairbench.data import Split
from fairbench.errors import UsageError
from fairbench.protocol.track import Augmentation, Schedule
from fairbench.training.loader import EpochLoader
from fairbench.training.seeds import generator_for, seed_for
from fairbench.training.state import load_state, save_state


def loader(count=23, *, augmentation=None, **schedule):
    images = torch.arange(count, dtype=torch.uint8).reshape(count, 1, 1, 1).expand(count, 1, 4, 4).contiguous()
    values = Schedule(epochs=1, batch_size=5, learning_rate=0.1).model_copy(update=schedule)
    return EpochLoader(Split(images, torch.arange(count)), values, augmentation or Augmentation(), torch.device("cpu"))


def test_an_epoch_shows_every_image_once_with_its_own_label_the_last_smaller_batch_too(tiny):
    batches = list(loader().epoch(tiny.generator(0)))
    assert [len(y) for _, y in batches] == [5, 5, 5, 5, 3]
    assert len(loader()) == 5
    labels = torch.cat([y for _, y in batches])
    assert sorted(labels.tolist()) == list(range(23))
    assert labels.tolist() != list(range(23))
    for x, y in batches:
        torch.testing.assert_close(x, (y / 255).reshape(-1, 1, 1, 1).expand(-1, 1, 4, 4))


def test_the_generator_decides_the_order(tiny):
    def order(seed):
        return torch.cat([y for _, y in loader().epoch(tiny.generator(seed))])

    assert torch.equal(order(1), order(1))
    assert not torch.equal(order(1), order(2))
    generator = tiny.generator(1)
    epochs = [torch.cat([y for _, y in loader().epoch(generator)]) for _ in range(2)]
    assert not torch.equal(*epochs)


def test_an_epoch_may_be_cut_short(tiny):
    short = loader(steps_per_epoch=2)
    assert len(short) == 2
    assert [len(y) for _, y in short.epoch(tiny.generator(0))] == [5, 5]
    assert len(loader(steps_per_epoch=99)) == 5


def test_images_are_augmented(tiny):
    plain, moved = (
        torch.cat([x for x, _ in loader(augmentation=augmentation).epoch(tiny.generator(0))])
        for augmentation in (Augmentation(), Augmentation(crop_padding=2))
    )
    assert (plain.flatten(1).std(dim=1) == 0).all()
    assert (moved.flatten(1).std(dim=1) > 0).any()


def test_seeds_of_different_runs_and_purposes_differ_and_stay_the_same():
    seeds = {seed_for(seed, purpose) for seed in range(20) for purpose in ("order", "attack", "weights", "1/order")}
    assert len(seeds) == 80
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert seed_for(0, "order") == 3_278_857_439_845_718_984  # half of the first 8 bytes of sha256("0/order")
    draws = [torch.rand(3, generator=generator_for(0, purpose)) for purpose in ("order", "order", "attack")]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_a_state_comes_back_as_it_was(tmp_path):
    state = {"weights": torch.rand(3), "deep": {"counts": torch.arange(4), "text": "ü"}, "number": 0.1, "list": [1, 2]}
    save_state(tmp_path / "state.pt", state)
    again = load_state(tmp_path / "state.pt")
    assert again.keys() == state.keys()
    assert torch.equal(again["weights"], state["weights"])
    assert again["deep"]["text"] == "ü"
    assert (again["number"], again["list"]) == (0.1, [1, 2])
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


def test_a_state_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "state.pt"
    save_state(path, {"epoch": 1})
    with pytest.raises((AttributeError, TypeError, RuntimeError), match=r"pickle|lambda|local"):
        save_state(path, {"epoch": lambda: 2})
    assert load_state(path) == {"epoch": 1}
    assert [each.name for each in tmp_path.iterdir()] == ["state.pt"]


def test_a_missing_state_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"none\.pt"):
        load_state(tmp_path / "none.pt")
