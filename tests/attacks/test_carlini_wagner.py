"""CW-L2: the nearest adversarial example, where it is known in closed form."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fairbench.attacks import cw_l2


@pytest.fixture
def linear():
    torch.manual_seed(0)
    layer = nn.Linear(16, 4)
    return nn.Sequential(nn.Flatten(), layer).eval()


def grey_images(count):
    """Far from the borders of the box, so that only the planes between classes matter."""
    return 0.5 + 0.1 * torch.rand(count, 1, 4, 4, generator=torch.Generator().manual_seed(1))


def distance_to_the_nearest_plane(network, x, y):
    weight, logits = network[1].weight.detach(), network(x).detach()
    distances = []
    for row, label in enumerate(y.tolist()):
        planes = [
            float((logits[row, label] - logits[row, k]) / (weight[label] - weight[k]).norm())
            for k in range(4)
            if k != label
        ]
        distances.append(min(planes))
    return torch.tensor(distances)


def test_a_linear_network_is_crossed_where_it_is_nearest(linear):
    x = grey_images(6)
    y = linear(x).argmax(dim=1)
    x_adv = cw_l2(linear, x, y, steps=150, search_steps=7, initial_weight=0.05)
    assert (linear(x_adv).argmax(dim=1) != y).all()
    found, nearest = (x_adv - x).flatten(1).norm(dim=1), distance_to_the_nearest_plane(linear, x, y)
    assert (found >= nearest - 1e-4).all()
    assert (found <= 1.05 * nearest + 1e-3).all()
    assert x_adv.min() >= 0
    assert x_adv.max() <= 1


def test_confidence_goes_further(linear):
    x = grey_images(4)
    y = linear(x).argmax(dim=1)
    x_adv = cw_l2(linear, x, y, steps=100, search_steps=6, initial_weight=0.1, confidence=0.3)
    logits = linear(x_adv)
    truth = logits.gather(1, y[:, None]).squeeze(1)
    assert (logits.scatter(1, y[:, None], -torch.inf).amax(dim=1) - truth >= 0.3).all()


def test_what_is_wrong_already_or_cannot_be_moved_stays(linear):
    x = grey_images(4)
    y = (linear(x).argmax(dim=1) + 1) % 4
    assert torch.equal(cw_l2(linear, x, y, steps=5), x)
    assert torch.equal(cw_l2(linear, x, linear(x).argmax(dim=1), steps=0), x)
    nothing = cw_l2(linear, x[:0], y[:0])
    assert nothing.shape == (0, 1, 4, 4)


@pytest.mark.parametrize(
    "change", [{"steps": -1}, {"search_steps": 0}, {"step_size": 0.0}, {"confidence": -1.0}, {"initial_weight": 0.0}]
)
def test_numbers_out_of_range_are_refused(linear, change):
    with pytest.raises(ValueError, match="expected steps >= 0"):
        cw_l2(linear, grey_images(1), torch.zeros(1, dtype=torch.long), **change)
