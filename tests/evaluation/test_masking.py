from pathlib import Path

import fairbench.bases
import numpy as np
import pytest
import torch
from planted_defences import (
    GradientKiller,
    InputNoise,
    InputQuantiser,
    LogitTemperature,
    OneClassKilled,
    OneClassMasked,
    WinnersTakeAll,
    fitted,
    plain_network,
)

from fairbench.data import load_dataset, to_unit
from fairbench.evaluation.masking import ProbeOutcomes, judge
from fairbench.evaluation.probes import probe_masking
from fairbench.models import create_model, load_weights, normalisation_of
from fairbench.protocol.attack_checks import AttackChecks

EPSILON = 0.2
LABELS = np.repeat([0, 1], 20)
PROBES = ("fgsm", "pgd", "pgd_last", "cw", "square", "large_epsilon", "transfer")


@pytest.fixture(scope="module")
def data():
    return load_dataset("digits")


@pytest.fixture(scope="module")
def plain(data):
    return fitted(plain_network(), to_unit(data.train.images), data.train.labels)


def signs(verdict):
    return {sign.name: sign.classes for sign in verdict.signs if sign.classes}


def test_a_plain_network_hides_nothing_however_weak_it_is(data, plain):
    verdict = probe_masking(plain, data, EPSILON)
    assert not verdict.flagged
    assert verdict.signs[0].name == "zero_gradient"
    assert verdict.in_words(list(data.classes)) == ""


@pytest.mark.parametrize(
    ("defence", "sign"),
    [
        (GradientKiller, "zero_gradient"),
        (InputNoise, "randomised"),
        pytest.param(InputQuantiser, "zero_gradient", marks=pytest.mark.prove),
        pytest.param(LogitTemperature, "zero_gradient", marks=pytest.mark.prove),
    ],
)
def test_a_masked_network_is_flagged_in_every_class(data, plain, defence, sign):
    verdict = probe_masking(defence(plain), data, EPSILON)
    assert verdict.flagged
    assert signs(verdict)[sign] == verdict.classes == list(range(10))


@pytest.mark.parametrize(
    ("defence", "expected"),
    [
        pytest.param(
            OneClassMasked,
            {"black_box", "transfer"},
            marks=[pytest.mark.prove, pytest.mark.xfail(reason="flags two classes of a plain network besides")],
        ),
        pytest.param(OneClassKilled, {"zero_gradient", "black_box", "transfer"}, marks=pytest.mark.prove),
    ],
)
def test_one_masked_class_is_flagged_alone(data, plain, defence, expected):
    verdict = probe_masking(defence(plain, 3), data, EPSILON)
    assert verdict.classes == [3]
    assert expected <= set(signs(verdict))
    assert "(3)" in verdict.in_words([str(c) for c in range(10)])


@pytest.mark.prove
def test_winners_take_all_is_flagged(data):
    x, y = to_unit(data.train.images), data.train.labels
    network = fitted(plain_network(WinnersTakeAll), x, y, epsilon=EPSILON)
    assert "more_steps" in signs(probe_masking(network, data, EPSILON))


@pytest.mark.parametrize("base", ["pgd_at", pytest.param("trades", marks=pytest.mark.prove)])
def test_robust_networks_are_not_flagged(data, base):
    mean, deviation = normalisation_of("digits") or (None, None)
    network = create_model("cnn_tiny", num_classes=10, image_shape=data.image_shape, mean=mean, std=deviation)
    load_weights(network, Path(fairbench.bases.__path__[0]) / "digits" / f"{base}.safetensors")
    verdict = probe_masking(network, data, EPSILON)
    assert not verdict.flagged
    assert all(max(sign.counted) <= 1 for sign in verdict.signs)


def test_the_verdict_is_the_same_twice_and_the_model_is_given_back(data, plain):
    noisy = InputNoise(plain).train()
    state = torch.random.get_rng_state()
    one, two = (probe_masking(noisy, data.test, EPSILON) for _ in range(2))
    assert one.signs == two.signs
    assert noisy.training
    assert torch.equal(state, torch.random.get_rng_state())
    assert one.not_probed == {"transfer": "no training images were given for a plain network"}


def outcomes(**flags):
    """All probes fool everything but those named, which fool the images at these positions."""
    fooled = {name: np.ones(40, dtype=bool) for name in PROBES}
    values = {"gradient_is_zero": np.zeros(40, dtype=bool), "differs": np.zeros(40, dtype=bool)}
    for name, positions in flags.items():
        target = np.isin(np.arange(40), list(positions))
        (fooled if name in PROBES else values)[name] = target
    return ProbeOutcomes(labels=LABELS, num_classes=2, fooled=fooled, **values)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({}, {}),
        ({"gradient_is_zero": range(3)}, {"zero_gradient": [0]}),
        ({"gradient_is_zero": range(2)}, {}),
        ({"pgd_last": range(2, 40)}, {}),
        ({"fgsm": [], "pgd": [], "cw": [], "transfer": [], "square": range(20, 24)}, {"black_box": [1]}),
        ({"fgsm": [], "pgd": [0, 1, 2], "cw": [], "transfer": [], "square": range(3, 7)}, {}),
        ({"fgsm": [], "pgd": [], "cw": [], "square": [], "transfer": range(3)}, {"transfer": [0]}),
        ({"large_epsilon": range(3, 40)}, {"large_epsilon": [0]}),
        ({"pgd_last": range(30)}, {"more_steps": [1]}),
        ({"pgd": range(5, 40)}, {"one_step": [0]}),
        ({"differs": range(18, 40)}, {"randomised": [1]}),
    ],
)
def test_each_sign_is_counted_by_class(flags, expected):
    assert signs(judge(outcomes(**flags), settings={})) == expected


def test_zero_gradients_that_autoattack_saw_count_too():
    seen = {"gradient_seen": [100, 100], "gradient_zero": [0, 20]}
    checks = AttackChecks(
        randomised=False,
        dynamic=False,
        probabilities=False,
        lowest_logit=-1,
        highest_logit=1,
        attacked={},
        broken={},
        square_better=None,
        farthest=0.1,
        passes={},
        **seen,
    )
    assert signs(judge(outcomes(), settings={}, checks=checks)) == {"zero_gradient": [1]}
