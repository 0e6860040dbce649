"""What attacks accept and refuse."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fairbench.attacks import apgd, autoattack, cw, fab, fgsm, pgd, square

RESULT_ATTACKS = {
    "apgd": apgd,
    "fab": fab,
    "square": lambda *args, **kwargs: square(*args, queries=20, **kwargs),
    "autoattack": lambda *args, **kwargs: autoattack(*args, square_queries=20, **kwargs),
}
ATTACKS = {
    "fgsm": fgsm,
    "pgd": pgd,
    "cw": cw,
    **{name: lambda *args, attack=attack, **kw: attack(*args, **kw).x_adv for name, attack in RESULT_ATTACKS.items()},
}


@pytest.fixture(params=list(ATTACKS))
def attack(request):
    return ATTACKS[request.param]


@pytest.fixture(params=list(RESULT_ATTACKS))
def result_attack(request):
    return RESULT_ATTACKS[request.param]


@pytest.fixture
def linear():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 5)).eval()


@pytest.fixture
def images():
    return torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(1))


LABELS = torch.tensor([0, 1, 4])


def test_no_images_give_no_images(attack, linear):
    x_adv = attack(linear, torch.empty(0, 1, 4, 4), torch.empty(0, dtype=torch.long), eps=0.1)
    assert x_adv.shape == (0, 1, 4, 4)


def test_one_image_is_attacked_as_in_company(attack, linear, images):
    alone = attack(linear, images[:1], LABELS[:1], eps=0.1)
    torch.testing.assert_close(alone, attack(linear, images, LABELS, eps=0.1)[:1], atol=1e-6, rtol=0)


def test_a_radius_of_zero_changes_nothing(attack, linear, images):
    assert torch.equal(attack(linear, images, LABELS, eps=0.0), images)


@pytest.mark.parametrize("norm", ["linf", "l1"])
def test_a_radius_of_zero_leaves_what_the_network_knows(result_attack, linear, images, norm):
    result = result_attack(linear, images, LABELS, eps=0.0, norm=norm)
    assert torch.equal(result.robust, linear(images).argmax(dim=1) == LABELS)
    assert torch.equal(result.predicted, linear(images).argmax(dim=1))


def test_float64_images_meet_a_float32_network(result_attack, linear, images):
    labels = linear(images).argmax(dim=1)
    result = result_attack(linear, images.double(), labels, eps=0.2)
    assert result.x_adv.dtype == torch.float64
    assert torch.equal(result.robust, result_attack(linear, images, labels, eps=0.2).robust)


def test_float64_images_and_network(attack, linear, images):
    x_adv = attack(linear.double(), images.double(), LABELS, eps=0.1)
    assert x_adv.dtype == torch.float64
    assert (x_adv - images.double()).abs().max() <= 0.1 + 1e-9


@pytest.mark.parametrize("steps", [0, 1])
def test_no_steps_return_a_point_of_the_ball(linear, images, steps):
    for attack in (pgd, cw):
        x_adv = attack(linear, images, LABELS, eps=0.1, steps=steps, emit="last")
        assert (x_adv - images).abs().max() <= 0.1 + 1e-6


def test_two_classes(result_attack):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 2)).eval()
    x = torch.rand(12, 1, 4, 4)
    y = network(x).argmax(dim=1)
    weight = network[1].weight[1] - network[1].weight[0]
    # The exact answer: the logits differ by w x + b, and the box lets every pixel move by what room it has.
    difference = x.flatten(1) @ weight + network[1].bias[1] - network[1].bias[0]
    difference = difference.detach()
    middle = difference.sort().values[5:7].mean()  # between two images, as no attack leaves a tie
    network[1].bias.data[1] -= middle
    difference, y = difference - middle, (difference > middle).long()
    push = torch.where(y == 1, -1.0, 1.0)[:, None] * weight.sign()
    moved = (x.flatten(1) + 0.1 * push).clamp(0, 1)
    reached = moved @ weight + network[1].bias[1] - network[1].bias[0]
    assert ((difference > 0) != (reached > 0)).any()
    result = result_attack(network, x, y, eps=0.1)
    assert torch.equal(result.robust, (difference > 0) == (reached > 0)) or "square" in result.log


def test_losses_that_need_more_classes_are_left_out_with_a_note(images):
    torch.manual_seed(0)
    for classes, missing in ((2, {"apgd-t", "apgd-dlr"}), (3, {"apgd-t"}), (4, set())):
        network = nn.Sequential(nn.Flatten(), nn.Linear(16, classes)).eval()
        labels = network(images).argmax(dim=1)
        log = autoattack(network, images, labels, eps=0.01, attacks=["apgd-dlr", "apgd-t", "fab-t"]).log
        assert {name for name, entry in log.items() if any("left out" in note for note in entry["notes"])} == missing


def test_constant_logits_break_only_what_they_answer_wrongly(result_attack, images):
    class Constant(nn.Module):
        def forward(self, x):
            return x.flatten(1).sum(dim=1, keepdim=True) * torch.zeros(1, 5)

    result = result_attack(Constant().eval(), images, LABELS, eps=0.1)
    assert result.robust.tolist() == [True, False, False]
    assert result.predicted.tolist() == [0, 0, 0]


def test_logits_that_are_not_finite_are_refused(attack, images):
    with pytest.raises(ValueError, match="NaN or infinite"):
        attack(lambda x: x.flatten(1)[:, :5] * torch.nan, images, LABELS, eps=0.1)


def test_answers_of_the_wrong_shape_are_refused(attack, images):
    with pytest.raises(ValueError, match=r"\(\d+, K\) logits"):
        attack(lambda x: x.flatten(1).sum(dim=1), images, LABELS, eps=0.1)


def test_one_class_is_refused(attack, images):
    with pytest.raises(ValueError, match="K at least 2"):
        attack(lambda x: x.flatten(1)[:, :1], images, LABELS, eps=0.1)


def test_labels_beyond_the_classes_are_refused(attack, linear, images):
    with pytest.raises(ValueError, match=r"0\.\.4 for this network, got 7"):
        attack(linear, images, torch.tensor([0, 1, 7]), eps=0.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": torch.full((3, 1, 4, 4), 1.5)}, r"in \[0, 1\], got 1.5"),
        ({"x": torch.full((3, 1, 4, 4), torch.nan)}, r"in \[0, 1\]"),
        ({"x": torch.zeros(3, 16)}, r"\(N, C, H, W\)"),
        ({"x": torch.zeros(3, 1, 4, 4, dtype=torch.uint8)}, "floating point"),
        ({"y": torch.tensor([0, 1])}, r"y to be \(3,\)"),
        ({"y": torch.tensor([0, -1, 2])}, "at least 0, got -1"),
        ({"y": torch.tensor([0.0, 1.0, 2.0])}, "integers"),
        ({"eps": -0.1}, "eps to be finite and at least 0, got -0.1"),
        ({"eps": float("nan")}, "got nan"),
    ],
)
def test_bad_images_labels_and_radii_are_refused(attack, linear, images, change, message):
    given = {"x": images, "y": LABELS, "eps": 0.1} | change
    with pytest.raises(ValueError, match=message):
        attack(linear, given["x"], given["y"], eps=given["eps"])


def test_unknown_names_are_refused(linear, images):
    with pytest.raises(ValueError, match="norm to be one of linf, l2, l1, got 'l0'"):
        autoattack(linear, images, LABELS, eps=0.1, norm="l0")
    with pytest.raises(ValueError, match="one of linf, l2, got 'l1'; autoattack, apgd, fab and square know it"):
        pgd(linear, images, LABELS, eps=0.1, norm="l1")
    with pytest.raises(ValueError, match="standard, plus, rand, got 'fast'"):
        autoattack(linear, images, LABELS, eps=0.1, version="fast")
    with pytest.raises(ValueError, match="got 'deepfool'"):
        autoattack(linear, images, LABELS, eps=0.1, attacks=["deepfool"])
    with pytest.raises(ValueError, match="float32 or bfloat16, got 'float16'"):
        autoattack(linear, images, LABELS, eps=0.1, search_precision="float16")
    with pytest.raises(ValueError, match="ce, dlr, targeted-dlr, got 'hinge'"):
        apgd(linear, images, LABELS, eps=0.1, loss="hinge")
    with pytest.raises(ValueError, match=r"indices to be \(3,\)"):
        pgd(linear, images, LABELS, eps=0.1, indices=torch.arange(2))
    with pytest.raises(ValueError, match="at least 0 steps, got -1"):
        pgd(linear, images, LABELS, eps=0.1, steps=-1)
    with pytest.raises(ValueError, match="'success' or 'last', got 'best'"):
        pgd(linear, images, LABELS, eps=0.1, emit="best")
